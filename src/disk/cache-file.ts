/**
 * A file of a user's own that may be lost at any time: what can be worked out again.
 *
 * Nothing here ever fails: a cache that cannot be read is none, and one that cannot be written is not written.
 * A file is written beside its name and renamed to it, so a reader sees the old one or the new one whole,
 * whoever else writes at the same time. It is not synced: after a power cut it may be torn, and
 * what is in it has to tell (a checksum). What others own, or may write to, is never read.
 */
import * as fs from "node:fs";
import { basename, dirname } from "node:path";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;

/** More files than this are not kept: those that were written longest ago go. */
const FILES = 50;

/** A draft of this age has been left by a writer that died, in ms. */
const DRAFT_MS = 3600_000;

const DRAFT = /\.draft-\d+$/;

/** The file's bytes; undefined where there is none that can be trusted, or it is larger than that. */
export function readCacheFile(path: string, limitBytes: number): Buffer | undefined {
  return orNothing(() => {
    const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stat = fs.fstatSync(fd);
      const isOurs = stat.isFile() && stat.uid === process.geteuid?.() && (stat.mode & 0o022) === 0;
      if (!isOurs || stat.size > limitBytes) return undefined;
      const bytes = Buffer.allocUnsafeSlow(stat.size);
      let done = 0;
      while (done < bytes.length) {
        const count = fs.readSync(fd, bytes, done, bytes.length - done, done);
        if (count === 0) return undefined;
        done += count;
      }
      return bytes;
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** Replaces the file, or makes it with its directory; true where that worked. */
export function writeCacheFile(path: string, bytes: Uint8Array): boolean {
  const directory = dirname(path);
  const draft = `${path}.draft-${process.pid}`;
  const isWritten = orNothing(() => {
    if (!makeOwn(directory)) return false;
    // Of a process with our number that died.
    fs.rmSync(draft, { force: true });
    const fd = fs.openSync(draft, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    try {
      for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(draft, path);
    return true;
  });
  if (isWritten) orNothing(() => clear(directory, basename(path)));
  else orNothing(() => fs.rmSync(draft, { force: true }));
  return isWritten ?? false;
}

/** Makes a directory, and those above it, only in what is ours: under sudo a home may be another's. */
function makeOwn(directory: string): boolean {
  const stat = fs.statSync(directory, { throwIfNoEntry: false });
  if (stat !== undefined) return stat.isDirectory() && stat.uid === process.geteuid?.();
  if (!makeOwn(dirname(directory))) return false;
  fs.mkdirSync(directory, { mode: 0o700 });
  return true;
}

/** Drops what was left half written, and the oldest files where they are many. */
function clear(directory: string, written: string): void {
  const files = fs
    .readdirSync(directory)
    .filter((name) => name !== written)
    .map((name) => ({ path: `${directory}/${name}`, name }));
  const drafts = files.filter(({ name }) => DRAFT.test(name));
  if (drafts.length === 0 && files.length < FILES) return;
  const dated = files.map((file) => ({
    ...file,
    ageMs: Date.now() - fs.lstatSync(file.path).mtimeMs,
  }));
  const old = dated
    .filter(({ name }) => !DRAFT.test(name))
    .toSorted((a, b) => a.ageMs - b.ageMs)
    .slice(FILES - 1);
  const left = dated.filter(({ name, ageMs }) => DRAFT.test(name) && ageMs > DRAFT_MS);
  for (const { path } of [...old, ...left]) fs.rmSync(path, { force: true });
}

/** What `act` returns; undefined where the system says no. */
function orNothing<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
