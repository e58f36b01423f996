/**
 * Goal: the process that looks for the one that draws is heard from soon, whenever it is asked.
 *
 * Method: the real process, with an interval that is longer than the test.
 */
import { fileURLToPath } from "node:url";

import { describe, expect } from "vitest";

import type { Spool } from "../../src/spool.ts";
import type { FromSampler } from "../../src/stats/sampler-messages.ts";
import { RemoteSampler } from "../../src/stats/remote-sampler.ts";
import { test as base } from "../helpers/fixtures.ts";

const PROGRAM = [fileURLToPath(new URL("../../dist/spool.cjs", import.meta.url)), "__sample"];

const test = base.extend("open", ({ dir }, { onCleanup }) => {
  const open: RemoteSampler[] = [];
  onCleanup(() => {
    for (const one of open) one.end();
  });
  return (intervalMs: number, record: (message: FromSampler) => void): RemoteSampler => {
    const options = { dir, cacheDir: undefined, names: [], intervalMs, record };
    const sampler = new RemoteSampler({ ...options, program: PROGRAM, onNews: () => {} });
    open.push(sampler);
    return sampler;
  };
});

async function fill(spool: Spool, count: number): Promise<void> {
  for (let at = 0; at < count; at++) await spool.queue(`q${at}`).create();
}

describe("what is asked", () => {
  test("during a round is answered after it, and not after the interval", async ({
    spool,
    open,
  }) => {
    await fill(spool, 400);
    const kinds: string[] = [];
    const sampler = open(60_000, ({ kind }) => {
      kinds.push(kind);
      // The first of the round's portions; the round goes on.
      if (kinds.length === 1) sampler.ask({ kind: "ages", queue: "q0" });
    });
    await expect.poll(() => kinds, { timeout: 10_000 }).toContain("answered");
    expect(kinds.indexOf("answered")).toBeGreaterThan(kinds.indexOf("round"));
  });
});
