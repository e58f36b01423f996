/** Durations, sizes and times as people write them: `1h30m`, `64k`, `-1h`. Pure. */
import { SpoolError } from "./errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** "1h30m" is 5 400 000. A bare number is refused: nobody can see whether it means s or ms. */
export function parseDurationMs(text: string): number {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|[smhdw]))+$/.test(text)) {
    throw new SpoolError(
      "BAD_VALUE",
      `not a duration: ${JSON.stringify(text)}`,
      "Give numbers with units, like 500ms, 90s, 10m, 1h30m or 7d.",
    );
  }
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) {
    total += Number(count) * (UNIT_MS[unit!] ?? 0);
  }
  return Math.round(total);
}

/** The shortest spelling that reads back as the same duration: 5 400 000 is "1h30m". */
export function formatDuration(ms: number): string {
  let text = "";
  let rest = Math.round(ms);
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const size = UNIT_MS[unit]!;
    if (rest >= size) text += `${Math.floor(rest / size)}${unit}`;
    rest %= size;
  }
  return text || "0";
}

const UNIT_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** "64k" is 65 536. */
export function parseBytes(text: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  if (count === undefined) {
    throw new SpoolError(
      "BAD_VALUE",
      `not a size: ${JSON.stringify(text)}`,
      "Give a number of bytes, or one with a unit, like 64k, 10M or 1G.",
    );
  }
  return Math.round(Number(count) * UNIT_BYTES[unit!.toLowerCase()]!);
}

/** 65 536 is "64k"; what no unit divides stays a number. */
export function formatBytes(bytes: number): string {
  for (const unit of ["t", "g", "m", "k"]) {
    const size = UNIT_BYTES[unit]!;
    if (bytes >= size && bytes % size === 0) {
      return `${bytes / size}${unit === "k" ? "k" : unit.toUpperCase()}`;
    }
  }
  return String(bytes);
}

export function parseCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) {
    throw new SpoolError("BAD_VALUE", `not a whole number: ${JSON.stringify(text)}`);
  }
  return Number(text);
}

/** An RFC 3339 time, or `-1h` for one hour before `nowMs`; milliseconds since the epoch. */
export function parseTimeMs(text: string, nowMs: number): number {
  if (text.startsWith("-")) return nowMs - parseDurationMs(text.slice(1));
  const ms = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/i.test(
    text,
  )
    ? Date.parse(text.replace(" ", "T"))
    : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new SpoolError(
      "BAD_VALUE",
      `not a time: ${JSON.stringify(text)}`,
      "Give it like 2027-01-31T09:00:00Z, or -1h for one hour ago.",
    );
  }
  return ms;
}

/** "3s", "12m", "4h", "9d": one unit, for a column. */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** "512", "1.5k", "20M": three digits at the most. */
export function formatSize(bytes: number): string {
  let value = bytes;
  for (const unit of ["", "k", "M", "G", "T"]) {
    if (value < 1000 || unit === "T") {
      return unit === "" || value >= 100
        ? `${Math.round(value)}${unit}`
        : `${value.toFixed(1)}${unit}`;
    }
    value /= 1024;
  }
  return String(bytes);
}
