/** A page of messages of one state, and one message as a whole, for who looks at them. Only reads. */
import type { Breath } from "../clock.ts";
import { ignore } from "../disk/durable.ts";
import { parseMessageId } from "../message/id.ts";
import type { MessageId } from "../message/id.ts";
import { holds, timeOfBatch } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { Found, Seen, State } from "../queue/browse.ts";
import { look } from "../queue/browse.ts";
import type { LeaseName } from "../queue/lease.ts";
import type { Queue } from "../queue/queue.ts";
import type { Ask, Detail, MessageDetail, MessageRow } from "./detail.ts";
import { holderOf, leaseLeftMs } from "./worker-rows.ts";

/** A file that is larger is not read for its previews: each look reads all of it for its checksum. */
const READ_BYTES = 16 * 1024 * 1024;

/** Read of files at one look; the next one has what this one read, and goes on. */
const LOOK_BYTES = 64 * 1024 * 1024;

const PREVIEW_BYTES = 160;

/** Files that are looked into for one page at the least: few of many dead letters may have the reason that is asked for. */
const FILES = 20_000;

/** Of one message that is looked at. */
const PAYLOAD_BYTES = 64 * 1024;

type MessagesAsk = Extract<Ask, { kind: "messages" }>;
type MessageAsk = Extract<Ask, { kind: "message" }>;

/**
 * What was read of files that have not moved since the last look: their first rows, by the file's path. None of one that
 * could not be read, which is looked at again.
 */
export type RowCache = Map<string, readonly MessageRow[]>;

export async function messageRows(
  queue: Queue,
  ask: MessagesAsk,
  cache: RowCache,
  breath: Breath,
): Promise<Detail> {
  const rows: MessageRow[] = [];
  const kept: RowCache = new Map();
  let isCut = false;
  let leftBytes = LOOK_BYTES;
  for await (const found of queue.browse(ask.state)) {
    if (rows.length >= ask.max || kept.size >= Math.max(FILES, ask.max)) {
      isCut = true;
      break;
    }
    await breath.take();
    // One more than is shown says that there are more.
    const wanted = Math.min(found.slice.count, ask.max - rows.length + 1);
    const known = cache.get(found.path);
    if (known === undefined && found.slice.bytes <= READ_BYTES) leftBytes -= found.slice.bytes;
    if (leftBytes < 0) {
      isCut = true;
      break;
    }
    const isKnown = known !== undefined && known.length >= wanted;
    const { own, isSound } = isKnown
      ? { own: known, isSound: true }
      : await rowsOf(queue, found, wanted);
    kept.set(found.path, isSound ? own : []);
    for (const row of own) {
      if (rows.length > ask.max) break;
      if (ask.reason === undefined || row.reason === ask.reason) rows.push(row);
    }
  }
  cache.clear();
  for (const [path, own] of kept) cache.set(path, own);
  return { kind: "messages", rows: rows.slice(0, ask.max), isCut: isCut || rows.length > ask.max };
}

const idOf = ({ batch }: Slice, index: number): string =>
  index === 0 ? batch : `${batch}.${index}`;

/** What its name says of each message of a slice. */
function commonOf({ slice, lease, state, name }: Found) {
  return {
    enqueuedMs: timeOfBatch(slice),
    visibleMs: slice.visibleMs,
    priority: 9 - slice.rank,
    ...(lease && { holder: holderOf(lease), heldSinceMs: lease.sinceMs }),
    ...(state === "dead" && slice.count > 1 && { letter: { name, messages: slice.count } }),
  };
}

/** Of the first `wanted` messages of a slice: it may have a million. */
async function rowsOf(
  queue: Queue,
  found: Found,
  wanted: number,
): Promise<{ own: readonly MessageRow[]; isSound: boolean }> {
  const { slice, name } = found;
  const death = found.state === "dead" ? await queue.reasonOf(name) : undefined;
  const common = { ...commonOf(found), ...(death && { reason: death.reason }) };
  const { attempts, bytes, count } = slice;
  const whole = (preview: string): MessageRow[] => {
    return [{ ...common, id: idOf(slice, slice.first), attempts, bytes, preview }];
  };
  if (bytes > READ_BYTES) {
    const preview = count > 1 ? `(${count} messages, not read)` : "(not read)";
    return { own: whole(preview), isSound: true };
  }
  const rows: MessageRow[] = [];
  let why = "(gone)";
  for await (const seen of look(queue.room, found, (line) => (why = `(damaged: ${line})`))) {
    const preview = textOf(await firstBytes(seen, PREVIEW_BYTES));
    rows.push({ ...common, id: seen.id, attempts: seen.attempts, bytes: seen.bytes, preview });
    if (rows.length >= wanted) break;
  }
  const isSound = rows.length > 0;
  return { own: isSound ? rows : whole(why), isSound };
}

/** @param known  where it was found the last time: to find it anew is to list the whole queue. */
export async function messageDetail(
  queue: Queue,
  ask: MessageAsk,
  known: Map<string, Found>,
  breath: Breath,
): Promise<Detail> {
  const wanted = parseMessageId(ask.id);
  if (wanted === undefined) return { kind: "message", message: undefined };
  let found = known.get(ask.id);
  if (found === undefined || !(await isThere(queue, found.path))) {
    found = await find(queue, ask.state, wanted, breath);
  }
  known.clear();
  if (found === undefined) return { kind: "message", message: undefined };
  known.set(ask.id, found);
  return { kind: "message", message: await detailOf(queue, found, wanted.index) };
}

const isThere = ({ room }: Queue, path: string): Promise<boolean> =>
  ignore(() => room.fs.lstat(path), "ENOENT", "ENOTDIR");

async function find(
  queue: Queue,
  state: State,
  wanted: MessageId,
  breath: Breath,
): Promise<Found | undefined> {
  for await (const found of queue.browse(state)) {
    await breath.take();
    const { slice } = found;
    if (slice.batch === wanted.batch && holds(slice, wanted.index)) return found;
  }
  return undefined;
}

async function detailOf(queue: Queue, found: Found, index: number): Promise<MessageDetail> {
  const { slice, lease, path, name } = found;
  const { room } = queue;
  const file = `${path.slice(room.layout.root.length + 1)}: ${index - slice.first + 1} of ${slice.count}`;
  const death = found.state === "dead" ? await queue.reasonOf(name) : undefined;
  const more = {
    file,
    ...commonOf(found),
    ...(lease && { lease: lease.name, leaseLeftMs: await leftOf(queue, lease) }),
    ...(death && { diedMs: death.atMs, reason: death.reason }),
    ...(death?.stderr !== undefined && { stderr: death.stderr }),
    ...(death?.exitCode !== undefined && { exitCode: death.exitCode }),
  };
  for await (const seen of look(room, found, () => {})) {
    if (parseMessageId(seen.id)?.index !== index) continue;
    const bytes = await firstBytes(seen, PAYLOAD_BYTES);
    const { id, attempts, headers } = seen;
    const preview = textOf(bytes.subarray(0, PREVIEW_BYTES));
    const payload = bytes.toString("base64");
    return { ...more, id, attempts, bytes: seen.bytes, preview, headers, payload };
  }
  const { attempts, bytes } = slice;
  const preview = "(damaged or gone)";
  return { ...more, id: idOf(slice, index), attempts, bytes, preview, headers: {}, payload: "" };
}

/** Of one whose process is no more nothing is left: anybody may take it over. */
async function leftOf({ room }: Queue, lease: LeaseName): Promise<number> {
  if (room.disk.processes.isGone(lease.process)) return 0;
  return (await leaseLeftMs(room, lease, await room.nowToLook())) ?? 0;
}

async function firstBytes(seen: Seen, limit: number): Promise<Buffer> {
  const blocks: Buffer[] = [];
  let bytes = 0;
  for await (const block of seen.stream()) {
    // The block is used again for the next one.
    blocks.push(Buffer.from(block.subarray(0, limit - bytes)));
    bytes += block.length;
    if (bytes >= limit) break;
  }
  return Buffer.concat(blocks);
}

/** What can be shown on a line. */
function textOf(bytes: Buffer): string {
  return bytes.toString("utf8").replaceAll(/[\p{Cc}\uFFFD]+/gu, " ");
}
