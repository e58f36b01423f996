/** The lines above the list: what all is, the disk, and how old what is shown is. Pure. */
import type { Head } from "../stats/sample.ts";
import type { Totals } from "../stats/topic-summary.ts";
import { formatDuration } from "../units.ts";
import { cut, formatAge, formatCount, formatRate, formatSize, widthOf } from "./format.ts";
import type { Part } from "./theme.ts";

/** Silence that is worth saying, in ms. */
const SILENT_MS = 3000;

/** A clock that is off by less is off by nothing: a file's time comes in ticks. */
const SKEW_MS = 100;

/** Free space below which it is said in colour, as a share. */
const LITTLE = 0.1;

export interface HeadLook {
  readonly dir: string;
  /** This host's time, in ms, and how it is said. */
  readonly nowMs: number;
  readonly clock: string;
  readonly head: Head | undefined;
  readonly totals: Totals;
  readonly intervalMs: number;
  readonly isFrozen: boolean;
  /** Since anything was heard of who looks at the disk, in ms. */
  readonly silentMs: number;
  /** Why nothing could be looked at. */
  readonly failure: string | undefined;
  readonly isWide: boolean;
  readonly isAscii: boolean;
}

/** The first parts that fit, with two blanks in between. */
export function joinParts(parts: readonly Part[], width: number, isAscii: boolean): Part[] {
  const line: Part[] = [];
  let left = width;
  for (const part of parts) {
    const blank = line.length === 0 ? "" : "  ";
    const room = left - blank.length;
    // The first one is cut rather than left out.
    if (widthOf(part.text) > room && line.length > 0) break;
    const text = blank + cut(part.text, room, isAscii);
    line.push({ ...part, text });
    left -= widthOf(text);
  }
  return line;
}

export function headLines(look: HeadLook, width: number): Part[][] {
  const lines = [titleOf(look), totalsLine(look), diskLine(look)];
  return lines.map((parts) => joinParts(parts, width, look.isAscii));
}

const count = (number: number, noun: string): string =>
  `${formatCount(number, false)} ${noun}${number === 1 ? "" : "s"}`;

function titleOf({ dir, clock, intervalMs, isFrozen }: HeadLook): Part[] {
  return [
    { text: "spool top", role: "title" },
    ...(isFrozen ? [{ text: "FROZEN", role: "warn" } as const] : []),
    { text: clock },
    { text: `every ${formatDuration(intervalMs)}` },
    { text: dir, role: "quiet" },
  ];
}

function totalsLine({ totals, isWide }: HeadLook): Part[] {
  const { ready, inFlight, scheduled, dead, inPerS, outPerS, unknown } = totals;
  const number = (value: number): string => formatCount(value, isWide);
  return [
    { text: `ready ${number(ready)}` },
    { text: `in ${formatRate(inPerS, isWide)}/s` },
    { text: `out ${formatRate(outPerS, isWide)}/s` },
    { text: `dead ${number(dead)}`, role: dead > 0 ? "warn" : undefined },
    ...(unknown > 0 ? [{ text: `unknown ${unknown}`, role: "bad" } as const] : []),
    { text: `in flight ${number(inFlight)}` },
    { text: `scheduled ${number(scheduled)}` },
    { text: count(totals.queues, "queue") },
    {
      text: `${count(totals.topics, "topic")} with ${count(totals.subscriptions, "subscription")}`,
    },
  ];
}

export function diskLine(look: HeadLook): Part[] {
  const { head, silentMs, failure } = look;
  if (silentMs > SILENT_MS) {
    const silent = `the disk has not answered for ${formatAge(silentMs)}`;
    return [{ text: `! ${silent}: what is shown is old`, role: "bad" }];
  }
  if (failure !== undefined) return [{ text: `! ${failure}`, role: "bad" }];
  if (head === undefined) return [{ text: "looking at the spool for the first time ..." }];
  const { freeBytes, totalBytes, freeInodes, skewMs } = head;
  const isLittle = freeBytes !== null && totalBytes !== null && freeBytes < LITTLE * totalBytes;
  const parts: Part[] = [ageOf(head, look)];
  if (freeBytes !== null) {
    const of = totalBytes === null ? "" : ` of ${formatSize(totalBytes)}`;
    parts.push({
      text: `disk ${formatSize(freeBytes)}${of} free`,
      role: isLittle ? "bad" : undefined,
    });
  }
  if (freeInodes !== undefined) {
    const inodes = freeInodes === null ? "?" : formatCount(freeInodes, false);
    parts.push({ text: `${inodes} inodes free`, role: freeInodes === 0 ? "bad" : undefined });
  }
  parts.push(skewOf(skewMs));
  return parts;
}

function ageOf({ completeAtMs, completeTookMs, looked, names }: Head, { nowMs }: HeadLook): Part {
  if (completeAtMs === null || completeTookMs === null) {
    return { text: `looked at ${looked} of ${names} so far` };
  }
  const age = formatAge(Math.max(0, nowMs - completeAtMs));
  const took =
    completeTookMs < 100 ? `${completeTookMs}ms` : `${(completeTookMs / 1000).toFixed(1)}s`;
  return { text: `all looked at ${age} ago, in ${took}` };
}

function skewOf(skewMs: number | null): Part {
  if (skewMs === null) return { text: "clock against the disk's: ?" };
  if (Math.abs(skewMs) < SKEW_MS) return { text: "clock as the disk's" };
  const by = `${(Math.abs(skewMs) / 1000).toFixed(1)}s`;
  const text = `clock ${by} ${skewMs > 0 ? "ahead of" : "behind"} the disk's`;
  return { text, role: Math.abs(skewMs) >= 1000 ? "warn" : undefined };
}
