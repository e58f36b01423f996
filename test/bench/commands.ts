/** `work`, which runs a command for each message, and `status`, which looks at many queues. */
import { backlog, dealOut } from "./backlog.ts";
import { SPOOL } from "./ground.ts";
import type { Ground, Section } from "./ground.ts";
import { alternate, atMost } from "./measure.ts";
import type { Row } from "./measure.ts";
import { nodeMs } from "./startup.ts";

/** Whole processes, so the start of `work` is in its figure, shared by all messages. */
async function work(ground: Ground): Promise<Row[]> {
  const count = ground.size(1500, 200);
  const lines = ground.fresh("lines");
  ground.shellMs('seq "$1" > "$2"', String(count), lines);
  const figures = await alternate(ground.rounds(5), {
    work: () => {
      ground.shellMs('"$1" put work --lines < "$2"', SPOOL, lines);
      return ground.processMs([SPOOL, "work", "work", "--until-empty", "--", "true"]) / count;
    },
    xargs: () => ground.shellMs('xargs -n1 true < "$1"', lines) / count,
  });
  return [
    {
      what: "work -- true, per message",
      unit: "ms",
      ours: figures.work,
      floor: "xargs -n1 true",
      theirs: figures.xargs,
      measure: "ratio",
      target: atMost(1.3),
    },
  ];
}

const QUEUES = 100;

/** The slices of the large backlog, shared out for the time being. */
async function status(ground: Ground): Promise<Row[]> {
  const count = ground.size(1_000_000, 50_000);
  const dir = ground.fresh("status");
  const spool = await ground.open(dir);
  const roots: string[] = [];
  for (let at = 0; at < QUEUES; at++) {
    const queue = spool.queue(`q${String(at).padStart(2, "0")}`);
    await queue.create();
    roots.push(queue.room.layout.root);
  }
  const large = (await ground.open()).queue(await backlog(ground, "ready", count));
  const takeBack = dealOut(large.room.layout.root, roots);
  const look = [SPOOL, "status"];
  // The first look, which is not counted, may write down what it saw for the second.
  ground.processMs(look, { dir });
  const rss: number[] = [];
  const figures = await alternate(ground.rounds(7), {
    status: () => ground.processMs(look, { dir }),
    node: () => nodeMs(ground),
    rss: () => {
      const megabytes = ground.rssMB(look, { dir });
      if (megabytes !== undefined) rss.push(megabytes);
      return 0;
    },
  });
  takeBack();
  const what = `status of ${QUEUES} queues with ${count.toLocaleString("en")} messages`;
  const rows: Row[] = [
    {
      what: `${what}, second look`,
      unit: "ms",
      ours: figures.status,
      floor: "node -e 0",
      theirs: figures.node,
      measure: "difference",
      target: atMost(50),
    },
  ];
  const memory = { unit: "MB", floor: "", theirs: [], measure: "alone" } as const;
  if (rss.length > 0) {
    rows.push({ ...memory, what: "memory of that status", ours: rss, target: atMost(120) });
  }
  return rows;
}

export const commands: readonly Section[] = [
  { name: "work", about: "work -- true", run: work },
  { name: "status", about: "status of 100 queues with 1,000,000 messages", run: status },
];
