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

export const today = (): string => new Date().toISOString().slice(0, 10);

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

const PEERS = "<!-- made by npm run bench:peers -- --write -->";
const PEERS_END = "<!-- end of what bench:peers makes -->";
const KEEP = "<!-- kept by the bench: what is below is written by hand -->";

/** Where the table of the peers is, from its first to behind its last character. */
function peersIn(page: string): readonly [number, number] | undefined {
  const [from, to] = [page.indexOf(PEERS), page.indexOf(PEERS_END)];
  return from === -1 || to < from ? undefined : [from, to + PEERS_END.length];
}

/** A new page with what is not the bench's in the old one: the table of the peers, and the prose behind KEEP. */
export function keepOthers(page: string, old: string): string {
  const keep = old.indexOf(KEEP);
  const [made, kept] = keep === -1 ? [old, ""] : [old.slice(0, keep), `\n${old.slice(keep)}`];
  const peers = peersIn(made);
  return `${page}${peers === undefined ? "" : `\n${made.slice(...peers)}\n`}${kept}`;
}

/** The page with this table of the peers in place of the old one; the first goes before what is written by hand. */
export function withPeers(page: string, text: string): string {
  const made = `${PEERS}\n\n${text}\n${PEERS_END}`;
  const old = peersIn(page);
  if (old !== undefined) return `${page.slice(0, old[0])}${made}${page.slice(old[1])}`;
  const keep = page.indexOf(KEEP);
  if (keep === -1) return `${page.trimEnd()}\n\n${made}\n`;
  return `${page.slice(0, keep)}${made}\n\n${page.slice(keep)}`;
}

const PATH = "docs/performance.md";

function oldPage(root: string): string {
  const path = join(root, PATH);
  return fs.existsSync(path) ? fs.readFileSync(path, "utf8") : "";
}

/** Puts a page in its place below docs/. */
export function writePage(root: string, page: string, plot: string): void {
  fs.writeFileSync(join(root, PATH), keepOthers(page, oldPage(root)));
  fs.writeFileSync(join(root, "docs/performance.svg"), plot);
}

export function writePeers(root: string, text: string): void {
  fs.writeFileSync(join(root, PATH), withPeers(oldPage(root), text));
}

const PEERS_INTRODUCTION = `Made by \`npm run bench:peers -- --write\`: the same done by other queues, on the same disk, in turns with ours. Each is
set to be as fast as it can be while what it has said to be safe is on the disk, unless it is said otherwise; servers are
spoken to over a socket. A ratio of 1 or more: the spool is ahead. The spool does not sync its acks, because what they
lose in a power cut is delivered once more; where a peer can be told to do the same, there is a line for that, too.`;

export interface Peers {
  readonly machine: string;
  readonly date: string;
  readonly rows: string;
  /** What is not installed, or did not work, and why. */
  readonly missing: readonly string[];
}

export function peersOf({ machine: where, date, rows, missing }: Peers): string {
  const absent = missing.length === 0 ? "" : `\nNot measured: ${missing.join("; ")}.\n`;
  return `## Beside its peers\n\n${PEERS_INTRODUCTION}\n\n${date}: ${where}\n\n${rows}\n${absent}`;
}
