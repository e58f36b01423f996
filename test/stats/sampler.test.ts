/**
 * Goal: whoever looks again and again tells what is new and nothing else, looks at what is seen first, comes round to
 * everything however little time it may spend, and never stops at one queue that cannot be read.
 *
 * Method: a real spool of a few queues; rounds one by one.
 */
import { chmodSync, writeFileSync } from "node:fs";

import { describe, expect } from "vitest";

import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { rowKey } from "../../src/stats/sample.ts";
import type { Sample } from "../../src/stats/sample.ts";
import { Sampler } from "../../src/stats/sampler.ts";
import { test as base } from "../helpers/fixtures.ts";

interface Watched {
  readonly sampler: Sampler;
  /** What the last round told, by row. */
  readonly news: Map<string, Sample>;
  readonly gone: string[];
  readonly spool: Spool;
  readonly round: () => Promise<string[]>;
}

const test = base.extend(
  "watch",
  ({ dir }) =>
    async (names: readonly string[] = [], intervalMs = 1000): Promise<Watched> => {
      const spool = await openSpool({ dir });
      const news = new Map<string, Sample>();
      const gone: string[] = [];
      const sampler = new Sampler(spool, {
        names,
        intervalMs,
        tell: (samples) => {
          for (const sample of samples) news.set(rowKey(sample), sample);
        },
        tellGone: (keys) => gone.push(...keys),
      });
      const round = async (): Promise<string[]> => {
        news.clear();
        await sampler.round();
        return [...news.keys()].toSorted();
      };
      return { sampler, news, gone, spool, round };
    },
);

const name = (index: number): string => `q${String(index).padStart(2, "0")}`;

async function fill(dir: string, count: number): Promise<Spool> {
  const spool = await openSpool({ dir, tellsFlow: false });
  for (let index = 0; index < count; index++) await spool.queue(name(index)).put("x");
  return spool;
}

describe("a sampler", () => {
  test("tells everything at first, and then what is new", async ({ dir, watch }) => {
    const spool = await fill(dir, 3);
    await (await spool.topic("logs")).subscribe("all");
    const { round, news } = await watch();
    expect(await round()).toEqual(["logs/", "logs/all", "q00", "q01", "q02"]);
    expect(news.get("q01")).toMatchObject({ ready: 1, kind: "queue" });
    await spool.queue("q01").put("y");
    expect(await round()).toContain("q01");
    expect(news.get("q01")).toMatchObject({ ready: 2 });
    expect(news.has("q02")).toBe(false);
  });

  test("looks at what is seen in every round, however little time there is", async ({
    dir,
    watch,
  }) => {
    const spool = await fill(dir, 40);
    const { sampler, round } = await watch();
    await round();
    sampler.intervalMs = 0;
    for (const index of [39, 7]) {
      sampler.wanted = [name(index)];
      await spool.queue(name(index)).put("y");
      expect(await round()).toEqual([name(index)]);
    }
  });

  test("comes round to everything, a few at a time", async ({ dir, watch }) => {
    const spool = await fill(dir, 40);
    const { sampler, round } = await watch();
    expect(await round()).toHaveLength(40);
    // A tenth of this is the time for one queue, or for a few.
    sampler.intervalMs = 1;
    for (let index = 0; index < 40; index++) await spool.queue(name(index)).put("y");
    const told = new Set<string>();
    let rounds = 0;
    for (; told.size < 40 && rounds < 1000; rounds++)
      for (const one of await round()) told.add(one);
    expect(told.size).toBe(40);
    expect(rounds).toBeGreaterThan(2);
  });

  test("tells what is gone, and what comes", async ({ dir, watch }) => {
    const spool = await fill(dir, 2);
    const { round, gone } = await watch();
    await round();
    await spool.queue("q00").remove();
    await spool.queue("new").put("x");
    const seen: string[] = [];
    // The names are listed again when that is not too much.
    for (let rounds = 0; rounds < 200 && !seen.includes("new"); rounds++) {
      seen.push(...(await round()));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(seen).toContain("new");
    expect(gone).toContain("q00");
  });

  test("says of a queue that it cannot be read, and goes on", async ({ dir, watch }) => {
    const spool = await fill(dir, 3);
    writeFileSync(spool.queue("q01").room.layout.settings, "{");
    const { round, news } = await watch();
    expect(await round()).toEqual(["q00", "q01", "q02"]);
    expect(news.get("q01")).toMatchObject({ state: "unknown", ready: null });
    expect(news.get("q01")!.error).toMatch(/q01/);
    expect(news.get("q02")).toMatchObject({ ready: 1 });
  });

  test("looks at the names that it was given, which have to be there", async ({ dir, watch }) => {
    const spool = await fill(dir, 3);
    await (await spool.topic("logs")).subscribe("all");
    const { round } = await watch(["q02", "logs"]);
    expect(await round()).toEqual(["logs/", "logs/all", "q02"]);
    const other = await watch(["q02", "none"]);
    await expect(other.round()).rejects.toMatchObject({ code: "NO_QUEUE" });
  });

  test("changes nothing", async ({ dir, watch }) => {
    const spool = await fill(dir, 2);
    const before = await spool.queue("q00").room.fs.list(spool.queue("q00").room.layout.root);
    // Whoever may not write can look.
    chmodSync(spool.queue("q00").room.layout.root, 0o555);
    const { round } = await watch();
    await round();
    await round();
    chmodSync(spool.queue("q00").room.layout.root, 0o755);
    expect(await spool.queue("q00").room.fs.list(spool.queue("q00").room.layout.root)).toEqual(
      before,
    );
  });
});
