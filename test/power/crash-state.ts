/**
 * States in which a power cut may leave the disk.
 *
 *   prefix   all writes up to one of them: what a disk without a cache, or a kind one, leaves
 *   cache    up to the last flush all, and of the writes after it any subset, each whole or cut at a
 *            multiple of 4096 bytes: what the volatile cache of a real disk may leave
 *
 * One image in memory holds all that is flushed, and grows from state to state; a state is that, and
 * of what came after its last flush whatever the state keeps.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

import { chance } from "../helpers/model-chance.ts";
import type { Entry } from "./block-log.ts";

export interface CrashState {
  /** This many entries of the log had reached the disk. */
  readonly prefix: number;
  /** Of a cache state: what decides which writes it keeps. */
  readonly seed?: number;
}

export type Random = () => number;

/** A disk writes so much at once, or not at all. */
const ATOM = 4096;
const CHUNK = 65_536;

export class Disk {
  readonly #entries: readonly Entry[];
  readonly #image: Buffer;
  /** Chunks that are not all zero. */
  readonly #used: Uint8Array;
  /** What of the log is in the image: all up to a flush. */
  #flushed = 0;

  constructor(base: string, entries: readonly Entry[]) {
    this.#entries = entries;
    this.#image = readFileSync(base);
    this.#used = new Uint8Array(Math.ceil(this.#image.length / CHUNK));
    const zeros = Buffer.alloc(CHUNK);
    for (let chunk = 0; chunk < this.#used.length; chunk++) {
      const bytes = this.#image.subarray(chunk * CHUNK, (chunk + 1) * CHUNK);
      this.#used[chunk] = bytes.equals(zeros.subarray(0, bytes.length)) ? 0 : 1;
    }
  }

  /** Writes a state to a file. States must come in the order of their prefixes. */
  write(state: CrashState, path: string): void {
    const pending = this.#advance(state.prefix);
    const fd = openSync(path, "r+");
    try {
      ftruncateSync(fd, 0);
      ftruncateSync(fd, this.#image.length);
      for (let chunk = 0; chunk < this.#used.length; chunk++) {
        if (this.#used[chunk] === 0) continue;
        const from = chunk;
        while (this.#used[chunk] === 1) chunk++;
        writeAt(fd, this.#image.subarray(from * CHUNK, chunk * CHUNK), from * CHUNK);
      }
      const keep = state.seed === undefined ? (entry: Entry) => entry.data : keeper(state.seed);
      for (const entry of pending) writeAt(fd, contentOf(entry, keep(entry)), entry.at);
    } finally {
      closeSync(fd);
    }
  }

  /** Brings the image to the last flush at or before a prefix; returns the writes after it. */
  #advance(prefix: number): readonly Entry[] {
    let flushed = prefix;
    while (flushed > this.#flushed && !this.#entries[flushed - 1]!.isFlush) flushed--;
    for (const entry of this.#entries.slice(this.#flushed, flushed)) {
      const content = contentOf(entry, entry.data);
      content.copy(this.#image, entry.at);
      const last = (entry.at + content.length - 1) / CHUNK;
      for (let chunk = Math.floor(entry.at / CHUNK); chunk <= last; chunk++) this.#used[chunk] = 1;
    }
    this.#flushed = Math.max(this.#flushed, flushed);
    return this.#entries.slice(this.#flushed, prefix);
  }

  /** All of the log. It must be what the recorded disk holds in the end, or the rig is wrong. */
  equals(path: string): boolean {
    for (const entry of this.#advance(this.#entries.length)) {
      contentOf(entry, entry.data).copy(this.#image, entry.at);
    }
    return readFileSync(path).equals(this.#image);
  }
}

/** What was discarded reads as zeros: of all that a disk may answer that is the least kind. */
function contentOf(entry: Entry, data: Buffer): Buffer {
  return entry.isDiscard ? Buffer.alloc(entry.bytes) : data;
}

/** Which part of a write a state keeps. */
function keeper(seed: number): (entry: Entry) => Buffer {
  const random = chance(seed);
  const keeps = [0.1, 0.5, 0.9][Math.floor(random() * 3)]!;
  return ({ at, data, isForced }) => {
    const luck = random();
    const tear = random();
    if (isForced || luck < keeps) return data;
    if (tear < 0.7) return data.subarray(0, 0);
    const atoms = Math.floor(random() * Math.ceil(data.length / ATOM));
    // Cut where the disk's own blocks end.
    return data.subarray(0, Math.max(0, atoms * ATOM - (at % ATOM)));
  };
}

function writeAt(fd: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, at + done);
  }
}
