/** Who is compared with whom: what each has to have installed, how it is started, what its put and its take are. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

import { drainInFlight, IN_FLIGHT, putInFlight } from "./durable.ts";
import { PAYLOAD, SPOOL } from "./ground.ts";
import type { Ground } from "./ground.ts";
import { rabbitmq, RABBITMQ } from "./peer-amqp.ts";
import { dirq, JOBS, LEAST_COMMANDS, nq, pythonWithDirq } from "./peer-local.ts";
import { beanstalkd, nats, natsSyncs, redis } from "./peer-servers.ts";
import type { Peer } from "./peer-servers.ts";
import { SqliteQueue } from "./sqlite.ts";

export const PUT = `durable put, ${IN_FLIGHT} in flight`;
export const TAKE = "take + ack, each by itself, one consumer";

interface Act {
  /** What ours does, where it is not PUT or TAKE. */
  readonly ours?: string;
  readonly theirs: string;
  /** Both do the same: who is ahead can be said. */
  readonly isEqual: boolean;
}

export interface Contest {
  readonly name: string;
  /** What has to be installed. */
  readonly program: string;
  readonly isThere: () => boolean;
  readonly ours: (ground: Ground) => Promise<Peer> | Peer;
  readonly start: (ground: Ground) => Promise<Peer>;
  /** Undefined where it is not durable, and only fills the queue for the takes. */
  readonly put: Act | undefined;
  readonly take: Act;
}

const onPath = (program: string): boolean =>
  spawnSync("sh", ["-c", `command -v "$1"`, "sh", program]).status === 0;

/** The spool as a library. */
async function library(ground: Ground): Promise<Peer> {
  const queue = (await ground.open(ground.fresh("spool"))).queue("jobs");
  return {
    least: 5000,
    put: (count) => putInFlight(count, () => queue.put(PAYLOAD)),
    take: async (count) => {
      const taken = await drainInFlight(queue);
      if (taken !== count) throw new Error(`${taken} of ${count} messages were taken`);
    },
    close: () => {},
  };
}

/** The spool as nq is: a process for each put, and commands that are run. */
function commands(ground: Ground): Peer {
  const dir = ground.fresh("spool");
  const put = 'for i in $(seq "$3"); do "$1" -C "$2" put jobs -m true > /dev/null; done';
  return {
    least: LEAST_COMMANDS,
    fill: async () => {
      ground.shellMs('seq "$3" | "$1" -C "$2" put jobs --lines', SPOOL, dir, String(JOBS));
      return JOBS;
    },
    put: (count) => ground.shellMs(put, SPOOL, dir, String(count)),
    take: () => ground.processMs([SPOOL, "-C", dir, "work", "jobs", "--until-empty", "--", "true"]),
    close: () => {},
  };
}

async function sqlite(dir: string, sync: "FULL" | "NORMAL"): Promise<Peer> {
  const queue = await SqliteQueue.open(dir, sync);
  return {
    least: 5000,
    put: (count) => queue.put(count),
    take: () => queue.takeAll(),
    close: () => queue.close(),
  };
}

/** One that does the same as ours: a put, where it is given, and a take. */
function equal(
  program: string,
  name: string,
  start: (dir: string) => Promise<Peer>,
  acts: { readonly put?: string; readonly take: string },
): Contest {
  const act = (what: string): Act => ({ theirs: `${name}, ${what}`, isEqual: true });
  return {
    name,
    program,
    ours: library,
    isThere: () => onPath(program),
    start: (ground) => start(ground.fresh("peer")),
    put: acts.put === undefined ? undefined : act(acts.put),
    take: act(acts.take),
  };
}

const isAlways = (): boolean => true;

/** Debian 12's is too old to sync; then its puts are another thing, and it says so. */
function natsContests(): Contest[] {
  const program = "nats-server";
  const take = { take: "pull and +ACK" };
  const quick = "NATS JetStream, work queue, not synced";
  const rest = [
    equal(program, quick, (dir) => nats(dir, { sync: false, retention: "workqueue" }), take),
  ];
  if (!onPath(program) || !natsSyncs()) return rest;
  const acts = { put: "PUB with answer", ...take };
  const queue = "NATS JetStream, work queue, sync always";
  const log = "NATS JetStream, acked messages stay, sync always";
  return [
    equal(program, queue, (dir) => nats(dir, { sync: true, retention: "workqueue" }), acts),
    equal(program, log, (dir) => nats(dir, { sync: true, retention: "limits" }), take),
    ...rest,
  ];
}

export const CONTESTS: readonly Contest[] = [
  {
    ...equal("node:sqlite", "SQLite, WAL, synchronous=FULL", (dir) => sqlite(dir, "FULL"), {
      put: `${IN_FLIGHT} rows a transaction`,
      take: `${IN_FLIGHT} rows a transaction`,
    }),
    isThere: isAlways,
  },
  {
    ...equal("node:sqlite", "SQLite, synchronous=NORMAL", (dir) => sqlite(dir, "NORMAL"), {
      take: `${IN_FLIGHT} rows a transaction`,
    }),
    isThere: isAlways,
  },
  equal("redis-server", "Redis, appendfsync always", (dir) => redis(dir, "always"), {
    put: "LPUSH",
    take: "LMOVE and LREM",
  }),
  equal("redis-server", "Redis, appendfsync everysec", (dir) => redis(dir, "everysec"), {
    take: "LMOVE and LREM",
  }),
  {
    ...equal("rabbitmq-server", "RabbitMQ, quorum queue", rabbitmq, {
      put: "publisher confirms",
      take: "basic.consume and basic.ack",
    }),
    isThere: () => existsSync(RABBITMQ) && onPath("erl"),
  },
  ...natsContests(),
  equal("beanstalkd", "beanstalkd -f0", (dir) => beanstalkd(dir, "-f0"), {
    put: "put",
    take: "reserve and delete",
  }),
  equal("beanstalkd", "beanstalkd -F, not synced", (dir) => beanstalkd(dir, "-F"), {
    take: "reserve and delete",
  }),
  {
    ...equal("python3-dirq", "dirq", dirq, { take: "lock, get and remove" }),
    isThere: () => pythonWithDirq() !== undefined,
    put: { theirs: "dirq, add: not synced", isEqual: false },
  },
  {
    name: "nq",
    program: "nq",
    ours: commands,
    isThere: () => onPath("nq"),
    start: (ground) => nq(ground, ground.fresh("nq")),
    put: {
      ours: "spool put, whole process",
      theirs: "nq true: the directory is synced, the file is not",
      isEqual: false,
    },
    take: { ours: "spool work -- true", theirs: "nq: the jobs run", isEqual: false },
  },
];
