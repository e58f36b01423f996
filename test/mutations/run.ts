/**
 * Plants one bug after the other in a copy of the tree, and sees who finds it.
 *
 *   node test/mutations/run.ts [--only TEXT]… [--seconds 60] [--no-tests] [--jobs 1] [--record FILE] [--again] [--write]
 *
 * --only takes those whose name holds the text. --seconds is for the simulation (0: without it), --no-tests
 * leaves out what would look after it. --record keeps what came out, a line each, and does not run again what
 * is in there: all of it takes hours. --again asks those tests first that found a bug the last time, by the page.
 * --write puts the table into docs/guarantees.md. Exit 1 where one survives that is not explained, where one does not run, or where something fails without any.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { lookFor } from "./catchers.ts";
import type { Outcome, Unsound } from "./catchers.ts";
import type { Mutation } from "./mutation.ts";
import { MUTATIONS } from "./mutations.ts";
import { lastFinders, placed, summary, table } from "./report.ts";
import type { Row } from "./report.ts";
import { Workplace } from "./workplace.ts";

const PAGE = join(import.meta.dirname, "../../docs/guarantees.md");

/** The engine as it is: whatever fails then says nothing about a bug. */
const NONE: Mutation = {
  name: "none",
  file: "topic/none",
  find: "",
  replace: "",
  breaks: "Nothing.",
};

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    seconds: { type: "string", default: "60" },
    jobs: { type: "string", default: "1" },
    record: { type: "string" },
    again: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    tests: { type: "boolean", default: true },
  },
  allowNegative: true,
});

const chosen = MUTATIONS.filter(
  ({ name }) => values.only.length === 0 || values.only.some((text) => name.includes(text)),
);
const rows = new Map<Mutation, Row>();
const wanted = [...(values.only.length === 0 ? [NONE] : []), ...chosen];

interface Recorded {
  readonly name: string;
  readonly outcome: Outcome;
  readonly seconds: number;
}

/** What came out before. */
function readRecord(file: string): Recorded[] {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  return lines.filter(Boolean).map((line) => JSON.parse(line) as Recorded);
}

for (const { name, outcome, seconds } of values.record ? readRecord(values.record) : []) {
  const mutation = wanted.find((one) => one.name === name);
  if (mutation) rows.set(mutation, { mutation, outcome, seconds });
}
// What nobody finds is looked for longest: it comes last.
const isQuick = ({ survives }: Mutation): boolean => survives === undefined;
const missing = wanted.filter((mutation) => !rows.has(mutation));
const waiting = [
  ...missing.filter((one) => one !== NONE && isQuick(one)),
  ...missing.filter((one) => one === NONE || !isQuick(one)),
];

const finders = values.again ? lastFinders(readFileSync(PAGE, "utf8")) : new Map<string, string>();
const unsound: Unsound = new Map();

// Whoever is told to stop leaves no copies behind.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

async function work(): Promise<void> {
  const place = new Workplace();
  const sound = new Workplace();
  sound.plant();
  const { tests } = values;
  const search = { place, sound, seconds: Number(values.seconds), tests, unsound };
  try {
    for (let mutation = waiting.shift(); mutation; mutation = waiting.shift()) {
      const startMs = performance.now();
      place.plant(mutation === NONE ? undefined : mutation);
      const outcome = await lookFor(search, mutation, finders.get(mutation.name));
      const row = { mutation, outcome, seconds: (performance.now() - startMs) / 1000 };
      rows.set(mutation, row);
      console.error(summary(row));
      const { name } = mutation;
      const { seconds } = row;
      if (values.record) {
        appendFileSync(values.record, `${JSON.stringify({ name, outcome, seconds })}\n`);
      }
    }
  } finally {
    place.remove();
    sound.remove();
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, () => work()));
const done = chosen.flatMap((mutation) => rows.get(mutation) ?? []);
const text = table(done);
console.log(text);
if (values.write) writeFileSync(PAGE, placed(readFileSync(PAGE, "utf8"), text));
const isExplained = ({ mutation, outcome }: Row): boolean =>
  outcome.kind === "caught" || (outcome.kind === "survived" && Boolean(mutation.survives));
const baseline = rows.get(NONE)?.outcome.kind ?? "survived";
process.exitCode = done.every(isExplained) && baseline === "survived" ? 0 : 1;
