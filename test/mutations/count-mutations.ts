/** Bugs in what is kept of a count. */
import type { Mutation } from "./mutation.ts";

const COUNTING: readonly string[] = [
  "test/queue/inventory.test.ts",
  "test/queue/count-file",
  "test/stats",
];

export const COUNTS: readonly Mutation[] = [
  {
    name: "count: kept of a directory that may have changed",
    file: "queue/inventory.ts",
    find: "if (!isOld || !isQuietAt(nowMs, changedMs)) return undefined;",
    replace: "if (!isOld) return undefined;",
    breaks: "What comes in the same tick is not counted, until something else comes.",
    catchers: COUNTING,
  },
  {
    name: "count: kept past the time at which something is due",
    file: "queue/count-table.ts",
    find: "nowMs < rows[at + UNTIL]!",
    replace: "rows[at + UNTIL]! > 0",
    breaks: "What was scheduled or has expired is counted as it was.",
    catchers: COUNTING,
  },
  {
    name: "count: kept of a directory that got its old mtime again",
    file: "queue/count-table.ts",
    find: "      rows[at + CTIME] === stat.ctimeMs &&\n",
    replace: "",
    breaks:
      "After a backup was unpacked over a bucket, status and limits say what was there before.",
    catchers: COUNTING,
  },
  {
    name: "count: a shared disk's lstat believed",
    file: "queue/inventory.ts",
    find: "return disk.kind.shared ? statOpened(fs, path) : fs.lstat(path);",
    replace: 'return disk.kind.shared && path === "" ? statOpened(fs, path) : fs.lstat(path);',
    breaks: "What another host has put is not counted for as long as attributes are cached.",
    catchers: COUNTING,
  },
  {
    name: "count: taken over from a torn file",
    file: "queue/count-file.ts",
    find: " || words[2] !== sumOf(words.subarray(3))",
    replace: "",
    breaks: "After a power cut status says what no directory has said.",
    catchers: COUNTING,
  },
];
