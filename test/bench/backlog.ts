/**
 * Queues with a backlog, made as fast as the file system can.
 *
 * `linked` slices of one message each share batch files of 500: a link costs a fraction of a file, and a million
 * of them no space. `files` have a batch each, as single puts make them. Both are what docs/format.md
 * says, only written by hand: names, headers and checksums are right, and `spool verify` agrees.
 */
import * as fs from "node:fs";

import { BUCKET_SLICES } from "../../src/limits.ts";
import { encodeHeader, encodeWhole } from "../../src/message/batch.ts";
import { checksumOf } from "../../src/message/checksum.ts";
import { IdSource } from "../../src/message/id.ts";
import type { Ground } from "./ground.ts";

const BATCH = 500;
const LINE_BYTES = 20;

/** The whole backlog is this old when it is ready, and due this much later when it is scheduled, in ms. */
const HOUR_MS = 3_600_000;

/** Queues that are there: several benchmarks use them. */
const made = new Set<string>();

export type Kind = "ready" | "scheduled";

/**
 * The name of a queue with this backlog of linked slices in the ground's spool, made at its first use.
 *
 * @param tag  tells it from others that are as large, for who uses it up.
 */
export async function backlog(
  ground: Ground,
  kind: Kind,
  count: number,
  tag = "",
): Promise<string> {
  const name = `${kind}${count}${tag}`;
  if (made.has(name)) return name;
  made.add(name);
  await ground.open().then((spool) => spool.queue(name).create());
  fillLinked(`${ground.spoolDir}/queues/${name}`, kind, count);
  ground.settle();
  return name;
}

function fillLinked(queue: string, kind: Kind, count: number): void {
  const ids = new IdSource();
  const startMs = Date.now() - HOUR_MS;
  for (let done = 0; done < count; done += BATCH) {
    const wanted = Math.min(BATCH, count - done);
    // Ready ones are spread over the last half of an hour, so that each batch has a time of its own.
    const timeMs = startMs + Math.floor((done / count) * (HOUR_MS / 2));
    const id = ids.next(timeMs);
    const dueMs = kind === "ready" ? timeMs : startMs + 2 * HOUR_MS + done;
    const bucket = `${queue}/ready/5-${dueMs}-${id}`;
    fs.mkdirSync(bucket);
    const file = `${queue}/tmp/filler`;
    fs.writeFileSync(file, linesBatch(id, timeMs, wanted));
    for (let at = 0; at < wanted; at++) {
      const visibleMs = kind === "ready" ? dueMs : dueMs + at;
      const first = String(at).padStart(7, "0");
      const tail = `n1-o${at * LINE_BYTES}-b${LINE_BYTES}-a0`;
      const path = `${bucket}/5-${visibleMs}-${id}-${first}-${tail}`;
      if (at < wanted - 1) fs.linkSync(file, path);
      else fs.renameSync(file, path);
    }
  }
}

function linesBatch(id: string, timeMs: number, count: number): Buffer {
  const line = (at: number): string => `message ${String(at).padStart(LINE_BYTES - 9, "0")}\n`;
  const body = Buffer.from(Array.from({ length: count }, (_, at) => line(at)).join(""));
  const header = { id, timeMs, count, framing: "lines" as const, length: body.length, headers: {} };
  return Buffer.concat([encodeHeader({ ...header, checksum: checksumOf(body) }), body]);
}

/** Fills a queue that is there with messages of one file each; returns the bytes of such a file. */
export function fillFiles(queue: string, count: number, payload: Uint8Array): number {
  const ids = new IdSource();
  const timeMs = Date.now() - HOUR_MS;
  let bucket = "";
  let bytes = 0;
  for (let at = 0; at < count; at++) {
    const id = ids.next(timeMs);
    if (at % BUCKET_SLICES === 0) {
      bucket = `${queue}/ready/5-${timeMs}-${id}`;
      fs.mkdirSync(bucket);
    }
    const file = encodeWhole(id, timeMs, {}, payload);
    const draft = `${queue}/tmp/filler`;
    // As a put does it. Made in the new directory itself, a file costs ext4 many times as much: each
    // new directory goes to another part of the disk.
    fs.writeFileSync(draft, file);
    fs.renameSync(draft, `${bucket}/5-${timeMs}-${id}-0000000-n1-o0-b${payload.length}-a0`);
    bytes = file.length;
  }
  return bytes;
}

/** Shares the buckets of a queue out to others, by their directories; returns how to take them back. */
export function dealOut(from: string, others: readonly string[]): () => void {
  const moves = fs
    .readdirSync(`${from}/ready`)
    .map((bucket, at) => [
      `${from}/ready/${bucket}`,
      `${others[at % others.length]}/ready/${bucket}`,
    ]);
  for (const [mine, theirs] of moves) fs.renameSync(mine!, theirs!);
  return () => {
    for (const [mine, theirs] of moves) fs.renameSync(theirs!, mine!);
  };
}
