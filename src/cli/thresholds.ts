/**
 * Thresholds of `spool check`, and the states that they make of figures. Pure.
 *
 * As monitoring plugins have it, a figure is bad *above* its threshold, and one of which there should be enough
 * (consumers, free space) *below* it. Counts are numbers, ages are ms and sizes are bytes until they are printed.
 */
import { SpoolError } from "../errors.ts";
import { parseBytes, parseCount, parseDurationMs } from "../units.ts";
import type { Measure } from "./measures.ts";

/** The exit code of each is its place. */
export const STATES = ["OK", "WARNING", "CRITICAL", "UNKNOWN"] as const;
export type State = (typeof STATES)[number];

/** A figure that is known to be bad goes before one that nobody knows. */
const RANKS: Readonly<Record<State, number>> = { OK: 0, WARNING: 1, UNKNOWN: 2, CRITICAL: 3 };

interface Judged {
  readonly state: State;
}

export const byRank = (one: Judged, other: Judged): number => RANKS[other.state] - RANKS[one.state];

/** The worst of them; OK where there is none. */
export const worstOf = (all: readonly Judged[]): State => all.toSorted(byRank)[0]?.state ?? "OK";

interface Threshold {
  /** As it was given. */
  readonly text: string;
  readonly amount: number;
}

export interface Limits {
  readonly warn?: Threshold | undefined;
  readonly crit?: Threshold | undefined;
}

export interface Figure extends Judged {
  readonly measure: Measure;
  readonly value: number;
  readonly limits: Limits;
  /** The most that it can be, where that is known. */
  readonly whole?: number;
}

/** Options as the command line has them; a threshold is a string. */
export type Words = Readonly<Record<string, unknown>>;

/** Of a measure "lag-age", the two options. */
const LEVELS = ["warn", "crit"] as const;

function wordOf(words: Words, option: string): string | undefined {
  const key = option.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const word = words[key];
  return typeof word === "string" ? word : undefined;
}

export const hasLimits = ({ option = "" }: Measure, words: Words): boolean =>
  LEVELS.some((level) => wordOf(words, `${option}-${level}`) !== undefined);

/**
 * The thresholds of a measure.
 *
 * @param whole  what 100 % is, where a share may be given.
 * @throws BAD_VALUE; USAGE where the warning would come after the critical state.
 */
export function limitsOf(measure: Measure, words: Words, whole?: number): Limits {
  const { option, unit, isFloor } = measure;
  if (option === undefined) return {};
  const [warn, crit] = LEVELS.map((level): Threshold | undefined => {
    const text = wordOf(words, `${option}-${level}`);
    if (text === undefined) return undefined;
    try {
      return { text, amount: amountOf(text, unit, whole) };
    } catch (error) {
      if (!(error instanceof SpoolError)) throw error;
      throw new SpoolError(error.code, `--${option}-${level}: ${error.message}`, error.hint);
    }
  });
  if (warn !== undefined && crit !== undefined) {
    const isLate = isFloor ? warn.amount < crit.amount : warn.amount > crit.amount;
    if (isLate) {
      const where = isFloor ? "below" : "above";
      const what = `--${option}-warn ${warn.text} is ${where} --${option}-crit ${crit.text}`;
      throw new SpoolError("USAGE", `${what}: the warning would never be seen`);
    }
  }
  return { warn, crit };
}

function amountOf(text: string, unit: Measure["unit"], whole: number | undefined): number {
  if (unit === "") return parseCount(text);
  if (unit === "ms") return parseDurationMs(text);
  const [, percent] = /^(\d+(?:\.\d+)?)%$/.exec(text) ?? [];
  if (percent === undefined) return parseBytes(text);
  if (Number(percent) > 100) throw new SpoolError("BAD_VALUE", `more than all: ${text}`);
  return Math.round((Number(percent) / 100) * (whole ?? 0));
}

export function judge(measure: Measure, value: number, limits: Limits): Figure {
  const isPast = (limit: Threshold | undefined): boolean => {
    if (limit === undefined) return false;
    return measure.isFloor ? value < limit.amount : value > limit.amount;
  };
  const state = isPast(limits.crit) ? "CRITICAL" : isPast(limits.warn) ? "WARNING" : "OK";
  return { measure, value, limits, state };
}

/** "1205 ready (critical above 1000)" */
export function sayFigure({ measure, value, limits, state }: Figure): string {
  const text = measure.say(value);
  if (state === "OK") return text;
  const limit = state === "CRITICAL" ? limits.crit : limits.warn;
  const where = measure.isFloor ? "below" : "above";
  return `${text} (${state.toLowerCase()} ${where} ${limit?.text ?? ""})`;
}
