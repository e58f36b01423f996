/**
 * A line of a recording, checked: the file may have been damaged, or come from anywhere, and what it says is drawn in
 * somebody's terminal.
 */
import type { Head, Kind, Sample } from "./sample.ts";
import type { Failure, FromSampler } from "./sampler-messages.ts";
import { STATES } from "./state.ts";

export interface Line {
  readonly at: number;
  readonly told: FromSampler;
}

/** The last instant that a Date can be, in ms since the epoch. */
const LAST_MS = 8.64e15;

/** Undefined where it is not what a recorder wrote. */
export function parseLine(text: string): Line | undefined {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject<Line>(line)) return undefined;
  const { at, told } = line;
  if (typeof at !== "number" || at < 0 || at > LAST_MS) return undefined;
  return isTold(told) ? { at, told } : undefined;
}

/** Each of its fields may be anything. */
type Loose<T> = Partial<Record<keyof T, unknown>>;

const isObject = <T>(value: unknown): value is Loose<T> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** It would be drawn: nothing in it may be for the terminal. */
const isText = (value: unknown): value is string =>
  typeof value === "string" && !/\p{Cc}/u.test(value);

const isFigure = (value: unknown): boolean => value === null || typeof value === "number";

const isFigureIfAny = (value: unknown): boolean => value === undefined || isFigure(value);

interface Told {
  readonly kind: string;
  readonly samples: unknown;
  readonly keys: unknown;
  readonly head: unknown;
  readonly failure: unknown;
  readonly isOver: unknown;
}

function isTold(told: unknown): told is FromSampler {
  if (!isObject<Told>(told)) return false;
  switch (told.kind) {
    case "samples":
      return Array.isArray(told.samples) && told.samples.every((one) => isSample(one));
    case "gone":
      return Array.isArray(told.keys) && told.keys.every((key) => typeof key === "string");
    case "round":
      return isHead(told.head);
    case "failed":
      return isFailure(told.failure) && typeof told.isOver === "boolean";
    default:
      return false;
  }
}

const KINDS: readonly unknown[] = ["queue", "subscription", "topic", "pattern"] satisfies Kind[];

const isSample = (sample: unknown): boolean =>
  isObject<Sample>(sample) &&
  isText(sample.name) &&
  KINDS.includes(sample.kind) &&
  (STATES as readonly unknown[]).includes(sample.state) &&
  typeof sample.atMs === "number" &&
  [sample.ready, sample.inFlight, sample.scheduled, sample.dead].every(isFigure) &&
  [sample.inPerS, sample.outPerS, sample.netPerS, sample.workers].every(isFigure) &&
  [sample.oldestMs, sample.lag, sample.lagMs, sample.bytes].every(isFigureIfAny) &&
  (sample.error === undefined || isText(sample.error));

const isHead = (head: unknown): boolean =>
  isObject<Head>(head) &&
  [head.atMs, head.names, head.looked].every((figure) => typeof figure === "number") &&
  [head.freeBytes, head.totalBytes, head.skewMs].every(isFigure) &&
  [head.completeAtMs, head.completeTookMs].every(isFigure) &&
  isFigureIfAny(head.freeInodes);

const isFailure = (failure: unknown): boolean =>
  isObject<Failure>(failure) &&
  isText(failure.message) &&
  typeof failure.code === "string" &&
  typeof failure.hint === "string";
