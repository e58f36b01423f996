/**
 * `npm run bench:peers`: the same two things done by other queues, on the same disk, in turns with ours.
 *
 * Durable puts with 256 in flight, and take + ack of each message by itself. Installs nothing, and says which
 * are missing. --quick: a fraction of the sizes.
 */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

import { drain, IN_FLIGHT, putInFlight } from "./durable.ts";
import { Ground, PAYLOAD } from "./ground.ts";
import { alternate, atLeast, rate } from "./measure.ts";
import type { Row } from "./measure.ts";
import { beanstalkd, nats, redis } from "./peer-servers.ts";
import type { Peer } from "./peer-servers.ts";
import { fsyncUs, machine, rowsTable } from "./report.ts";
import { SqliteQueue } from "./sqlite.ts";

interface Candidate {
  readonly name: string;
  /** What has to be on the PATH; undefined where Node has it. */
  readonly program?: string;
  readonly start: (dir: string) => Promise<Peer>;
}

const CANDIDATES: readonly Candidate[] = [
  {
    name: "SQLite, WAL, synchronous=FULL, 256 rows a transaction",
    start: async (dir) => {
      const queue = await SqliteQueue.open(dir);
      return {
        put: (count) => queue.put(count),
        take: () => queue.takeAll(),
        close: () => queue.close(),
      };
    },
  },
  { name: "Redis, appendfsync always", program: "redis-server", start: redis },
  { name: "beanstalkd -f0", program: "beanstalkd", start: beanstalkd },
  { name: "NATS JetStream, sync always", program: "nats-server", start: nats },
];

/** Peers of which we know, but that are not measured here: they have no plain protocol, or no take and ack. */
const UNMEASURED = ["nq", "python3-dirq", "rabbitmq-server"];

const isThere = (program: string): boolean =>
  spawnSync("sh", ["-c", `command -v "$1"`, "sh", program]).status === 0;

async function compare(ground: Ground, { name, start }: Candidate): Promise<Row[]> {
  const count = ground.size(50_000, 5000);
  const queue = (await ground.open(ground.fresh("spool"))).queue("jobs");
  const peer = await start(ground.fresh("peer"));
  const takes: Record<"ours" | "theirs", number[]> = { ours: [], theirs: [] };
  const puts = await alternate(ground.rounds(5), {
    ours: async () => {
      const putRate = await rate(count, () => putInFlight(count, () => queue.put(PAYLOAD)));
      takes.ours.push(await rate(count, () => drain(queue)));
      return putRate;
    },
    theirs: async () => {
      const putRate = await rate(count, () => peer.put(count));
      takes.theirs.push(await rate(count, () => peer.take(count)));
      return putRate;
    },
  });
  await peer.close();
  const row = { unit: "per s", floor: name, measure: "ratio", target: atLeast(1) } as const;
  // The first take of each is the warm-up's.
  const [ours, theirs] = [takes.ours.slice(1), takes.theirs.slice(1)];
  return [
    { ...row, what: `durable put, ${IN_FLIGHT} in flight`, ours: puts.ours, theirs: puts.theirs },
    { ...row, what: "take + ack, each by itself", ours, theirs },
  ];
}

const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const ground = new Ground({ isQuick: options.quick });
try {
  process.stdout.write(`${machine(ground, fsyncUs(ground))}\n\n`);
  const rows: Row[] = [];
  const missing: string[] = [];
  for (const candidate of CANDIDATES) {
    if (candidate.program !== undefined && !isThere(candidate.program)) {
      missing.push(candidate.program);
    } else rows.push(...(await compare(ground, candidate)));
  }
  process.stdout.write(`${rowsTable(rows)}\n\n`);
  if (missing.length > 0) process.stdout.write(`Not installed here: ${missing.join(", ")}.\n`);
  process.stdout.write(`Not measured by this script: ${UNMEASURED.join(", ")}.\n`);
} finally {
  ground.remove(ground.scratch);
}
