/**
 * What flowed through a queue or topic, from what its users told (queue/flow.ts): rates and their past.
 *
 * A line says what a process did within a span, and is spread evenly over it. Those who run tell once a
 * second: what is younger than `SETTLED_MS` is not complete yet, so rates end there. Reads, and never fails:
 * what cannot be read flowed unseen.
 */
import { FlowFiles, WINDOW_S } from "../disk/flow-file.ts";
import type { Recent } from "../disk/flow-file.ts";
import { FLOWS } from "../queue/flow.ts";
import type { FlowKind } from "../queue/flow.ts";
import { Series } from "./series.ts";

/** By then everybody has told, in ms. */
export const SETTLED_MS = 1500;

/** What each process did is kept for so long, in ms. */
const PROCESS_MS = 60_000;

/** Read of a file at the first look by who wants the last minute alone, in bytes: some 1500 lines. */
const TAIL_BYTES = 64 * 1024;

/** For who looks at thousands of queues: of their hour the last minute or so. */
export function recentFlow(nowMs: number): Recent {
  return { fromS: Math.floor((nowMs - 2 * PROCESS_MS) / 1000) - WINDOW_S, tailBytes: TAIL_BYTES };
}

const LINE = /^(\d{1,7}) (\d{1,9}) ([\w.-]{1,100}) (\d{1,15}) (\d{1,15}) (\d{1,15}) (\d{1,15})$/;

/** Messages, or messages a second. */
export type Flow = Readonly<Record<FlowKind, number>>;

/** What one process told. */
interface Lately {
  /** Since when it has told anything, in ms. */
  sinceMs: number;
  lines: { readonly atMs: number; readonly counts: readonly number[] }[];
}

export class FlowReader {
  readonly #files: FlowFiles;
  readonly #series: Partial<Record<FlowKind, Series>> = {};
  /** What each process told lately, by its token. */
  readonly #told = new Map<string, Lately>();

  /** @param directory  flow/ of a queue or topic. */
  constructor(directory: string, recent?: Recent) {
    this.#files = new FlowFiles(directory, recent);
  }

  /** True where anybody ever told what flows here, also where that is too old to be read. */
  get hasAny(): boolean {
    return this.#files.hasAny;
  }

  /** Reads what was told since the last look. */
  look(nowMs: number): void {
    this.#files.read((line, fromMs) => this.#take(line, fromMs));
    for (const [token, told] of this.#told) {
      const late = told.lines.filter(({ atMs }) => atMs > nowMs - PROCESS_MS);
      if (late.length === 0) this.#told.delete(token);
      else told.lines = late;
    }
  }

  /** Messages a second, on average of the last `seconds` that are complete. */
  perSecond(nowMs: number, seconds: number): Flow {
    const toMs = nowMs - SETTLED_MS;
    const of = (kind: FlowKind): number =>
      (this.#series[kind]?.sum(toMs - seconds * 1000, toMs) ?? 0) / seconds;
    return { in: of("in"), out: of("out"), dead: of("dead"), back: of("back") };
  }

  /** Messages a second over the last `spanMs`, in so many equal parts, the oldest first. */
  past(kind: FlowKind, nowMs: number, spanMs: number, parts: number): number[] {
    const stepMs = spanMs / parts;
    const startMs = nowMs - SETTLED_MS - spanMs;
    return Array.from({ length: parts }, (_, at) => {
      const fromMs = startMs + at * stepMs;
      return (1000 * (this.#series[kind]?.sum(fromMs, fromMs + stepMs) ?? 0)) / stepMs;
    });
  }

  /** Messages in the last minute, of each process that told anything then, by its token; and since when it has. */
  byProcess(): Map<string, Flow & { readonly sinceMs: number }> {
    const flows = new Map<string, Flow & { readonly sinceMs: number }>();
    for (const [token, { sinceMs, lines }] of this.#told) {
      const sum = (index: number): number =>
        lines.reduce((total, { counts }) => total + counts[index]!, 0);
      flows.set(token, { sinceMs, in: sum(0), out: sum(1), dead: sum(2), back: sum(3) });
    }
    return flows;
  }

  #take(line: string, fromMs: number): void {
    const [, at, span, token, ...counts] = LINE.exec(line) ?? [];
    if (at === undefined || token === undefined || Number(at) > WINDOW_S * 1000) return;
    const toMs = fromMs + Number(at);
    const numbers = counts.map(Number);
    for (const [index, kind] of FLOWS.entries()) {
      if (numbers[index] === 0) continue;
      (this.#series[kind] ??= new Series()).add(toMs - Number(span), toMs, numbers[index]!);
    }
    const sinceMs = toMs - Number(span);
    const told = this.#told.get(token) ?? { sinceMs, lines: [] };
    told.sinceMs = Math.min(told.sinceMs, sinceMs);
    told.lines.push({ atMs: toMs, counts: numbers });
    this.#told.set(token, told);
  }
}
