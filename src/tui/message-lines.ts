/** One message on the screen: who, when, why, its headers, its payload as text, JSON or bytes. Pure. */
import type { MessageDetail } from "../stats/detail.ts";
import { formatAge, widthOf } from "./format.ts";
import type { Format } from "./inside.ts";

export function messageLines(
  message: MessageDetail,
  format: Format,
  nowMs: number,
  width: number,
): string[] {
  const when = (ms: number): string =>
    `${new Date(ms).toISOString()}  ${ms > nowMs ? `in ${formatAge(ms - nowMs)}` : `${formatAge(nowMs - ms)} ago`}`;
  const field = (name: string, text: string): string => `${name.padEnd(10)}${text}`;
  const { holder, heldSinceMs, lease, leaseLeftMs = 0, reason, diedMs, exitCode, stderr } = message;
  const lines = [
    field("id", message.id),
    field("put", when(message.enqueuedMs)),
    ...(message.visibleMs > message.enqueuedMs ? [field("visible", when(message.visibleMs))] : []),
    field("attempts", String(message.attempts)),
    field("priority", String(message.priority)),
    field("file", message.file),
    ...(holder === undefined
      ? []
      : [
          field(
            "held by",
            `${holder}, for ${formatAge(Math.max(0, nowMs - (heldSinceMs ?? nowMs)))}`,
          ),
        ]),
    ...(lease === undefined ? [] : [field("lease", `${lease}, ${left(leaseLeftMs)}`)]),
    ...(reason === undefined ? [] : [field("reason", reason)]),
    ...(diedMs === undefined || diedMs === 0 ? [] : [field("died", when(diedMs))]),
    ...(exitCode === undefined ? [] : [field("exit code", String(exitCode))]),
    ...Object.entries(message.headers).map(([name, value]) => field("header", `${name}: ${value}`)),
  ];
  if (stderr)
    lines.push(
      "stderr",
      ...stderr
        .trimEnd()
        .split("\n")
        .map((line) => `  ${line}`),
    );
  const payload = Buffer.from(message.payload, "base64");
  const cut = payload.length < message.bytes ? `, the first ${payload.length} of them` : "";
  lines.push("", `payload as ${format}, ${message.bytes} bytes${cut}`, "");
  lines.push(...payloadLines(payload, format, width));
  return lines;
}

const left = (ms: number): string => (ms <= 0 ? "which is over" : `${formatAge(ms)} left`);

function payloadLines(payload: Buffer, format: Format, width: number): string[] {
  if (format === "hex") return hexLines(payload, width);
  const text = payload.toString("utf8");
  if (format === "text") return text.split("\n").flatMap((line) => wrapped(line, width));
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
      .split("\n")
      .flatMap((line) => wrapped(line, width));
  } catch {
    return ["this is no JSON:", ...text.split("\n").flatMap((line) => wrapped(line, width))];
  }
}

const SEGMENTS = new Intl.Segmenter();

/** A long line goes on below. */
function wrapped(line: string, width: number): string[] {
  const text = line.replaceAll("\t", "    ").replaceAll(/\p{Cc}/gu, " ");
  if (widthOf(text) <= width) return [text];
  const lines: string[] = [];
  let part = "";
  let taken = 0;
  for (const { segment } of SEGMENTS.segment(text)) {
    const own = widthOf(segment);
    if (taken + own > width) {
      lines.push(part);
      part = "";
      taken = 0;
    }
    part += segment;
    taken += own;
  }
  return [...lines, part];
}

function hexLines(payload: Buffer, width: number): string[] {
  // Eight digits, two blanks; three for each byte, and one for its character.
  const perLine = width >= 78 ? 16 : 8;
  const lines: string[] = [];
  for (let at = 0; at < payload.length; at += perLine) {
    const part = payload.subarray(at, at + perLine);
    const hex = [...part].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = part.toString("latin1").replaceAll(/[^\x20-\x7e]/g, ".");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(perLine * 3)} ${text}`);
  }
  return lines;
}
