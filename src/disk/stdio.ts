/**
 * The standard streams as file descriptors: exact about what was read and what was taken.
 *
 * Node's own streams buffer, so they cannot say how much of a payload a pipe has taken when its
 * reader goes away. Here a write returns when the kernel has taken the bytes, or says how many it
 * took.
 */
import * as fs from "node:fs";

import { Breath } from "../clock.ts";
import { isErrno } from "../errors.ts";

/** One read of a stream, in bytes: more than a pipe holds, and it stays in a core's cache. */
const READ_BYTES = 256 * 1024;

/** A pause after a descriptor that somebody else made non-blocking had nothing for us, in ms. */
const AGAIN_MS = 2;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, AGAIN_MS));

/**
 * The bytes of a descriptor. A block is valid until the next one is asked for.
 *
 * What is there already is read at once, by a call that never waits: of a fast pipe most is. A read
 * in the thread pool costs as much again as its 64 KiB, and leaves them in another core's cache. So
 * only the waiting is done there, where it does not hold up timers and signals.
 */
export async function* readChunks(fd: number, blockBytes = READ_BYTES): AsyncGenerator<Buffer> {
  const ready = openUnwaiting(fd);
  if (ready === undefined) {
    yield* readAhead(fd, blockBytes);
    return;
  }
  const block = Buffer.allocUnsafeSlow(blockBytes);
  const breath = new Breath();
  try {
    for (;;) {
      const count = readNow(ready, block) ?? (await readSome(fd, block));
      if (count === 0) return;
      yield block.subarray(0, count);
      await breath.take();
    }
  } finally {
    if (ready !== fd) closeFd(ready);
  }
}

/** The same of a socket or a terminal, where nobody can say whether a read would wait. */
async function* readAhead(fd: number, blockBytes: number): AsyncGenerator<Buffer> {
  const buffers = [Buffer.allocUnsafe(blockBytes), Buffer.allocUnsafe(blockBytes)];
  let turn = 0;
  let pending = readSome(fd, buffers[0]!);
  for (;;) {
    const count = await pending;
    if (count === 0) return;
    const chunk = buffers[turn]!.subarray(0, count);
    turn = 1 - turn;
    pending = readSome(fd, buffers[turn]!);
    // It is awaited in the next turn; until then nobody else would see it fail.
    pending.catch(() => {});
    yield chunk;
  }
}

/**
 * A descriptor of the same file whose reads never wait for a writer; undefined where there is none.
 *
 * O_NONBLOCK belongs to what was opened, and that may be shared with other programs. So a pipe is
 * opened once more, which Linux alone can do.
 */
function openUnwaiting(fd: number): number | undefined {
  try {
    const stats = fs.fstatSync(fd);
    if (stats.isFile()) return fd;
    if (!stats.isFIFO()) return undefined;
    return fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch {
    // Not Linux, no /proc, or a pipe of another user.
    return undefined;
  }
}

/** Undefined where nothing has come yet. */
function readNow(fd: number, into: Buffer): number | undefined {
  try {
    return fs.readSync(fd, into, 0, into.length, null);
  } catch (error) {
    if (isErrno(error, "EAGAIN")) return undefined;
    throw error;
  }
}

async function readSome(fd: number, into: Buffer): Promise<number> {
  for (;;) {
    try {
      return await new Promise<number>((resolve, reject) => {
        fs.read(fd, into, 0, into.length, null, (error, count) => {
          if (error) reject(error);
          else resolve(count);
        });
      });
    } catch (error) {
      if (isErrno(error, "EOF")) return 0;
      if (!isErrno(error, "EAGAIN")) throw error;
      await pause();
    }
  }
}

/** Reads up to `limit` bytes at once: for input that is likely to be small. */
export async function readUpTo(fd: number, limit: number): Promise<Buffer> {
  const into = Buffer.allocUnsafe(limit);
  let count = 0;
  while (count < limit) {
    try {
      const more = fs.readSync(fd, into, count, limit - count, null);
      if (more === 0) break;
      count += more;
    } catch (error) {
      if (isErrno(error, "EOF")) break;
      if (!isErrno(error, "EAGAIN")) throw error;
      await pause();
    }
  }
  return into.subarray(0, count);
}

/** Writes that go to the thread pool, in bytes: a reader may be slow, and a heartbeat must go on. */
const SHORT_BYTES = 16 * 1024;

/**
 * Writes all of `bytes`, and returns how many were taken: fewer only where the reader went away.
 *
 * @throws what write(2) throws, EPIPE excepted.
 */
export async function writeOut(fd: number, bytes: Uint8Array, isBrief = false): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    try {
      const rest = done === 0 ? bytes : bytes.subarray(done);
      done +=
        isBrief && rest.length <= SHORT_BYTES ? fs.writeSync(fd, rest) : await writeSome(fd, rest);
    } catch (error) {
      if (isErrno(error, "EPIPE")) return done;
      if (!isErrno(error, "EAGAIN")) throw error;
      await pause();
    }
  }
  return done;
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, 0, bytes.length, null, (error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
  });
}

/** Opens a file for reading, from its start. */
export function openForReading(path: string): number {
  return fs.openSync(path, "r");
}

export function closeFd(fd: number): void {
  fs.closeSync(fd);
}

/** True of a terminal, and of little else. */
export function isDevice(fd: number): boolean {
  try {
    return fs.fstatSync(fd).isCharacterDevice();
  } catch (error) {
    if (isErrno(error, "EBADF")) return false;
    throw error;
  }
}

export function isDirectory(fd: number): boolean {
  return fs.fstatSync(fd).isDirectory();
}
