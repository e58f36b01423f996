/**
 * Goal: what is read from a file of counts is what was written, or nothing.
 *
 * Method: real files, damaged by chance, of other versions, spools and people.
 */
import * as fs from "node:fs";

import * as fc from "fast-check";
import { describe, expect } from "vitest";

import { IdSource } from "../../src/message/id.ts";
import { CountFile } from "../../src/queue/count-file.ts";
import type { Counts } from "../../src/queue/count-file.ts";
import { CountTable, ROW } from "../../src/queue/count-table.ts";
import type { KnownTree } from "../../src/queue/inventory.ts";
import { test as base } from "../helpers/fixtures.ts";
import { chance, randomRuns } from "../helpers/model-chance.ts";

const ID = new IdSource(chance(1)).next(1_767_225_600_000);

const test = base.extend("cache", ({ dir }) => `${dir}/home/cache/spool`);

function treeOf(names: readonly string[], seed: number): KnownTree {
  const random = chance(seed);
  const rows = Float64Array.from({ length: ROW * names.length }, () =>
    random() < 0.1 ? Number.POSITIVE_INFINITY : Math.floor(random() * 1e15) / 8,
  );
  const stamp = seed % 3 === 0 ? undefined : { inode: seed, mtimeMs: seed + 0.5, ctimeMs: seed };
  return { stamp, counts: new CountTable(names, rows) };
}

function countsOf(buckets: readonly string[]): Counts {
  const queue = (seed: number, names: readonly string[]) => ({
    ready: treeOf(names, seed),
    leases: treeOf(["l1", "l2"], seed + 1),
    reclaim: treeOf([], seed + 2),
    flat: treeOf(["dead", "drop"], seed + 3).counts,
  });
  return new Map([
    ["jobs", queue(1, buckets)],
    ["logs/späher", queue(7, [])],
  ]);
}

/** The only file in a directory. */
function only(directory: string): string {
  const names = fs.readdirSync(directory);
  expect(names).toHaveLength(1);
  return `${directory}/${names[0]}`;
}

describe("a file of counts", () => {
  test("says what was written", ({ cache }) => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" }), { maxLength: 20 }), (buckets) => {
        const counts = countsOf(buckets);
        const file = new CountFile(cache, ID, "/spool");
        expect(file.write(counts)).toBe(true);
        expect(new CountFile(cache, ID, "/spool").read()).toEqual(counts);
      }),
      randomRuns(50),
    );
  });

  test("is its owner's alone, and has a directory that is", ({ cache }) => {
    new CountFile(cache, ID, "/spool").write(countsOf([]));
    expect(fs.statSync(only(cache)).mode & 0o777).toBe(0o600);
    expect(fs.statSync(cache).mode & 0o777).toBe(0o700);
  });

  test("that was damaged says nothing: cut off, zeroed, changed, longer", ({ cache }) => {
    const file = new CountFile(cache, ID, "/spool");
    file.write(countsOf(Array.from({ length: 40 }, (_, at) => `bucket ${at}`)));
    const path = only(cache);
    const whole = fs.readFileSync(path);
    const damage = fc.record({
      how: fc.constantFrom(...(["cut", "zero", "flip", "shift", "add"] as const)),
      at: fc.nat(whole.length - 1),
      by: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(damage, ({ how, at, by }) => {
        let bytes = Buffer.from(whole);
        if (how === "cut") bytes = bytes.subarray(0, at);
        else if (how === "zero") bytes.fill(0, at, Math.min(at + 4096, bytes.length));
        else if (how === "flip") bytes[at]! ^= by;
        else if (how === "shift") bytes.copyWithin(at - (at % 8), at - (at % 8) + 8);
        else bytes = Buffer.concat([bytes, Buffer.alloc(8 * by)]);
        if (bytes.equals(whole)) return;
        fs.writeFileSync(path, bytes);
        expect(file.read()).toEqual(new Map());
      }),
      randomRuns(1000),
    );
  });

  test("of another version, another spool, or another place says nothing", ({ cache }) => {
    const file = new CountFile(cache, ID, "/spool");
    file.write(countsOf([]));
    const path = only(cache);
    const other = new IdSource(chance(2)).next(0);
    for (const [id, dir] of [
      [other, "/spool"],
      [ID, "/elsewhere"],
    ] as const) {
      const stranger = new CountFile(cache, id, dir);
      stranger.write(countsOf(["strange"]));
      const theirs = fs.readdirSync(cache).find((name) => !path.endsWith(name))!;
      fs.renameSync(`${cache}/${theirs}`, path);
      expect(file.read()).toEqual(new Map());
    }
    file.write(countsOf([]));
    const bytes = fs.readFileSync(path);
    bytes.write("spoolct0");
    fs.writeFileSync(path, bytes);
    expect(file.read()).toEqual(new Map());
  });

  test("is no link, no directory, no pipe, and nothing that others may write to", ({ cache }) => {
    const file = new CountFile(cache, ID, "/spool");
    file.write(countsOf([]));
    const path = only(cache);
    fs.chmodSync(path, 0o620);
    expect(file.read()).toEqual(new Map());
    fs.chmodSync(path, 0o600);
    expect(file.read().size).toBe(2);
    fs.renameSync(path, `${path}.real`);
    fs.symlinkSync(`${path}.real`, path);
    expect(file.read()).toEqual(new Map());
    fs.unlinkSync(path);
    fs.mkdirSync(path);
    expect(file.read()).toEqual(new Map());
    expect(file.write(countsOf([]))).toBe(false);
    expect(fs.readdirSync(cache).filter((name) => name.includes("draft"))).toEqual([]);
  });

  test("of somebody else says nothing", ({ cache, skip }) => {
    if (process.getuid?.() !== 0) skip("it takes root to give a file away");
    const file = new CountFile(cache, ID, "/spool");
    file.write(countsOf([]));
    fs.chownSync(only(cache), 65534, 65534);
    expect(file.read()).toEqual(new Map());
  });

  test("is not made in what is another's", ({ cache, dir, skip }) => {
    if (process.getuid?.() !== 0) skip("it takes root to give a directory away");
    fs.mkdirSync(`${dir}/home`);
    fs.chownSync(`${dir}/home`, 65534, 65534);
    expect(new CountFile(cache, ID, "/spool").write(countsOf([]))).toBe(false);
    expect(fs.readdirSync(`${dir}/home`)).toEqual([]);
  });

  test("is not written where that cannot be, and nothing is said", ({ cache, dir }) => {
    fs.mkdirSync(`${dir}/home`);
    fs.writeFileSync(`${dir}/home/cache`, "a file");
    const file = new CountFile(cache, ID, "/spool");
    expect(file.write(countsOf([]))).toBe(false);
    expect(file.read()).toEqual(new Map());
    expect(fs.readFileSync(`${dir}/home/cache`, "utf8")).toBe("a file");
  });

  test("is one of fifty at the most, and no draft stays for long", ({ cache }) => {
    for (let at = 0; at < 60; at++) {
      new CountFile(cache, ID, `/spool${at}`).write(countsOf([]));
      // Their times may be alike.
      const seconds = 1_700_000_000 + at;
      for (const name of fs.readdirSync(cache)) {
        const path = `${cache}/${name}`;
        if (fs.statSync(path).mtimeMs > 1e12 * 1.75) fs.utimesSync(path, seconds, seconds);
      }
    }
    expect(fs.readdirSync(cache)).toHaveLength(50);
    expect(new CountFile(cache, ID, "/spool59").read().size).toBe(2);
    expect(new CountFile(cache, ID, "/spool0").read().size).toBe(0);
    fs.writeFileSync(`${cache}/old.draft-1`, "");
    fs.utimesSync(`${cache}/old.draft-1`, 1_700_000_000, 1_700_000_000);
    fs.writeFileSync(`${cache}/new.draft-2`, "");
    new CountFile(cache, ID, "/spool59").write(countsOf([]));
    const drafts = fs.readdirSync(cache).filter((name) => name.includes("draft"));
    expect(drafts).toEqual(["new.draft-2"]);
  });

  test("is whole whoever writes it at the same time", ({ cache }) => {
    const files = [1, 2, 3].map(() => new CountFile(cache, ID, "/spool"));
    for (let round = 0; round < 50; round++) {
      const names = [`bucket ${round}`];
      files[round % 3]!.write(countsOf(names));
      const read = files[(round + 1) % 3]!.read().get("jobs");
      expect(read?.ready.counts.names).toEqual(names);
    }
  });
});
