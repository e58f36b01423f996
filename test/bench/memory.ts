/**
 * Memory of the commands that run long, at a large backlog and at a small one.
 *
 * `work` and `consume` are stopped after the same time on both: how much the collector lets lie about
 * depends on how long a program runs, not on what it has before it.
 */
import { backlog } from "./backlog.ts";
import { SPOOL } from "./ground.ts";
import type { Ground, Section } from "./ground.ts";
import { alternate, atMost } from "./measure.ts";
import type { Row } from "./measure.ts";

const SMALL = 1000;
const SECONDS = "3";

async function memory(ground: Ground): Promise<Row[]> {
  if (ground.rssMB(["true"]) === undefined) return [];
  const count = ground.size(1_000_000, 50_000);
  const large = await backlog(ground, "ready", count);
  let tags = 0;
  // Each time a new one, because it is used up.
  const small = (): Promise<string> => backlog(ground, "ready", SMALL, `-${tags++}`);
  // It does what it was told and ends with 0; --preserve-status, because timeout would say 124; --foreground, because it would tell its whole group, too, and the second word kills.
  const forAWhile = ["timeout", "--foreground", "--preserve-status", "-s", "TERM", SECONDS];
  const megabytes = (argv: readonly string[]): number => ground.rssMB(argv)!;
  const acts = {
    work: (queue: string) => megabytes([...forAWhile, SPOOL, "work", queue, "--", "true"]),
    consume: (queue: string) => megabytes([...forAWhile, SPOOL, "consume", queue]),
    gc: (queue: string) => megabytes([SPOOL, "gc", queue]),
  };
  const rows: Row[] = [];
  for (const name of ["gc", "work", "consume"] as const) {
    const figures = await alternate(
      ground.rounds(5),
      { large: () => acts[name](large), small: async () => acts[name](await small()) },
      0,
    );
    rows.push({
      what: `memory of ${name} at a backlog of ${count.toLocaleString("en")}`,
      unit: "MB",
      ours: figures.large,
      floor: `at ${SMALL.toLocaleString("en")}`,
      theirs: figures.small,
      measure: "difference",
      target: atMost(20),
    });
  }
  return rows;
}

export const memoryRows: readonly Section[] = [
  { name: "memory", about: "memory of work, consume, gc at a backlog of 1,000,000", run: memory },
];
