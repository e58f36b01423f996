/** One-shot commands: whole processes, against a bare Node that does nothing; and beside a backlog. */
import { backlog } from "./backlog.ts";
import { SPOOL } from "./ground.ts";
import type { Ground, Section } from "./ground.ts";
import { alternate, atMost } from "./measure.ts";
import type { Row } from "./measure.ts";

const EMPTY = 75;

const put = (ground: Ground, queue: string): number =>
  ground.processMs([SPOOL, "put", queue, "-m", "payload"]);

const take = (ground: Ground, queue: string, exit = 0): number =>
  ground.processMs([SPOOL, "take", queue], { exit });

/** The ack alone; the message and its receipt are made before. */
function ack(ground: Ground, queue: string): number {
  put(ground, queue);
  const text = ground.output([SPOOL, "take", queue, "--lease", "1m"]);
  const { receipt } = JSON.parse(text) as { receipt: string };
  return ground.processMs([SPOOL, "ack", receipt]);
}

/** Bare Node's start, of the Node that bin/spool runs. The shell of bin/spool is the spool's own cost. */
export const nodeMs = (ground: Ground): number => ground.processMs([ground.node, "-e", "0"]);

async function oneShot(ground: Ground): Promise<Row[]> {
  const figures = await alternate(ground.rounds(21), {
    node: () => nodeMs(ground),
    put: () => put(ground, "jobs"),
    take: () => take(ground, "jobs"),
    ack: () => ack(ground, "jobs"),
    empty: () => take(ground, "nothing", EMPTY),
  });
  const row = (what: string, ours: readonly number[]): Row => ({
    what: `one-shot ${what}`,
    unit: "ms",
    ours,
    floor: "node -e 0",
    theirs: figures.node,
    measure: "ratio",
    target: atMost(1.35),
  });
  return [
    row("spool put", figures.put),
    row("spool take", figures.take),
    row("spool ack", figures.ack),
    row("spool take of an empty queue", figures.empty),
  ];
}

async function besideBacklog(ground: Ground): Promise<Row[]> {
  const count = ground.size(1_000_000, 50_000);
  const ready = await backlog(ground, "ready", count);
  const scheduled = await backlog(ground, "scheduled", count);
  // In rounds that go backwards a take comes ahead of its put.
  for (let at = 0; at < 3; at++) put(ground, scheduled);
  const figures = await alternate(ground.rounds(11), {
    "put none": () => put(ground, "jobs"),
    "put ready": () => put(ground, ready),
    "put scheduled": () => put(ground, scheduled),
    "take none": () => take(ground, "jobs"),
    "take ready": () => take(ground, ready),
    "take scheduled": () => take(ground, scheduled),
    "ack none": () => ack(ground, "jobs"),
    "ack ready": () => ack(ground, ready),
    "ack scheduled": () => ack(ground, scheduled),
  });
  const rows: Row[] = [];
  for (const verb of ["put", "take", "ack"] as const) {
    for (const kind of ["ready", "scheduled"] as const) {
      rows.push({
        what: `spool ${verb} beside ${count.toLocaleString("en")} ${kind} slices`,
        unit: "ms",
        ours: figures[`${verb} ${kind}`],
        floor: "the same, an empty queue",
        theirs: figures[`${verb} none`],
        measure: "ratio",
        target: atMost(1.2),
      });
    }
  }
  return [...rows, await emptyBesideScheduled(ground, scheduled, count)];
}

/** Only when nothing is ready: what was put beside the scheduled ones was taken again. */
async function emptyBesideScheduled(ground: Ground, queue: string, count: number): Promise<Row> {
  ground.processMs([SPOOL, "consume", queue, "--until-empty"]);
  const figures = await alternate(ground.rounds(11), {
    none: () => take(ground, "nothing", EMPTY),
    scheduled: () => take(ground, queue, EMPTY),
  });
  return {
    what: `spool take, nothing ready beside ${count.toLocaleString("en")} scheduled slices`,
    unit: "ms",
    ours: figures.scheduled,
    floor: "the same, an empty queue",
    theirs: figures.none,
    measure: "ratio",
    target: atMost(1.2),
  };
}

/** A queue has to be there before a take of it can say that it is empty. */
const withQueues =
  (run: (ground: Ground) => Promise<Row[]>) =>
  async (ground: Ground): Promise<Row[]> => {
    const spool = await ground.open();
    for (const name of ["jobs", "nothing"]) await spool.queue(name).create();
    // In rounds that go backwards a take comes ahead of its put.
    for (let at = 0; at < 3; at++) put(ground, "jobs");
    return run(ground);
  };

export const startup: readonly Section[] = [
  { name: "start", about: "one-shot put, take, ack, empty take", run: withQueues(oneShot) },
];

export const backlogRows: readonly Section[] = [
  {
    name: "backlog",
    about: "one-shot put, take, ack beside 1,000,000 ready and scheduled slices",
    run: withQueues(besideBacklog),
  },
];
