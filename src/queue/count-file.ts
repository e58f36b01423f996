/**
 * The file in which one look leaves its counts for the next one.
 *
 *   8 bytes   magic, the digits are the version
 *   4 bytes   checksum of all that follows
 *   4 bytes   length of the text, a multiple of eight
 *   text      JSON: which spool, and its queues with the names of their buckets and leases; then spaces
 *   numbers   64-bit floats: of each queue, of ready/, leases/ and reclaim/ in turn, the directory's state
 *             and the rows of what is in it; then the rows of dead/ and drop/
 *
 * Numbers are as this machine has them: where others read it the checksum does not fit. What does
 * not fit in any way is no file: torn, of another version, of another spool. And nothing in here is
 * believed of a directory that has another inode, mtime or ctime by now (count-table.ts).
 */
import { readCacheFile, writeCacheFile } from "../disk/cache-file.ts";
import { CountTable, ROW } from "./count-table.ts";
import { TREES } from "./inventory.ts";
import type { KnownQueue, KnownTree } from "./inventory.ts";

const MAGIC = "spoolct1";
const HEAD_BYTES = 16;

/** Some 80,000 buckets: 40 million messages. */
const LIMIT_BYTES = 16 * 1024 * 1024;

/** Numbers of a directory's state. */
const STAMP = 3;

interface Text {
  /** Of the spool. */
  readonly id: string;
  readonly dir: string;
  /** Name, and the names in its trees and of the others. */
  readonly queues: readonly (readonly [name: string, ...names: (readonly string[])[]])[];
}

export type Counts = Map<string, KnownQueue>;

export class CountFile {
  readonly #path: string;
  readonly #id: string;
  readonly #dir: string;

  /** @param directory  for files of this kind. `id` and `dir` are the spool's. */
  constructor(directory: string, id: string, dir: string) {
    this.#path = `${directory}/${id}-${hashOf(dir).toString(16).padStart(8, "0")}.counts`;
    this.#id = id;
    this.#dir = dir;
  }

  /** What was written last; nothing where there is no such file, or it is not one of ours. */
  read(): Counts {
    const bytes = readCacheFile(this.#path, LIMIT_BYTES);
    const file = bytes && decode(bytes);
    if (file === undefined || file.text.id !== this.#id || file.text.dir !== this.#dir) {
      return new Map();
    }
    const reading = new Reading(file.numbers);
    return new Map(file.text.queues.map(([name, ...names]) => [name, reading.queue(names)]));
  }

  /** True where it was written. */
  write(counts: Counts): boolean {
    const parts: Float64Array[] = [];
    const queues = [...counts].map(([name, known]) => {
      for (const tree of TREES) parts.push(stampOf(known[tree]), known[tree].counts.rows);
      parts.push(known.flat.rows);
      const tables = [...TREES.map((tree) => known[tree].counts), known.flat];
      return [name, ...tables.map(({ names }) => names)] as const;
    });
    const bytes = encode({ id: this.#id, dir: this.#dir, queues }, parts);
    return bytes.length <= LIMIT_BYTES && writeCacheFile(this.#path, bytes);
  }
}

function stampOf({ stamp }: KnownTree): Float64Array {
  const { inode, mtimeMs, ctimeMs } = stamp ?? { inode: 0, mtimeMs: 0, ctimeMs: 0 };
  return Float64Array.of(inode, mtimeMs, ctimeMs);
}

/** Takes the numbers for one after the other. */
class Reading {
  readonly #numbers: Float64Array;
  #at = 0;

  constructor(numbers: Float64Array) {
    this.#numbers = numbers;
  }

  queue(names: readonly (readonly string[])[]): KnownQueue {
    const [ready = [], leases = [], reclaim = [], flat = []] = names;
    return {
      ready: this.#tree(ready),
      leases: this.#tree(leases),
      reclaim: this.#tree(reclaim),
      flat: this.#table(flat),
    };
  }

  #tree(names: readonly string[]): KnownTree {
    const [inode = 0, mtimeMs = 0, ctimeMs = 0] = this.#take(STAMP);
    const stamp = inode === 0 ? undefined : { inode, mtimeMs, ctimeMs };
    return { stamp, counts: this.#table(names) };
  }

  #table(names: readonly string[]): CountTable {
    return new CountTable(names, this.#take(ROW * names.length));
  }

  #take(count: number): Float64Array {
    this.#at += count;
    return this.#numbers.subarray(this.#at - count, this.#at);
  }
}

function encode(text: Text, parts: readonly Float64Array[]): Buffer {
  const json = Buffer.from(JSON.stringify(text));
  const textBytes = Math.ceil(json.length / 8) * 8;
  const count = parts.reduce((sum, { length }) => sum + length, 0);
  const bytes = Buffer.alloc(HEAD_BYTES + textBytes + 8 * count);
  bytes.write(MAGIC, "latin1");
  const words = wordsOf(bytes);
  words[3] = textBytes;
  bytes.fill(" ", HEAD_BYTES + json.length, HEAD_BYTES + textBytes);
  bytes.set(json, HEAD_BYTES);
  let at = HEAD_BYTES + textBytes;
  for (const part of parts) {
    new Float64Array(bytes.buffer, at, part.length).set(part);
    at += 8 * part.length;
  }
  words[2] = sumOf(words.subarray(3));
  return bytes;
}

function decode(bytes: Buffer): { text: Text; numbers: Float64Array } | undefined {
  if (bytes.length < HEAD_BYTES || bytes.length % 8 !== 0) return undefined;
  const words = wordsOf(bytes);
  if (bytes.toString("latin1", 0, 8) !== MAGIC || words[2] !== sumOf(words.subarray(3))) {
    return undefined;
  }
  // From here on it is what was written.
  const start = HEAD_BYTES + words[3]!;
  const text = JSON.parse(bytes.toString("utf8", HEAD_BYTES, start)) as Text;
  return { text, numbers: new Float64Array(bytes.buffer, start) };
}

/** Of a buffer that has its memory for itself, and so begins at a multiple of eight. */
const wordsOf = ({ buffer, length }: Buffer): Int32Array => new Int32Array(buffer, 0, length / 4);

/** A sum in which each bit and each place counts. CRC-32 would take longer than all the rest. */
function sumOf(words: Int32Array): number {
  let sum = words.length;
  for (let at = 0; at < words.length; at++) {
    sum = Math.imul(sum ^ words[at]!, 0x9e3779b1);
    sum ^= sum >>> 15;
  }
  return sum;
}

/** FNV-1a (draft-eastlake-fnv), of a path. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
