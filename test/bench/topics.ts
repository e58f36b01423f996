/** What a publish costs for each subscription, and what its payload costs the disk. */
import * as fs from "node:fs";

import type { Topic } from "../../src/topic/topic.ts";
import { PAYLOAD } from "./ground.ts";
import type { Ground, Section } from "./ground.ts";
import { alternate, atMost } from "./measure.ts";
import type { Row } from "./measure.ts";

const SUBSCRIPTIONS = 100;
const BATCH = 1000;

async function topicWith(ground: Ground, dir: string): Promise<Topic> {
  const topic = await (await ground.open(dir)).topic("logs");
  for (let index = 0; index < SUBSCRIPTIONS; index++) await topic.subscribe(`s${index}`);
  return topic;
}

const LINES = Buffer.from(`${PAYLOAD.toString()}\n`.repeat(BATCH));

// oxlint-disable-next-line require-await
async function* oneBatch(): AsyncGenerator<Uint8Array> {
  yield LINES;
}

/** Whole durable publishes, divided by subscriptions and messages. */
async function fanOut(ground: Ground): Promise<Row[]> {
  const publishes = ground.size(50, 5);
  const topic = await topicWith(ground, ground.fresh("fan-out"));
  const figures = await alternate(ground.rounds(5), {
    spool: async () => {
      const startMs = performance.now();
      for (let at = 0; at < publishes; at++) await topic.publishMany().run(oneBatch());
      return (1000 * (performance.now() - startMs)) / publishes / SUBSCRIPTIONS / BATCH;
    },
    floor: () => {
      const tookS = ground.floors.fanOut(publishes, SUBSCRIPTIONS, LINES.length);
      return (1e6 * tookS) / publishes / SUBSCRIPTIONS / BATCH;
    },
  });
  const row = {
    what: `fan-out to ${SUBSCRIPTIONS} subscriptions, per subscription and message of a batch of 1,000`,
    unit: "µs",
    ours: figures.spool,
  } as const;
  return [
    { ...row, floor: "", theirs: [], measure: "alone", target: atMost(1) },
    {
      ...row,
      floor: `write, 100 link, 100 rename, fsync, ${ground.floors.language}`,
      theirs: figures.floor,
      measure: "ratio",
    },
  ];
}

/** Bytes on the disk of a payload of 10 MB that 100 subscriptions get. */
async function diskUse(ground: Ground): Promise<Row[]> {
  const dir = ground.fresh("use");
  const topic = await topicWith(ground, dir);
  const bytes = 10_000_000;
  await topic.publish(Buffer.alloc(bytes, "x"));
  const blocks = new Map<number, number>();
  for (const entry of fs.readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const stat = fs.statSync(`${entry.parentPath}/${entry.name}`);
    if (stat.size >= bytes) blocks.set(stat.ino, stat.blocks * 512);
  }
  const used = [...blocks.values()].reduce((sum, one) => sum + one, 0);
  return [
    {
      what: `disk use of a payload that ${SUBSCRIPTIONS} subscriptions got`,
      unit: "MB",
      ours: [used / 1e6],
      floor: "the payload",
      theirs: [bytes / 1e6],
      measure: "ratio",
    },
  ];
}

export const topicRows: readonly Section[] = [
  { name: "fan-out", about: "fan-out to 100 subscriptions", run: fanOut },
  { name: "disk", about: "disk use of a payload that 100 subscriptions got", run: diskUse },
];
