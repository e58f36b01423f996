/** Durable puts, one at a time and many in flight, and their consumption, one ack for each. */
import { SPOOL, PAYLOAD } from "./ground.ts";
import type { Ground, Section } from "./ground.ts";
import { alternate, atLeast, rate } from "./measure.ts";
import type { Row } from "./measure.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { SqliteQueue } from "./sqlite.ts";

export const IN_FLIGHT = 256;

/** Keeps so many puts in flight until all have said that they are safe. */
export async function putInFlight(count: number, put: () => Promise<unknown>): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await put();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

async function puts(ground: Ground): Promise<Row[]> {
  const [alone, many] = [ground.size(1000, 100), ground.size(100_000, 5000)];
  const single = (await ground.open(ground.fresh("puts"))).queue("jobs");
  const group = (await ground.open(ground.fresh("puts"))).queue("jobs");
  const sqlite = await SqliteQueue.open(ground.fresh("sqlite"));
  const figures = await alternate(ground.rounds(7), {
    alone: () =>
      rate(alone, async () => {
        for (let at = 0; at < alone; at++) await single.put(PAYLOAD);
      }),
    floor: () => alone / ground.floors.put(alone, PAYLOAD.length),
    oneSync: () => alone / ground.floors.putOneSync(alone, PAYLOAD.length),
    many: () => rate(many, () => putInFlight(many, () => group.put(PAYLOAD))),
    sqlite: () => rate(many, () => sqlite.put(many)),
  });
  sqlite.close();
  const inFlight = `durable put, ${IN_FLIGHT} in flight`;
  const row = { unit: "per s", measure: "ratio" } as const;
  return [
    {
      ...row,
      what: "durable put, one at a time",
      ours: figures.alone,
      floor: `open write fsync rename fsync(dir), ${ground.floors.language}`,
      theirs: figures.floor,
      target: atLeast(0.8),
    },
    {
      ...row,
      what: "durable put, one at a time",
      ours: figures.alone,
      floor: `open write rename fsync, ${ground.floors.language}`,
      theirs: figures.oneSync,
    },
    {
      ...row,
      what: inFlight,
      ours: figures.many,
      floor: "one at a time, above",
      theirs: figures.alone,
      target: atLeast(30),
    },
    {
      ...row,
      what: inFlight,
      ours: figures.many,
      floor: `SQLite, WAL, synchronous=FULL, ${IN_FLIGHT} rows a transaction`,
      theirs: figures.sqlite,
      target: atLeast(1),
    },
  ];
}

/** Acks each message by itself; returns how many there were. */
export async function drain(queue: Queue): Promise<number> {
  let taken = 0;
  for await (const message of queue.messages({ untilEmpty: true })) {
    await message.body();
    await message.ack();
    taken++;
  }
  return taken;
}

/** The same with as many in hand as others have in flight, and acks that are awaited together. */
export async function drainInFlight(queue: Queue): Promise<number> {
  let taken = 0;
  let acks: Promise<void>[] = [];
  for await (const message of queue.messages({ untilEmpty: true, prefetch: IN_FLIGHT })) {
    await message.body();
    taken++;
    if (acks.push(message.ack()) < IN_FLIGHT) continue;
    await Promise.all(acks);
    acks = [];
  }
  await Promise.all(acks);
  return taken;
}

async function takes(ground: Ground): Promise<Row[]> {
  const count = ground.size(100_000, 10_000);
  const dir = ground.fresh("takes");
  const queue = (await ground.open(dir)).queue("jobs");
  const lines = ground.fresh("lines");
  ground.shellMs(`yes "$1" | head -n "$2" > "$3"`, PAYLOAD.toString(), String(count), lines);
  const full = await SqliteQueue.open(ground.fresh("sqlite"));
  const normal = await SqliteQueue.open(ground.fresh("sqlite"), "NORMAL");
  const takeAll = (sqlite: SqliteQueue): Promise<number> => {
    sqlite.put(count);
    return rate(count, () => sqlite.takeAll());
  };
  const takeBy = (act: (from: Queue) => Promise<number>): Promise<number> => {
    ground.shellMs(`"$1" -C "$2" put jobs --lines < "$3"`, SPOOL, dir, lines);
    return rate(count, async () => {
      const taken = await act(queue);
      if (taken !== count) throw new Error(`${taken} of ${count} messages were taken`);
    });
  };
  const figures = await alternate(ground.rounds(5), {
    spool: () => takeBy(drain),
    inFlight: () => takeBy(drainInFlight),
    floor: () => count / ground.floors.rename(count),
    full: () => takeAll(full),
    normal: () => takeAll(normal),
  });
  full.close();
  normal.close();
  const row = { unit: "per s", measure: "ratio" } as const;
  const inFlight = {
    ...row,
    what: `take + ack, each by itself, ${IN_FLIGHT} in hand, filled in batches`,
    ours: figures.inFlight,
  };
  return [
    {
      ...row,
      what: "take + ack, each awaited before the next, filled in batches",
      ours: figures.spool,
      floor: `rename, ${ground.floors.language}`,
      theirs: figures.floor,
    },
    {
      ...inFlight,
      floor: `SQLite, synchronous=FULL, ${IN_FLIGHT} rows a transaction`,
      theirs: figures.full,
      target: atLeast(1),
    },
    {
      ...inFlight,
      floor: `SQLite, synchronous=NORMAL: acks not synced, as ours`,
      theirs: figures.normal,
      target: atLeast(1),
    },
  ];
}

export const durable: readonly Section[] = [
  { name: "put", about: "durable put, one at a time and 256 in flight", run: puts },
  { name: "take", about: "take + ack of a queue that was filled in batches", run: takes },
];
