/**
 * `node test/soak/soak.ts --minutes 30 --processes 12 [--dir DIR] [--seed N]`: the soak, as long as one
 * likes. It runs what `npm run build` has made. Prints a table of what was done and how large everything
 * was, and exits with 1 where something was wrong; then DIR is left for a look.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { soak } from "./run.ts";
import type { Report } from "./run.ts";

/** With fewer minutes than these the memory of a process is still finding its size. */
const GROWTH_MINUTES = 10;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    processes: { type: "string", default: "12" },
    dir: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});

function table(minutes: number, report: Report): string {
  const { processes, kills, stops, clockSteps } = report;
  const { accepted, deliveries, again, acks, backs, dropped, excused } = report;
  const size = (value: number): string => (value < 100 ? value.toFixed(1) : value.toFixed(0));
  const rows = report.rows.map(({ name, unit, first, middle, last, most, rise, allowed }) => {
    const cells = [first, middle, last, most, rise].map((value) => size(value));
    const limit = allowed === undefined ? "" : size(allowed);
    return `| ${[`${name}${unit && `, ${unit}`}`, ...cells, limit].join(" | ")} |`;
  });
  return [
    "| | |",
    "| --- | --- |",
    `| minutes | ${minutes} |`,
    `| processes started; killed with -9; stopped and continued | ${processes}; ${kills}; ${stops} |`,
    `| times that the disk's clock was set | ${clockSteps} |`,
    `| messages accepted, in each queue or subscription | ${accepted} |`,
    `| deliveries; of these again; noted late by who had slept | ${deliveries}; ${again}; ${excused} |`,
    `| acks seen to return | ${acks} |`,
    `| given back by a nack or reject; in a hand that did not ack | ${backs}; ${dropped} |`,
    `| complaints | ${report.complaints.length} |`,
    "",
    "| size | at the start | half-way | at the end | most | rise in the second half | allowed |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

const minutes = Number(values.minutes);
const dir = values.dir ?? mkdtempSync(join(tmpdir(), "soak-"));
console.log(`soak: ${minutes} minutes in ${dir}, --seed ${values.seed}`);
const report = await soak({
  dir,
  forMs: minutes * 60_000,
  processes: Number(values.processes),
  seed: Number(values.seed),
  sampleMs: Math.min(5000, (minutes * 60_000) / 40),
  clockMs: 30_000,
  isGrowthJudged: minutes >= GROWTH_MINUTES,
});
console.log(table(minutes, report));
for (const line of report.complaints.slice(0, 200)) console.log(line);
process.exitCode = report.complaints.length > 0 ? 1 : 0;
if (report.complaints.length === 0) rmSync(dir, { recursive: true, force: true });
