/** The tables of a run, and the page that is made of them. */
import * as fs from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";

import { kindOf } from "../../src/disk/kind.ts";
import type { Ground } from "./ground.ts";
import { isMet, measured, spread } from "./measure.ts";
import type { Row, Spread } from "./measure.ts";
import type { Series } from "./scaling.ts";

function figure(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(value >= 0.1 || value <= 0 ? 2 : 4);
}

const show = ({ median, least, most }: Spread): string =>
  least === most ? figure(median) : `${figure(median)} (${figure(least)} to ${figure(most)})`;

export function table(head: readonly string[], cells: readonly (readonly string[])[]): string {
  const widths = head.map((name, at) =>
    Math.max(name.length, ...cells.map((row) => row[at]!.length)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...cells.map(line)].join(
    "\n",
  );
}

const VERDICT = { true: "yes", false: "**no**", undefined: "" } as const;

function compared(row: Row): string {
  const { median, least, most } = spread(measured(row));
  if (row.measure === "alone") return "";
  if (row.measure === "ratio") {
    return least === most
      ? median.toFixed(2)
      : `${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
  }
  const sign = median < 0 ? "" : "+";
  return `${sign}${median.toFixed(1)} ${row.unit} (${least.toFixed(1)} to ${most.toFixed(1)})`;
}

function targetOf({ target, measure, unit }: Row): string {
  if (target === undefined) return "";
  const sign = target.limit === "at most" ? "≤" : "≥";
  if (measure === "ratio") return `${sign} ${target.value}`;
  return `${sign} ${measure === "difference" ? "+" : ""}${target.value} ${unit}`;
}

export function rowsTable(rows: readonly Row[]): string {
  const head = ["what", "unit", "spool", "beside", "its figure", "ratio, or more", "target", "met"];
  const cells = rows.map((row) => [
    row.what,
    row.unit,
    show(spread(row.ours)),
    row.floor,
    row.theirs.length === 0 ? "" : show(spread(row.theirs)),
    compared(row),
    targetOf(row),
    VERDICT[`${isMet(row)}`],
  ]);
  return table(head, cells);
}

/** One line a point, one column a series. */
export function seriesTable(what: string, series: readonly Series[]): string {
  const [first] = series;
  const cells = first!.points.map(({ at }, index) => [
    at.toLocaleString("en"),
    ...series.map(({ points }) => show(points[index]!.value)),
  ]);
  return table([what, ...series.map(({ name, unit }) => `${name}, ${unit}`)], cells);
}

/** Microseconds of an fsync of a file to which 4 KiB were added. */
export function fsyncUs(ground: Ground): Spread {
  const path = ground.fresh("fsync");
  const fd = fs.openSync(path, "w");
  const block = Buffer.alloc(4096, "x");
  const us: number[] = [];
  for (let at = 0; at < 100; at++) {
    fs.writeSync(fd, block);
    const startMs = performance.now();
    fs.fsyncSync(fd);
    us.push(1000 * (performance.now() - startMs));
  }
  fs.closeSync(fd);
  ground.remove(path);
  return spread(us);
}

export function machine(ground: Ground, fsync: Spread): string {
  const { type } = fs.statfsSync(ground.scratch);
  const memory = Math.round(totalmem() / 1024 ** 3);
  const cores = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"})`;
  return (
    `${cores}, ${memory} GiB; Linux ${release()}; ${kindOf(type).name}, an fsync of 4 KiB takes ` +
    `${show(fsync)} µs; Node ${ground.output([ground.node, "-v"]).trim()}; ` +
    `floors in ${ground.floors.language}.`
  );
}

const INTRODUCTION = `Made by \`npm run bench -- --write\`. Each figure stands beside one that was measured in the same run, in
turns with it: median (least to most) of the rounds. The ratio is that of each round, and its median is
held against the target: for times a ratio above 1 is what the spool adds, for rates a ratio below 1 is
what it takes away. Where the target is a difference it is said what the spool has more.`;

export interface Page {
  readonly machine: string;
  readonly date: string;
  readonly rows: string;
  readonly backlog: string;
  readonly consumers: string;
}

/** @param text  What is kept of the old page: all from the first heading that the bench does not make. */
export function pageOf({ machine: where, date, rows, backlog, consumers }: Page): string {
  return `# Performance

${INTRODUCTION}

${date}: ${where}

${rows}

## Cost against backlog and consumers

![Cost against backlog and consumers](performance.svg)

What a put, a take, a claim with its ack cost as the backlog of one-message slices grows:

${backlog}

How fast so many consumers, each a process, empty a queue of one-message slices together, and how many of
their claims came too late, because another one was faster:

${consumers}
`;
}

/** Puts a page in its place below docs/; the prose behind KEEP is other people's, and stays. */
export function writePage(root: string, page: string, plot: string): void {
  const path = join(root, "docs/performance.md");
  const old = fs.existsSync(path) ? fs.readFileSync(path, "utf8") : "";
  const at = old.indexOf(KEEP);
  fs.writeFileSync(path, at === -1 ? page : `${page}\n${old.slice(at)}`);
  fs.writeFileSync(join(root, "docs/performance.svg"), plot);
}

const KEEP = "<!-- kept by the bench: what is below is written by hand -->";
