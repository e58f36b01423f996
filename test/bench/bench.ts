/**
 * `npm run bench`: what the spool costs, each figure beside a floor that is measured in the same run.
 *
 *   --only TEXT   these sections only; may be given several times (--list shows them)
 *   --quick       a fraction of the sizes and of the rounds: to try it, not to quote it
 *   --write       writes docs/performance.md and docs/performance.svg; all sections, whole sizes
 *   --list        names the sections
 *
 * Everything lies in a directory below TMPDIR, which decides what disk is measured, and is removed at the end.
 */
import { parseArgs } from "node:util";

import { claimRows } from "./claims.ts";
import { commands } from "./commands.ts";
import { durable } from "./durable.ts";
import { Ground, ROOT } from "./ground.ts";
import type { Section } from "./ground.ts";
import type { Row } from "./measure.ts";
import { memoryRows } from "./memory.ts";
import { plot } from "./plot.ts";
import { fsyncUs, machine, pageOf, rowsTable, seriesTable, today, writePage } from "./report.ts";
import { scaling } from "./scaling.ts";
import type { Scaling } from "./scaling.ts";
import { backlogRows, startup } from "./startup.ts";
import { streamRows } from "./streams.ts";
import { topicRows } from "./topics.ts";
import { wakeRows } from "./wake.ts";

type Named = Pick<Section, "name" | "about">;

const SCALING: Named = { name: "scaling", about: "cost against backlog and consumers; the plot" };

/** What wants the large backlog comes last, and what uses some of it up behind all others. */
const FIRST: readonly Section[] = [
  ...startup,
  ...durable,
  ...streamRows,
  ...claimRows,
  ...wakeRows,
  ...topicRows,
  ...commands.filter(({ name }) => name === "work"),
];
const LAST: readonly Section[] = [
  ...backlogRows,
  ...commands.filter(({ name }) => name === "status"),
  ...memoryRows,
];

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

const startedMs = performance.now();
const say = (text: string): void => {
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  process.stderr.write(`${String(seconds).padStart(4)} s  ${text}\n`);
};

const NAMES = new Set([...FIRST, ...LAST, SCALING].map(({ name }) => name));

/** A section's name means that one alone; any other text all that it is found in. */
function isWanted({ name, about }: Named): boolean {
  if (options.only === undefined) return true;
  return options.only.some((text) =>
    NAMES.has(text) ? name === text : `${name} ${about}`.includes(text),
  );
}

async function run(ground: Ground): Promise<void> {
  const fsync = fsyncUs(ground);
  const where = machine(ground, fsync);
  process.stdout.write(`${where}\n\n`);
  const rows: Row[] = [];
  let scaled: Scaling | undefined;
  const runAll = async (sections: readonly Section[]): Promise<void> => {
    for (const section of sections.filter(isWanted)) {
      say(section.about);
      rows.push(...(await section.run(ground)));
    }
  };
  await runAll(FIRST);
  if (isWanted(SCALING)) {
    say(SCALING.about);
    scaled = await scaling(ground);
  }
  await runAll(LAST);
  const table = rowsTable(rows);
  if (rows.length > 0) process.stdout.write(`${table}\n`);
  if (scaled === undefined) return;
  const backlog = seriesTable("backlog", scaled.backlog);
  const consumers = seriesTable("consumers", scaled.consumers);
  process.stdout.write(`\n${backlog}\n\n${consumers}\n`);
  if (!options.write) return;
  const page = pageOf({ machine: where, date: today(), rows: table, backlog, consumers });
  writePage(ROOT, page, plot(scaled.backlog, scaled.consumers[0]!));
}

async function main(): Promise<void> {
  if (options.list) {
    for (const { name, about } of [...FIRST, ...LAST, SCALING]) {
      process.stdout.write(`${name.padEnd(8)} ${about}\n`);
    }
    return;
  }
  if (options.write && (options.quick || options.only)) {
    throw new Error("--write is of a whole run: not with --quick or --only");
  }
  await run(new Ground({ isQuick: options.quick }));
  say("done; what was made is being removed");
}

await main();
