/**
 * Goal: whatever befalls a tree, nothing crashes, hangs, leaves the spool or delivers what was not put;
 * and a repair loses nothing.
 *
 * Method: the fuzzer, for a bounded time: seeds in which it has found something once, and new ones. A run
 * that fails says its seed: `node test/hostile/fuzz.ts --runs 1 --seed S` repeats it.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { describe, expect, test } from "vitest";

const FUZZ = fileURLToPath(new URL("fuzz.ts", import.meta.url));

function fuzz(...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, [FUZZ, ...args], {
    encoding: "utf8",
    timeout: 85_000,
  });
  return stdout + stderr;
}

describe("hostile trees", () => {
  test.for(["1002", "1007", "1022", "2050"])("of seed %s are sound", (seed) => {
    expect(fuzz("--runs", "1", "--seed", seed)).toMatch(/: sound\n$/);
  });

  test("of new seeds are sound", () => {
    expect(fuzz("--minutes", "0.25")).toMatch(/: sound\n$/);
  });
});
