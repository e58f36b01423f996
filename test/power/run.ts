/**
 * Power cuts for as long as one likes:
 *
 *   node test/power/run.ts --fs ext4,xfs,btrfs --seconds 20 --states 3000 --seed 7
 *
 * `--order careful` has every process keep to the careful order, `--order own` none, `--order mixed` every
 * second one; that is the default, but for btrfs.
 *
 * `--every` looks at the state after each write of the log, instead of a sample: that takes long.
 * `--roles publish,publish,consume,manage` has only these work.
 *
 * Prints a table, and what is wrong of each state in which something is. The workload is real
 * processes: a seed repeats what they want to do and which states are looked at, not who is faster.
 * So the recording of a run that found something is kept, and one state of it is looked at again by
 *
 *   node test/power/run.ts --fs btrfs --again /tmp/spool-power-btrfs-7 --state 173
 *   node test/power/run.ts --fs btrfs --again /tmp/spool-power-btrfs-7 --state 173:1508211902
 */
import { release } from "node:os";
import { parseArgs } from "node:util";

import { run } from "./campaign.ts";
import type { Violation } from "./campaign.ts";
import { FS_NAMES, lacks } from "./rig.ts";
import type { FsName } from "./rig.ts";

const SHOWN = 10;

const { values } = parseArgs({
  options: {
    fs: { type: "string", default: FS_NAMES.join(",") },
    seconds: { type: "string", default: "20" },
    states: { type: "string", default: "3000" },
    seed: { type: "string", default: String(Date.now() % 100_000) },
    every: { type: "boolean", default: false },
    order: { type: "string" },
    roles: { type: "string" },
    again: { type: "string" },
    state: { type: "string", default: "1" },
  },
});

const names = values.fs.split(",").map((name) => {
  const known = FS_NAMES.find((one) => one === name);
  if (known === undefined) throw new Error(`not one of ${FS_NAMES.join(", ")}: ${name}`);
  return known;
});

const [prefix = 0, cache] = values.state.split(":").map(Number);
const again = values.again && {
  directory: values.again,
  state: { prefix, ...(cache !== undefined && { seed: cache }) },
};

const rows: string[] = [];
for (const name of names) {
  const missing = lacks(name);
  if (missing !== undefined) {
    console.error(`${name}: skipped: ${missing}`);
    process.exitCode = 1;
    continue;
  }
  const result = await run(name, {
    seconds: Number(values.seconds),
    states: Number(values.states),
    seed: Number(values.seed),
    isEvery: values.every,
    ...(values.roles !== undefined && { roles: values.roles.split(",") }),
    ...(values.order !== undefined && { order: order(values.order) }),
    ...(again && { again }),
    onViolation: (violation, directory) => tell(name, violation, directory),
    onProgress: (line) => console.error(line),
  });
  rows.push(
    `| ${name} | ${release()} | ${result.writes} | ${result.flushes} | ${result.states} | ` +
      `${result.calls} | ${result.promises} | ${result.violations.length} |`,
  );
}
console.log(`seed ${values.seed}, ${values.seconds} s of work`);
console.log("| file system | kernel | writes | flushes | states | calls | promises | violations |");
console.log("| --- | --- | --: | --: | --: | --: | --: | --: |");
for (const row of rows) console.log(row);

function order(word: string): "own" | "careful" | "mixed" {
  if (word === "own" || word === "careful" || word === "mixed") return word;
  throw new Error(`not own, careful or mixed: ${word}`);
}

function tell(fs: FsName, { state, wrong }: Violation, directory: string): void {
  process.exitCode = 1;
  const number = state.seed === undefined ? state.prefix : `${state.prefix}:${state.seed}`;
  console.error(`--fs ${fs} --again ${directory} --state ${number}`);
  for (const line of wrong.slice(0, SHOWN)) console.error(`  ${line}`);
  if (wrong.length > SHOWN) console.error(`  and ${wrong.length - SHOWN} more`);
}
