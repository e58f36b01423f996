/**
 * What a monitoring plugin prints: one line with performance data, then a line for each part. Pure.
 *
 * As the guidelines of the plugins have it (monitoring-plugins.org): `'label'=value[UOM];[warn];[crit];[min];[max]`, a
 * threshold being the range of what is fine: `10` is 0 to 10, `10:` is 10 and more. A figure that there is not is left
 * out: `U`, which the guidelines have for it, is not read by many who draw graphs.
 */
import type { SpoolErrorCode } from "../errors.ts";
import { plain } from "./format.ts";
import { byRank, STATES, worstOf } from "./thresholds.ts";
import type { Figure, State } from "./thresholds.ts";

/** A queue, a subscription, the disk; or what could not be looked at. */
export interface Part {
  /** Empty where it is about all. */
  readonly name: string;
  readonly state: State;
  readonly text: string;
  readonly figures: readonly Figure[];
  readonly code?: SpoolErrorCode;
}

export interface Report {
  readonly parts: readonly Part[];
  /** What the first line says where all is well, and there are too many parts to name, or none. */
  readonly summary: string;
}

/** So many parts are named in the first line. */
const NAMED = 5;

/** A bar begins performance data, and a line ends what some systems show. */
const flat = (text: string): string => text.replaceAll(/[\p{Cc}|]+/gu, "?");

const titled = ({ name, text }: Part): string => flat(name === "" ? text : `${name}: ${text}`);

export function toPlugin({ parts, summary }: Report): string {
  const state = worstOf(parts);
  const sorted = parts.toSorted(byRank);
  const bad = sorted.filter((part) => part.state !== "OK");
  const wanted = bad.length === 0 && parts.length <= NAMED ? parts : bad;
  const rest = wanted.length > NAMED ? [`and ${wanted.length - NAMED} more`] : [];
  const named = [...wanted.slice(0, NAMED).map(titled), ...rest];
  const text = named.length === 0 ? flat(summary) : named.join("; ");
  const perfdata = parts.flatMap(({ name, figures }) =>
    figures.map((one) => perfdataOf(name, one)),
  );
  const first = [`SPOOL ${state} - ${text}`, perfdata.join(" ")].filter((half) => half !== "");
  const long = parts.length < 2 ? [] : sorted.map((part) => `${part.state}: ${titled(part)}`);
  return `${[first.join(" | "), ...long].join("\n")}\n`;
}

function perfdataOf(name: string, { measure, value, limits, whole }: Figure): string {
  const { label, unit, isFloor } = measure;
  // Base units: seconds, bytes.
  const amount = (of: number): string => String(unit === "ms" ? of / 1000 : of);
  const range = (limit: { readonly amount: number } | undefined): string =>
    limit === undefined ? "" : `${amount(limit.amount)}${isFloor ? ":" : ""}`;
  const head = `'${name}.${label}'=${amount(value)}${unit === "ms" ? "s" : unit}`;
  const fields = [head, range(limits.warn), range(limits.crit), "0"];
  return [...fields, ...(whole === undefined ? [] : [String(whole)])].join(";");
}

export function toJson({ parts }: Report): string {
  const state = worstOf(parts);
  const checks = parts.map(({ name, figures, ...part }) => ({
    name: name === "" ? null : name,
    ...part,
    figures: figures.map(({ measure, value, limits, state: its }) => ({
      figure: measure.key,
      value,
      warn: limits.warn?.amount ?? null,
      crit: limits.crit?.amount ?? null,
      state: its,
    })),
  }));
  return `${JSON.stringify({ state, exit: STATES.indexOf(state), checks })}\n`;
}

/** A line for each figure, and for each part that has none. */
export function toPlain({ parts }: Report): string {
  const rows = parts.flatMap(({ name, state, text, figures }) => {
    if (figures.length === 0) return [[state, name, "", "", "", "", text]];
    return figures.map(({ measure, value, limits, state: its }) => [
      its,
      name,
      measure.key,
      String(value),
      String(limits.warn?.amount ?? ""),
      String(limits.crit?.amount ?? ""),
      "",
    ]);
  });
  return plain(["STATE", "NAME", "FIGURE", "VALUE", "WARN", "CRIT", "TEXT"], rows);
}
