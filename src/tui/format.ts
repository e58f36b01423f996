/** How figures look in a column: seven characters at the most, unless it is wide. Pure. */
import stringWidth from "string-width";

export { formatAge, formatDuration, formatSize } from "../units.ts";

/** "99999", "123k", "1.2M"; wide: all digits. */
export function formatCount(count: number, isWide: boolean): string {
  const whole = Math.round(count);
  if (isWide || whole < 100_000) return String(whole);
  let value = whole;
  for (const unit of ["k", "M", "G", "T"]) {
    value /= 1000;
    if (value < 999.5) return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${unit}`;
  }
  return `${Math.round(value)}T`;
}

/** Messages a second: "0", "0.3", "12", "4.5k". */
export function formatRate(perS: number, isWide: boolean): string {
  if (perS === 0) return "0";
  if (Math.abs(perS) < 9.95) return perS.toFixed(1);
  return (perS < 0 ? "-" : "") + formatCount(Math.abs(perS), isWide);
}

/** With its direction: "+12", "-3.4". */
export function formatNet(perS: number, isWide: boolean): string {
  return (perS > 0 ? "+" : "") + formatRate(perS, isWide);
}

const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_BARS = [".", ":", "-", "=", "+", "*", "%", "#"];

/** A bar for each value, as high as it is beside the largest; blank where nothing is known. */
export function sparkline(values: readonly number[], width: number, isAscii: boolean): string {
  const bars = isAscii ? ASCII_BARS : BARS;
  const shown = values.slice(-width);
  const most = Math.max(...shown.filter((value) => !Number.isNaN(value)), 0);
  const text = shown
    .map((value) => {
      if (Number.isNaN(value)) return " ";
      return bars[most === 0 ? 0 : Math.round((value / most) * (bars.length - 1))]!;
    })
    .join("");
  return text.padStart(width);
}

const ASCII = /^[\x20-\x7e]*$/;

/** The columns of a terminal that a text takes. */
export const widthOf = (text: string): number =>
  ASCII.test(text) ? text.length : stringWidth(text);

/** No more than so wide, and on one line: what people wrote may hold anything. */
export function cut(text: string, width: number, isAscii = false): string {
  const flat = text.replaceAll(/\p{Cc}+/gu, " ");
  if (widthOf(flat) <= width) return flat;
  if (width <= 0) return "";
  const end = isAscii ? "~" : "…";
  let kept = "";
  for (const { segment } of new Intl.Segmenter().segment(flat)) {
    if (widthOf(kept + segment) > width - 1) break;
    kept += segment;
  }
  return kept + end;
}

/** Exactly so wide. */
export function fit(text: string, width: number, isRight = false, isAscii = false): string {
  const short = cut(text, width, isAscii);
  const blank = " ".repeat(Math.max(0, width - widthOf(short)));
  return isRight ? blank + short : short + blank;
}
