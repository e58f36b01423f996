/** How large everything is, again and again: what grows and does not stop is a leak. */
import { lstatSync, readdirSync, readFileSync } from "node:fs";

/** Directories that are empty when nothing is under way. */
const PASSING = /\/(tmp|staging|committed|aborted|incoming|filling|reclaim|leases|aside)$/;

/** What may grow in the second half, by the line of least squares. */
export interface Limit {
  /** A part of the mean. */
  readonly part: number;
  /** Or so much, if that is more. */
  readonly least: number;
}

export interface Figure {
  readonly name: string;
  readonly unit: "" | "MB";
  readonly values: number[];
  /** Undefined: it is only shown. */
  readonly limit?: Limit;
}

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly first: number;
  readonly middle: number;
  readonly last: number;
  readonly most: number;
  /** Of the second half, and what of it is too much. */
  readonly rise: number;
  readonly allowed: number | undefined;
}

export class Samples {
  readonly #figures = new Map<string, Figure>();

  add(name: string, value: number, unit: Figure["unit"] = "", limit?: Limit): void {
    const figure = this.#figures.get(name) ?? {
      name,
      unit,
      values: [],
      ...(limit !== undefined && { limit }),
    };
    this.#figures.set(name, figure);
    figure.values.push(value);
  }

  rows(): Row[] {
    return [...this.#figures.values()].map(({ name, unit, values, limit }) => {
      const half = values.slice(values.length >> 1);
      const mean = half.reduce((sum, value) => sum + value, 0) / half.length;
      return {
        name,
        unit,
        first: values[0]!,
        middle: half[0]!,
        last: values.at(-1)!,
        most: Math.max(...values),
        rise: slopeOf(half) * (half.length - 1),
        allowed: limit && Math.max(limit.least, limit.part * mean),
      };
    });
  }
}

/** Of the line of least squares, for each step. */
export function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let [above, below] = [0, 0];
  for (const [index, value] of values.entries()) {
    above += (index - middle) * (value - mean);
    below += (index - middle) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

/** Open file descriptors and resident memory in bytes; undefined where it has ended. */
export function processSize(pid: number): { fds: number; bytes: number } | undefined {
  try {
    const fds = readdirSync(`/proc/${pid}/fd`).length;
    const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))!;
    return { fds, bytes: Number(kilobytes) * 1024 };
  } catch {
    return undefined;
  }
}

export interface TreeSize {
  /** In directories that are empty when nothing is under way. */
  readonly passing: number;
  readonly ready: number;
  readonly log: number;
  readonly dedup: number;
  readonly names: number;
  readonly inodes: number;
  readonly bytes: number;
}

export function treeSize(root: string): TreeSize {
  const size = { passing: 0, ready: 0, log: 0, dedup: 0, names: 0, bytes: 0 };
  const inodes = new Set<number>();
  const walk = (directory: string, kind: keyof typeof size | undefined): void => {
    for (const name of namesIn(directory)) {
      const path = `${directory}/${name}`;
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) continue;
      size.names++;
      if (kind !== undefined) size[kind]++;
      if (!inodes.has(stats.ino)) size.bytes += stats.size;
      inodes.add(stats.ino);
      if (stats.isDirectory()) walk(path, kindOf(path) ?? kind);
    }
  };
  walk(root, undefined);
  return { ...size, inodes: inodes.size };
}

function kindOf(path: string): "passing" | "ready" | "log" | "dedup" | undefined {
  if (PASSING.test(path)) return "passing";
  return (["ready", "log", "dedup"] as const).find((kind) => path.endsWith(`/${kind}`));
}

/** None where the directory has gone. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
