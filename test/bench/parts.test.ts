/**
 * Goal: each part of `spool bench` measures what it says, on a machine of any speed, and heeds the signal.
 *
 * Method: the parts themselves, with a short time for each, in a scratch directory.
 */
import { readdir } from "node:fs/promises";

import { describe, expect } from "vitest";

import { PARTS } from "../../src/bench/bench.ts";
import { quantile, ratio, spread } from "../../src/bench/figures.ts";
import { Ground } from "../../src/bench/ground.ts";
import { alternate, NoTime, Pace, plainRateFor, rateFor, Stopped } from "../../src/bench/pace.ts";
import { Scratch } from "../../src/disk/scratch.ts";
import { ROOT } from "../helpers/cli.ts";
import { test } from "../helpers/fixtures.ts";

const WAITER = [`${ROOT}/dist/spool.cjs`, "__waiter"];

const never = new AbortController().signal;

describe("parts", () => {
  test.for(PARTS)("$what", async (part, { dir }) => {
    const scratch = Scratch.make(dir);
    try {
      const ground = await Ground.open(scratch, { waiter: WAITER, signal: never });
      const measured = await part.run(ground, () => new Pace(300, never));
      expect(measured.length).toBeGreaterThan(0);
      for (const { name, beside, figures } of measured) {
        expect(figures.ours.length, name).toBeGreaterThan(0);
        expect(figures.floor).toHaveLength(beside === "" ? 0 : figures.ours.length);
        for (const value of [...figures.ours, ...figures.floor]) {
          expect(value).toBeGreaterThan(0);
          expect(value).toBeLessThan(Infinity);
        }
      }
    } finally {
      scratch.remove();
    }
    expect(await readdir(dir)).toEqual([]);
  });

  test.for(PARTS)("$what: is stopped by the signal", async (part, { dir }) => {
    const scratch = Scratch.make(dir);
    const stop = new AbortController();
    try {
      const ground = await Ground.open(scratch, { waiter: WAITER, signal: stop.signal });
      const begin = (): Pace => {
        setTimeout(() => stop.abort(), 50);
        return new Pace(600_000, stop.signal);
      };
      await expect(part.run(ground, begin)).rejects.toThrow(Stopped);
    } finally {
      scratch.remove();
    }
    expect(await readdir(dir)).toEqual([]);
  });

  test.for(PARTS)("$what: without time there is nothing", async (part, { dir }) => {
    const scratch = Scratch.make(dir);
    try {
      const ground = await Ground.open(scratch, { waiter: WAITER, signal: never });
      await expect(part.run(ground, () => new Pace(0, never))).rejects.toThrow(NoTime);
    } finally {
      scratch.remove();
    }
  });
});

describe("rounds", () => {
  test("take turns, and every other one goes backwards; the first is not counted", async () => {
    const turns: string[] = [];
    let left = 4;
    const figures = await alternate(new Pace(60_000, never), {
      ours: () => {
        turns.push("ours");
        return left-- > 0 ? left : undefined;
      },
      floor: () => turns.push("floor"),
    });
    expect(turns.join(" ")).toBe("ours floor floor ours ours floor floor ours ours floor");
    expect(figures).toEqual({ ours: [2, 1, 0], floor: [3, 6, 7] });
  });

  test("one counts where there is no time for another", async () => {
    const slow = (): Promise<number> => new Promise((resolve) => setTimeout(resolve, 50, 1));
    const figures = await alternate(new Pace(10, never), { ours: slow, floor: slow });
    expect(figures).toEqual({ ours: [1], floor: [1] });
  });

  test("a rate ends with the time, with the most, or with what there is", async () => {
    let count = 0;
    expect(await rateFor(Infinity, async () => count++, 7)).toBeGreaterThan(0);
    expect(count).toBe(7);
    expect(plainRateFor(Infinity, () => count++ < 10)).toBeGreaterThan(0);
    expect(count).toBe(11);
    expect(await rateFor(5, async () => count++)).toBeGreaterThan(0);
    expect(plainRateFor(5, () => false)).toBeUndefined();
    expect(await rateFor(5, async () => false)).toBeUndefined();
  });
});

test("figures: median, least, most, a share, and the median of the ratios", () => {
  expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 });
  expect(
    quantile(
      Array.from({ length: 100 }, (_, at) => at),
      0.99,
    ),
  ).toBe(99);
  expect(ratio({ ours: [1, 10, 30], floor: [1, 5, 10] })).toBe(2);
  expect(ratio({ ours: [1], floor: [] })).toBeUndefined();
});
