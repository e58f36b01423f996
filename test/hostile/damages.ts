/**
 * What may befall a tree: bad bytes, foreign things, links that lead out, names that lie, messages
 * that are there twice, directories and settings that are gone. Never the loss of a payload: what
 * a damage takes away it leaves somewhere else in the tree.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { basename, dirname } from "node:path";

import { formatSlice, parseHeldName, parseSlice } from "../../src/message/slice.ts";
import type { Slice } from "../../src/message/slice.ts";
import { DEAD_PROCESS, pathsIn, slicesIn } from "./tree.ts";
import type { Tree } from "./tree.ts";

/** Does it, and says what it was; undefined where there is nothing that it could befall. */
export type Damage = (tree: Tree) => string | undefined;

const ID = "01kdvdna000003f9x2c7m1q8zt";
const SLICE = `5-1767225600000-${ID}-0000000-n1-o0-b3-a0`;

const isDirectory = (path: string): boolean => fs.lstatSync(path).isDirectory();

function directories(tree: Tree): string[] {
  return [tree.dir, ...pathsIn(tree.dir).filter(isDirectory)].filter((path) => !isHidden(path));
}

/** What was removed, or never made, goes with all that is in it; what was set aside is nobody's. */
const isHidden = (path: string): boolean =>
  /\/\.removed-|\/aside\/|\/dedup\/|\/filling\/c~|\/tmp\/sub-/.test(path);

/** Batches wherever they are; also where their name is that of a ticket or a link. */
function batches(tree: Tree): string[] {
  return pathsIn(tree.dir).filter(
    (path) =>
      !isHidden(path) && !path.endsWith(".reason") && isBatchName(basename(path)) && isFile(path),
  );
}

const isFile = (path: string): boolean => fs.lstatSync(path).isFile();
const isBatchName = (name: string): boolean => /^~?\d-\d{13}-[0-9a-z]{26}-\d{7}-n\d/.test(name);

function foreignName(tree: Tree): string {
  const names = [
    "foreign",
    ".hidden",
    "a b",
    "x\ny\u001b[31m",
    "n".repeat(250),
    SLICE,
    `${SLICE}.reason`,
    "5-1767225600000",
    ID,
    `${ID}_60000_none_host`,
    `${ID}_60000_none_host.lock`,
    `${ID}_60000_${DEAD_PROCESS}_host`,
    `${SLICE}.p${ID}_none`,
    `${SLICE}.k${ID}_${DEAD_PROCESS}`,
    `a.r${ID}_${DEAD_PROCESS}`,
    `${SLICE}.${ID}`,
    `~${SLICE}`,
    "1767225600000",
    "0123456789abcdef0123456789abcdef",
    "queue.json",
    "topic.json",
    "bell",
  ];
  return tree.pick(names)!;
}

/** Something at a path, of any kind. */
function make(tree: Tree, path: string): string {
  const kind = tree.pick(["file", "directory", "link", "link to a directory", "fifo", "dangling"])!;
  if (kind === "file") fs.writeFileSync(path, tree.pick(["", "foreign", "{", "x\n".repeat(50)])!);
  else if (kind === "directory") {
    fs.mkdirSync(path);
    fs.writeFileSync(`${path}/precious`, tree.body());
  } else if (kind === "link")
    fs.symlinkSync(tree.pick([`${tree.outside}/secret`, `${tree.outside}/fifo`])!, path);
  else if (kind === "link to a directory") fs.symlinkSync(`${tree.outside}/directory`, path);
  else if (kind === "fifo") execFileSync("mkfifo", [path]);
  else fs.symlinkSync("/nowhere", path);
  return kind;
}

const exists = (path: string): boolean =>
  fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined;

const foreign: Damage = (tree) => {
  const path = `${tree.pick(directories(tree))!}/${foreignName(tree)}`;
  if (exists(path) || basename(dirname(path)) === "drop") return undefined;
  return `${make(tree, path)} at ${path}`;
};

/** A directory goes to another name beside it, and something else has its place. */
const replaced: Damage = (tree) => {
  const path = tree.pick(directories(tree).filter((one) => one !== tree.dir))!;
  fs.renameSync(path, `${path.slice(0, 4000)}.was`);
  return `${make(tree, path)} in place of the directory ${path}`;
};

const flipped: Damage = (tree) => {
  const path = tree.pick(batches(tree));
  if (path === undefined) return undefined;
  const bytes = fs.readFileSync(path);
  if (bytes.length === 0) return undefined;
  const at = tree.below(bytes.length);
  bytes[at]! ^= 1 << tree.below(8);
  fs.writeFileSync(path, bytes);
  return `a bit flipped at ${at} in ${path}`;
};

const truncated: Damage = (tree) => {
  const path = tree.pick(batches(tree));
  if (path === undefined) return undefined;
  const { size } = fs.lstatSync(path);
  fs.truncateSync(path, tree.below(size + 1));
  return `${path} cut short`;
};

/** The name says something else of what is in the file. */
const lied: Damage = (tree) => {
  const path = tree.pick(slicesIn(tree.dir).filter((one) => !isHidden(one)));
  if (path === undefined) return undefined;
  const slice = parseHeldName(basename(path))!;
  const other: Slice = tree.pick([
    { ...slice, first: slice.first + 1 },
    { ...slice, count: slice.count + 1 },
    { ...slice, offset: slice.offset + 1 },
    { ...slice, bytes: Math.max(0, slice.bytes - 1) },
    { ...slice, batch: ID },
    { ...slice, visibleMs: 1 },
    { ...slice, rank: 0 },
    { ...slice, attempts: slice.attempts + 3, restAttempts: slice.restAttempts + 3 },
  ])!;
  const to = `${dirname(path)}/${formatSlice(other)}`;
  if (exists(to)) return undefined;
  fs.renameSync(path, to);
  return `${path} renamed to ${basename(to)}`;
};

/** A file goes by another name, or to another place. */
const renamed: Damage = (tree) => {
  const path = tree.pick(batches(tree));
  const directory = tree.pick(directories(tree).filter((one) => !/\/(drop|tmp)(\/|$)/.test(one)));
  if (path === undefined || directory === undefined) return undefined;
  const name = tree.below(2) === 0 ? basename(path) : foreignName(tree);
  const to = `${tree.below(2) === 0 ? directory : dirname(path)}/${name}`;
  // What is a draft, or undone, may go: so nothing that was promised is brought there.
  const mayGo = /\/(staging|aborted|tmp|drop)\//;
  if (exists(to) || (mayGo.test(to) && !mayGo.test(path))) return undefined;
  fs.renameSync(path, to);
  return `${path} renamed to ${to}`;
};

/** One more name, or a copy, of messages that are there already: of all, or of some. */
const doubled: Damage = (tree) => {
  const queues = ["queues/jobs", "queues/other", "topics/logs/subscriptions/a"];
  const root = `${tree.dir}/${tree.pick(queues)!}`;
  if (!exists(root) || !isDirectory(root)) return undefined;
  const path = tree.pick(slicesIn(root).filter((one) => !isHidden(one)));
  const places = directories(tree).filter(
    (one) =>
      one.startsWith(`${root}/`) &&
      /\/(ready\/[^/]+|dead|leases\/[^/]*[^k]|reclaim\/[^/]+)$/.test(one),
  );
  const place = tree.pick(places);
  if (path === undefined || place === undefined) return undefined;
  const part = partOfLines(tree, path);
  const tries = tree.below(3);
  const slice = {
    ...part,
    attempts: part.attempts + tries,
    restAttempts: part.restAttempts + tries,
  };
  const to = `${place}/${formatSlice(slice)}`;
  if (exists(to)) return undefined;
  if (tree.below(2) === 0) fs.linkSync(path, to);
  else fs.copyFileSync(path, to);
  return `${path} also as ${to}`;
};

/** All of a slice, or a part of one whose messages are lines. */
function partOfLines(tree: Tree, path: string): Slice {
  const slice = parseHeldName(basename(path))!;
  const bytes = fs.readFileSync(path);
  const body = bytes.subarray(bytes.indexOf(10) + 1);
  const lines = body
    .subarray(slice.offset, slice.offset + slice.bytes)
    .toString()
    .split("\n");
  if (slice.count === 1 || lines.length !== slice.count + 1 || tree.below(3) === 0) return slice;
  const from = tree.below(slice.count);
  const count = 1 + tree.below(slice.count - from);
  const lengthOf = (some: readonly string[]): number =>
    some.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
  return {
    ...slice,
    first: slice.first + from,
    count,
    offset: slice.offset + lengthOf(lines.slice(0, from)),
    bytes: lengthOf(lines.slice(from, from + count)),
    restAttempts: slice.attempts,
  };
}

/** Settings are gone, or say nothing, or are something else. */
const unset: Damage = (tree) => {
  const files = pathsIn(tree.dir).filter(
    (path) => !isHidden(path) && /\/(queue|topic|spool)\.json$/.test(path) && isFile(path),
  );
  const path = tree.pick(files);
  if (path === undefined) return undefined;
  const how = tree.pick(["gone", "empty", "garbage", "an array", "replaced"])!;
  if (how === "gone" || how === "replaced") fs.unlinkSync(path);
  if (how === "empty") fs.truncateSync(path, 0);
  if (how === "garbage") fs.writeFileSync(path, '{"lea');
  if (how === "an array") fs.writeFileSync(path, "[]");
  if (how === "replaced") make(tree, path);
  return `${path}: ${how}`;
};

/** Empty directories are lost, as with a backup that leaves them out; and small files. */
const lost: Damage = (tree) => {
  const gone: string[] = [];
  for (const path of directories(tree).toReversed()) {
    if (path === tree.dir || tree.below(2) === 0 || fs.readdirSync(path).length > 0) continue;
    fs.rmdirSync(path);
    gone.push(path);
  }
  for (const path of pathsIn(tree.dir)) {
    if (isHidden(path) || !/\.reason$|\/bell$/.test(path) || tree.below(2) === 0 || !isFile(path))
      continue;
    fs.unlinkSync(path);
    gone.push(path);
  }
  return gone.length === 0 ? undefined : `gone: ${gone.join(" ")}`;
};

const reasoned: Damage = (tree) => {
  const letter = tree.pick(slicesIn(tree.dir).filter((path) => /\/dead\/[^/]+$/.test(path)));
  if (letter === undefined) return undefined;
  const reason = `${letter}.reason`;
  fs.rmSync(reason, { force: true, recursive: true });
  if (tree.below(2) === 0) fs.writeFileSync(reason, tree.pick(["", "{", "[]", '{"reason":7}'])!);
  else make(tree, reason);
  return `${reason} is no reason`;
};

/** Locks are gone, or files, or not empty, or of another time; leases are elsewhere. */
const unlocked: Damage = (tree) => {
  const locks = directories(tree).filter((path) => path.endsWith(".lock"));
  const lock = tree.pick(locks);
  if (lock === undefined) return undefined;
  const how = tree.pick(["gone", "a file", "not empty", "future", "reclaimed", "no lease"])!;
  const lease = lock.slice(0, -".lock".length);
  const reclaim = `${dirname(dirname(lock))}/reclaim`;
  const canMove = exists(lease) && exists(reclaim) && isDirectory(reclaim);
  if (how === "gone" || how === "a file") fs.rmSync(lock, { recursive: true });
  if (how === "a file") fs.writeFileSync(lock, "");
  if (how === "not empty") fs.writeFileSync(`${lock}/x`, tree.body());
  if (how === "future") fs.utimesSync(lock, 9e9, 9e9);
  if (how === "reclaimed" && canMove) fs.renameSync(lease, `${reclaim}/${basename(lease)}`);
  if (how === "no lease" && canMove && !exists(`${reclaim}/junk`)) {
    fs.renameSync(lease, `${reclaim}/junk`);
  }
  return `${lock}: ${how}`;
};

/** What waits sorts before its bucket, or is in none. */
const rebucketed: Damage = (tree) => {
  const buckets = directories(tree).filter((path) => /\/(ready|log)\/[^/]+$/.test(path));
  const bucket = tree.pick(buckets);
  if (bucket === undefined) return undefined;
  const isReady = dirname(bucket).endsWith("/ready");
  const late = isReady ? `${basename(bucket)[0]}-9999999999998` : "7zzzzzzzzz0000000000000000";
  const to = `${dirname(bucket)}/${tree.below(3) === 0 ? "bucket" : late}`;
  if (exists(to)) return undefined;
  fs.renameSync(bucket, to);
  return `${bucket} renamed to ${to}`;
};

/** Two batches have each other's names. */
const swapped: Damage = (tree) => {
  const all = slicesIn(tree.dir).filter((path) => !isHidden(path));
  const [one, other] = [tree.pick(all), tree.pick(all)];
  if (one === undefined || other === undefined || one === other) return undefined;
  fs.renameSync(one, `${one}.x`);
  if (exists(other)) fs.renameSync(other, one);
  fs.renameSync(`${one}.x`, other);
  return `${one} and ${other} swapped`;
};

const linked: Damage = (tree) => {
  const all = slicesIn(tree.dir).filter((path) => /\/subscriptions\/[^/]+\/ready\//.test(path));
  const path = tree.pick(all);
  if (path === undefined) return undefined;
  const slice = parseSlice(basename(path));
  const incoming = `${path.slice(0, path.indexOf("/ready/"))}/incoming`;
  if (slice === undefined || !exists(incoming) || !isDirectory(incoming)) return undefined;
  const link = `${incoming}/${formatSlice(slice)}.${ID}`;
  if (exists(link)) return undefined;
  fs.linkSync(path, link);
  return `a link of no fan-out of ${path}`;
};

const unspellable: Damage = (tree) => {
  const directory = tree.pick(directories(tree))!;
  fs.writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0xfe])]), "x");
  return `a name that is no text in ${directory}`;
};

export const DAMAGES: Readonly<Record<string, Damage>> = {
  foreign,
  replaced,
  flipped,
  truncated,
  lied,
  renamed,
  doubled,
  unset,
  lost,
  reasoned,
  unlocked,
  rebucketed,
  swapped,
  linked,
  unspellable,
};
