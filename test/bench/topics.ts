/**
 * What a subscription costs a publish: the time of a publish to many subscriptions, less that to one,
 * for each further one, against a bare `link` and `rename` into as many directories. And what the
 * payload costs the disk.
 */
import * as fs from "node:fs";
import { join } from "node:path";

import { openSpool } from "../../src/spool.ts";
import type { Topic } from "../../src/topic/topic.ts";
import { spread } from "./measure.ts";
import type { Row } from "./measure.ts";

const SUBSCRIPTIONS = 100;
const PAYLOAD = Buffer.alloc(100, "x");

async function topicWith(scratch: string, name: string, count: number): Promise<Topic> {
  const spool = await openSpool({ dir: join(scratch, name), blocking: true });
  const topic = await spool.topic("logs");
  for (let index = 0; index < count; index++) await topic.subscribe(`s${index}`);
  return topic;
}

/** Microseconds for one publish. Not synced: an fsync is no part of what a subscription costs. */
async function publishUs(topic: Topic, publishes: number, messages: number): Promise<number> {
  const lines = Buffer.concat(
    Array.from({ length: messages }, () => Buffer.from(`${PAYLOAD.toString()}\n`)),
  );
  // oxlint-disable-next-line require-await
  const input = async function* (): AsyncGenerator<Uint8Array> {
    yield lines;
  };
  const startMs = performance.now();
  for (let index = 0; index < publishes; index++) {
    if (messages === 1) await topic.publish(PAYLOAD, { sync: "none" });
    else await topic.publishMany({ sync: "none" }).run(input());
  }
  return (1000 * (performance.now() - startMs)) / publishes;
}

/** Microseconds for one link and one rename, into as many directories, in a bare loop. */
function bareUs(scratch: string, round: number, publishes: number): number {
  const root = join(scratch, `links${round}`);
  for (let index = 0; index < SUBSCRIPTIONS; index++) {
    for (const name of ["incoming", "ready"]) {
      fs.mkdirSync(join(root, `s${index}`, name), { recursive: true });
    }
  }
  const startMs = performance.now();
  for (let publish = 0; publish < publishes; publish++) {
    const batch = join(root, `batch${publish}`);
    fs.writeFileSync(batch, PAYLOAD);
    for (let index = 0; index < SUBSCRIPTIONS; index++) {
      fs.linkSync(batch, join(root, `s${index}/incoming/${publish}`));
    }
    for (let index = 0; index < SUBSCRIPTIONS; index++) {
      fs.renameSync(
        join(root, `s${index}/incoming/${publish}`),
        join(root, `s${index}/ready/${publish}`),
      );
    }
  }
  return (1000 * (performance.now() - startMs)) / publishes / SUBSCRIPTIONS;
}

/** One row for single messages, one for batches of a thousand. */
export async function fanOut(scratch: string, rounds: number, publishes: number): Promise<Row[]> {
  const single: number[] = [];
  const batched: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const one = await topicWith(scratch, `one${round}`, 1);
    const many = await topicWith(scratch, `many${round}`, SUBSCRIPTIONS + 1);
    for (const topic of [one, many]) await publishUs(topic, 20, 1);
    bare.push(bareUs(scratch, round, publishes));
    for (const [messages, figures] of [
      [1, single],
      [1000, batched],
    ] as const) {
      const more =
        (await publishUs(many, publishes, messages)) - (await publishUs(one, publishes, messages));
      figures.push(more / SUBSCRIPTIONS);
    }
  }
  const floor = { floor: "link + rename", unit: "µs" as const, theirs: spread(bare) };
  const what = "each further subscription of";
  return [
    { what: `${what} a publish of one message`, ...floor, ours: spread(single) },
    { what: `${what} a publish of 1,000 lines`, ...floor, ours: spread(batched) },
  ];
}

/** Bytes on the disk of a payload of 10 MB that 100 subscriptions get, as a multiple of the payload. */
export async function diskUse(scratch: string): Promise<string> {
  const topic = await topicWith(scratch, "use", SUBSCRIPTIONS);
  const bytes = 10_000_000;
  await topic.publish(Buffer.alloc(bytes, "x"));
  const blocks = new Map<number, number>();
  let names = 0;
  for (const entry of fs.readdirSync(join(scratch, "use"), {
    recursive: true,
    withFileTypes: true,
  })) {
    if (!entry.isFile()) continue;
    const stat = fs.statSync(join(entry.parentPath, entry.name));
    if (stat.size < bytes) continue;
    blocks.set(stat.ino, stat.blocks * 512);
    names++;
  }
  const used = [...blocks.values()].reduce((sum, one) => sum + one, 0);
  return `A payload of 10 MB that ${names} subscriptions got takes ${(used / bytes).toFixed(2)} times its size on the disk.`;
}
