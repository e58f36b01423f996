/**
 * A batch file: one header line, then the body. Written once, then immutable.
 *
 *   {"format":1,"id":"01kd…","time":1767225600000,"count":1000,"framing":"lines","codec":"none",
 *    "length":65536,"headers":{},"checksum":"5f1c2a90","self":"0c8e77d1"}␣␣␣\n
 *   body: `length` bytes
 *
 * `checksum` is the CRC-32 of the body, `self` that of the header line up to `,"self"`: no byte of
 * the file is unguarded. A writer that streams leaves room for the longest numbers and fills the
 * rest of the line with spaces. Framing says where a message ends:
 *
 *   whole    one message: the body
 *   lines    each message ends with a newline, which is not part of it
 *   records  each message is: u32 length of its headers, u32 length of its payload (both big
 *            endian), its headers as a JSON object, its payload
 *
 * Pure; knows no files.
 */
import { BATCH_MESSAGES, FORMAT, HEADERS_BYTES } from "../limits.ts";
import { checksumOf } from "./checksum.ts";

export type Framing = "whole" | "lines" | "records";
export type Headers = Readonly<Record<string, string>>;

export interface BatchHeader {
  readonly id: string;
  readonly timeMs: number;
  readonly count: number;
  readonly framing: Framing;
  /** Body bytes. */
  readonly length: number;
  /** Headers that all messages of the batch share. */
  readonly headers: Headers;
  /** CRC-32 of the body. */
  readonly checksum: string;
}

/** The file is not what was written: torn, zeroed, altered, or never ours. */
export class DamagedError extends Error {}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const SELF = ',"self":"';

/** The last field and the end of a header line; its checksum has always the same length. */
const SELF_FIELD = new RegExp(`^${SELF}([0-9a-f]{8})"\\}$`);
const SELF_BYTES = SELF.length + 8 + 2;

/** The header line of a batch without headers, up to `,"self"`. */
const PLAIN = new RegExp(
  `^\\{"format":${FORMAT},"id":"([0-9a-z]{26})","time":(\\d{1,15}),"count":(\\d{1,7}),` +
    `"framing":"(whole|lines|records)","codec":"none","length":(\\d{1,15}),` +
    `"headers":\\{\\},"checksum":"([0-9a-f]{8})"$`,
);

function headerText(header: BatchHeader): string {
  const text = JSON.stringify({
    format: FORMAT,
    id: header.id,
    time: header.timeMs,
    count: header.count,
    framing: header.framing,
    codec: "none",
    length: header.length,
    headers: header.headers,
    checksum: header.checksum,
  });
  return text.slice(0, -1);
}

/** Bytes that a header with these headers can need at the most. */
export function roomForHeader(header: BatchHeader): number {
  const longest = { ...header, count: BATCH_MESSAGES, length: Number.MAX_SAFE_INTEGER };
  return encodeHeader(longest).length;
}

/** The header line with its newline, filled with spaces to `roomBytes` where that is given. */
export function encodeHeader(header: BatchHeader, roomBytes = 0): Buffer {
  const text = headerText(header);
  const line = `${text}${SELF}${checksumOf(Buffer.from(text))}"}`;
  const missing = roomBytes - Buffer.byteLength(line) - 1;
  return Buffer.from(`${line}${" ".repeat(Math.max(0, missing))}\n`);
}

/** A batch of one message, as the bytes of its file. */
export function encodeWhole(
  id: string,
  timeMs: number,
  headers: Headers,
  body: Uint8Array,
): Buffer {
  const header: BatchHeader = {
    id,
    timeMs,
    count: 1,
    framing: "whole",
    length: body.length,
    headers,
    checksum: checksumOf(body),
  };
  return Buffer.concat([encodeHeader(header), body]);
}

/** One message of a `records` body. */
export function encodeRecord(headers: Headers, payload: Uint8Array): Buffer {
  return encodeRecords([{ headers, payload }]).bytes;
}

/** What becomes a message of a `records` body. */
export interface RecordBytes {
  /** Undefined where it has none. */
  readonly headers: Headers | undefined;
  readonly payload: Uint8Array;
}

/** Lengths before headers and payload, in bytes. */
const FRONT_BYTES = 8;

/** A `records` body, and the bytes of each of its messages in it. */
export function encodeRecords(records: readonly RecordBytes[]): {
  readonly bytes: Buffer;
  readonly lengths: readonly number[];
} {
  // All in one buffer: one for each of thousands would cost more than what is copied.
  const texts = records.map(({ headers }) =>
    headers === undefined ? "{}" : JSON.stringify(headers),
  );
  const lengths = records.map(({ payload }, at) => {
    const text = texts[at]!;
    return FRONT_BYTES + (text.length === 2 ? 2 : Buffer.byteLength(text)) + payload.length;
  });
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const [index, { payload }] of records.entries()) {
    const text = texts[index]!;
    const headersBytes = lengths[index]! - FRONT_BYTES - payload.length;
    bytes.writeUInt32BE(headersBytes, at);
    bytes.writeUInt32BE(payload.length, at + 4);
    bytes.write(text, at + FRONT_BYTES);
    bytes.set(payload, at + FRONT_BYTES + headersBytes);
    at += lengths[index]!;
  }
  return { bytes, lengths };
}

export interface ParsedHeader {
  readonly header: BatchHeader;
  /** Where the body starts in the file, in bytes. */
  readonly bodyOffset: number;
}

/**
 * Reads the header at the start of a file.
 *
 * @param start  the file's first bytes: all of them, or at least HEADER_BYTES.
 * @throws DamagedError  with the reason; a newer format is said as such.
 */
export function parseHeader(start: Buffer): ParsedHeader {
  const end = start.indexOf(NEWLINE);
  let lineEnd = Math.max(end, 0);
  while (start[lineEnd - 1] === SPACE) lineEnd--;
  const selfAt = lineEnd - SELF_BYTES;
  const self = SELF_FIELD.exec(start.toString("latin1", Math.max(selfAt, 0), lineEnd))?.[1];
  const front = start.subarray(0, selfAt);
  if (self === undefined || checksumOf(front) !== self) {
    const isOne = start.toString("latin1", 0, lineEnd).includes(SELF);
    throw new DamagedError(isOne ? "the checksum of the header does not match" : "no batch header");
  }
  return { bodyOffset: end + 1, header: headerOf(front) };
}

/** @param front  the header line up to `,"self"`, whose checksum matches. */
function headerOf(front: Buffer): BatchHeader {
  // As we write it, which is three times as fast as to parse JSON; headers may hold any text, and seldom are there.
  const plain = PLAIN.exec(front.toString("latin1"));
  if (plain !== null) {
    const [, id = "", time, count, framing, length, checksum = ""] = plain;
    return {
      id,
      timeMs: Number(time),
      count: Number(count),
      framing: framing as Framing,
      length: Number(length),
      headers: {},
      checksum,
    };
  }
  const { format, id, time, count, framing, codec, length, headers, checksum } = JSON.parse(
    `${front.toString()}}`,
  );
  if (format !== FORMAT) throw new DamagedError(`batch format ${format} is not known here`);
  if (codec !== "none") throw new DamagedError(`codec ${codec} is not known here`);
  return { id, timeMs: time, count, framing, length, headers, checksum };
}

/** @throws DamagedError  where the bytes are not an object of strings. */
export function parseHeaders(json: Buffer): Headers {
  try {
    const headers: unknown = JSON.parse(json.toString());
    if (isHeaders(headers)) return headers;
  } catch {
    // Said below.
  }
  throw new DamagedError("the headers of a record are not an object of strings");
}

function isHeaders(value: unknown): value is Headers {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((field) => typeof field === "string")
  );
}

/** What is wrong with headers that a caller gives, or undefined where they will do. */
export function complaintAboutHeaders(headers: Headers): string | undefined {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/.test(name)) {
      return `header name ${JSON.stringify(name)}: letters, digits and - _ . only`;
    }
    // eslint-disable-next-line no-control-regex
    if (typeof value !== "string" || /[\0\r\n]/.test(value)) {
      return `header ${name}: its value must be one line of text`;
    }
  }
  const bytes = Buffer.byteLength(JSON.stringify(headers));
  return bytes > HEADERS_BYTES ? `headers of ${bytes} bytes; ${HEADERS_BYTES} at most` : undefined;
}
