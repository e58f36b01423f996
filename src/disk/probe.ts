/**
 * Probing a directory: does the file system under it do what a spool needs, and how fast.
 *
 * Everything happens in a directory of its own, which is removed at the end. What is expected is
 * the list of assumptions in docs/format.md.
 */
import { dirname, resolve } from "node:path";

import { BellWatch, makeBell, ring } from "./bell.ts";
import { ignore, syncDirectory, writeAll } from "./durable.ts";
import type { FileSystem } from "./file-system.ts";
import { kindOf } from "./kind.ts";
import { NodeFileSystem } from "./node-file-system.ts";
import { HostProcesses, UNKNOWN_PROCESS } from "./processes.ts";
import { isErrno } from "../errors.ts";

export interface Check {
  readonly name: string;
  readonly verdict: "ok" | "warn" | "fail";
  readonly detail: string;
}

/** Rounds of each timed operation; the median is shown. */
const ROUNDS = 15;

/** How long an event of a watch may take, in ms. */
const EVENT_MS = 2000;

/** A host's clock that is further than this from the disk's is worth a warning, in ms. */
const SKEW_MS = 2000;

/** Everything that is worth knowing of the disk under a spool that is, or would be, in `dir`. */
export async function* examine(dir: string): AsyncGenerator<Check> {
  const fs = new NodeFileSystem({ blocking: true });
  const there = await nearest(fs, dir);
  yield { name: "directory", verdict: "ok", detail: there };
  const isKnown = new HostProcesses().self !== UNKNOWN_PROCESS;
  yield {
    name: "processes",
    verdict: isKnown ? "ok" : "warn",
    detail: isKnown
      ? "a dead consumer of this host is noticed at once"
      : "no /proc: a dead consumer is noticed when its lease runs out",
  };
  yield* probe(fs, `${there}/.doctor-${process.pid}`);
}

/** The directory, or the nearest parent that is there. */
async function nearest(fs: FileSystem, dir: string): Promise<string> {
  for (let at = resolve(dir); ; at = dirname(at)) {
    if (await ignore(() => fs.lstat(at), "ENOENT", "ENOTDIR")) return at;
    if (dirname(at) === at) return at;
  }
}

/** All checks, in a fresh directory `scratch`, which must not exist. */
async function* probe(fs: FileSystem, scratch: string): AsyncGenerator<Check> {
  await fs.mkdir(scratch);
  try {
    yield* checkSpace(fs, scratch);
    yield await checkExclusive(fs, scratch);
    yield await checkRename(fs, scratch);
    yield await checkLinks(fs, scratch);
    yield await checkClock(fs, scratch);
    yield await checkSync(fs, scratch);
    yield await checkEvents(fs, scratch);
  } finally {
    for (const name of await fs.list(scratch)) {
      await ignore(() => fs.unlink(`${scratch}/${name}`), "ENOENT", "EISDIR", "EPERM");
      await ignore(() => fs.rmdir(`${scratch}/${name}`), "ENOENT", "ENOTDIR");
    }
    await fs.rmdir(scratch);
  }
}

async function touchFile(fs: FileSystem, path: string): Promise<void> {
  await fs.close(await fs.open(path, "create"));
}

async function* checkSpace(fs: FileSystem, scratch: string): AsyncGenerator<Check> {
  const { type, totalBytes, freeBytes, totalInodes, freeInodes } = await fs.space(scratch);
  const kind = kindOf(type);
  yield {
    name: "file system",
    verdict: kind.name.startsWith("unknown") ? "warn" : "ok",
    detail: kind.oneSync
      ? `${kind.name}: one fsync makes a message durable`
      : `${kind.name}: treated with care, three fsyncs a message`,
  };
  const percent = Math.round((100 * freeBytes) / Math.max(1, totalBytes));
  yield {
    name: "free space",
    verdict: percent < 5 ? "warn" : "ok",
    detail: `${Math.round(freeBytes / 1024 ** 2)} MiB (${percent} %)`,
  };
  const hasInodes = totalInodes === 0 || freeInodes > 10_000;
  yield { name: "free inodes", verdict: hasInodes ? "ok" : "warn", detail: String(freeInodes) };
}

async function checkExclusive(fs: FileSystem, scratch: string): Promise<Check> {
  const name = "exclusive create";
  await touchFile(fs, `${scratch}/excl`);
  try {
    await touchFile(fs, `${scratch}/excl`);
    return { name, verdict: "fail", detail: "a name could be created twice" };
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    return { name, verdict: "ok", detail: "a name that is taken is refused" };
  }
}

async function checkRename(fs: FileSystem, scratch: string): Promise<Check> {
  const name = "rename";
  await touchFile(fs, `${scratch}/from`);
  await fs.rename(`${scratch}/from`, `${scratch}/to`);
  try {
    await fs.rename(`${scratch}/from`, `${scratch}/to2`);
    return { name, verdict: "fail", detail: "a file could be renamed twice" };
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    return { name, verdict: "ok", detail: "the second of two renames is refused" };
  }
}

async function checkLinks(fs: FileSystem, scratch: string): Promise<Check> {
  const name = "hard links";
  await touchFile(fs, `${scratch}/file`);
  try {
    await fs.link(`${scratch}/file`, `${scratch}/link`);
  } catch (error) {
    if (!isErrno(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "EACCES")) throw error;
    return { name, verdict: "warn", detail: "not possible here: a split is a copy then" };
  }
  try {
    await fs.link(`${scratch}/file`, `${scratch}/link`);
    return { name, verdict: "fail", detail: "a link replaced a name that was taken" };
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
  const { links } = await fs.lstat(`${scratch}/file`);
  return { name, verdict: links === 2 ? "ok" : "warn", detail: `counted: ${links} of 2` };
}

async function checkClock(fs: FileSystem, scratch: string): Promise<Check> {
  await touchFile(fs, `${scratch}/clock`);
  const skewMs = Math.round(Date.now() - (await fs.lstat(`${scratch}/clock`)).mtimeMs);
  return {
    name: "clock",
    verdict: Math.abs(skewMs) > SKEW_MS ? "warn" : "ok",
    detail: `this host is ${Math.abs(skewMs)} ms ${skewMs < 0 ? "behind" : "ahead of"} the disk`,
  };
}

async function checkSync(fs: FileSystem, scratch: string): Promise<Check> {
  const times: number[] = [];
  const payload = Buffer.alloc(1024);
  for (let round = 0; round < ROUNDS; round++) {
    const path = `${scratch}/sync${round}`;
    const startMs = performance.now();
    const fd = await fs.open(path, "create");
    await writeAll(fs, fd, payload, 0);
    await fs.rename(path, `${path}.done`);
    await fs.sync(fd);
    await fs.close(fd);
    times.push(performance.now() - startMs);
  }
  await syncDirectory(fs, scratch);
  const sorted = times.toSorted((a, b) => a - b);
  const [least = 0, median = 0, most = 0] = [0, ROUNDS >> 1, ROUNDS - 1].map((at) => sorted[at]);
  const show = (ms: number): string => ms.toFixed(ms < 10 ? 2 : 0);
  return {
    name: "durable put",
    verdict: median > 100 ? "warn" : "ok",
    detail: `${show(median)} ms (${show(least)} to ${show(most)}): write, rename, fsync of 1 KiB`,
  };
}

async function checkEvents(fs: FileSystem, scratch: string): Promise<Check> {
  const bell = `${scratch}/bell`;
  await makeBell(fs, bell);
  const kind = kindOf((await fs.space(scratch)).type);
  const watch = await BellWatch.open(bell, kind, 200);
  const startMs = performance.now();
  await ring(fs, bell);
  await watch.wait(EVENT_MS);
  const tookMs = performance.now() - startMs;
  await watch.close();
  const came = tookMs < EVENT_MS - 50;
  const how = kind.shared ? "polled, since events do not travel between hosts" : "an event came";
  return {
    name: "wake-up",
    verdict: came ? "ok" : "warn",
    detail: came
      ? `${how} after ${Math.round(tookMs)} ms`
      : "no event came: consumers look again by the clock",
  };
}
