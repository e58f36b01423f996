/**
 * Goal: what was promised is there after a power cut, once, whatever of the rest the disk has kept.
 *
 * Method: short stories, and for each instant of them all that the simulated disk may leave (every-cut.ts):
 * where the other simulation draws some of it by chance, and so meets what is rare late, or never.
 */
import { expect, test } from "vitest";

import { Slot } from "../../src/queue/slot.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import { adoptDropped } from "../../src/queue/drop-box.ts";
import type { Topic } from "../../src/topic/topic.ts";
import { everyCut } from "./every-cut.ts";
import type { Life, Story } from "./every-cut.ts";
import { BTRFS, EXT4, NFS, SPOOL, ZFS } from "./one-by-one.ts";

const KINDS = [EXT4, BTRFS, ZFS, NFS];

const create: Life = (spool) =>
  spool.queue("jobs").create({ ...DEFAULT_SETTINGS, backoffBaseMs: 0, maxAttempts: 2 });

const put =
  (payload: string, dedupKey?: string): Life =>
  async (spool, promised) => {
    promised.begin(["jobs"], payload);
    const options = dedupKey === undefined ? {} : { dedupKey };
    const { duplicate } = await spool.queue("jobs").put(payload, options);
    if (duplicate) promised.oneDone();
    else promised.done(payload);
  };

const inTurn =
  (...lives: readonly Life[]): Life =>
  async (...given) => {
    for (const life of lives) await life(...given);
  };

const LINES = ["one", "two", "three", "four"];

const putLines: Life = async (spool, promised) => {
  promised.begin(["jobs"], ...LINES);
  await spool
    .queue("jobs")
    .putMany()
    .run(bytesOf(LINES.map((line) => `${line}\n`).join("")));
  promised.done(...LINES);
};

// oxlint-disable-next-line require-await
async function* bytesOf(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

/** Does with the messages of one claim, one after the other, what `acts` say, and leaves. */
const settle =
  (...acts: readonly ("ack" | "nack" | "reject" | "give back")[]): Life =>
  async (spool, promised) => {
    const { room } = spool.queue("jobs");
    const consumer = spool.queue("jobs").consumer("beating");
    const slot = new Slot(consumer, room);
    for (const act of acts) {
      const message = await slot.next();
      if (message === undefined) break;
      const payload = (await message.body()).toString();
      if (act === "ack") promised.acking(payload);
      if (act === "ack") await message.ack();
      else if (act === "nack") await message.nack({ delayMs: 1000 });
      else if (act === "reject") await message.reject({ reason: "bad" });
      else await message.nack({ delayMs: 0, isCounted: false });
    }
    await slot.close();
    await consumer.close();
  };

/** Has the first two in hand at once: the first is parted from the others, and nobody settles it. */
const part: Life = async (spool, promised) => {
  const queue = spool.queue("jobs");
  const consumer = queue.consumer("beating");
  const slot = new Slot(consumer, queue.room, LINES.length);
  await slot.next();
  const second = (await slot.next())!;
  promised.acking("two");
  await second.ack();
  await slot.close();
  await consumer.close();
};

const makeTopic =
  (...names: readonly string[]): Life =>
  async (spool) => {
    const topic = await spool.topic("logs");
    await topic.create({ ...DEFAULT_TOPIC_SETTINGS, retentionMs: Number.POSITIVE_INFINITY });
    for (const name of names) await topic.subscribe(name);
  };

const publish =
  (payload: string, names: readonly string[], dedupKey?: string): Life =>
  async (spool, promised) => {
    promised.begin(
      names.map((name) => `logs/${name}`),
      payload,
    );
    const options = dedupKey === undefined ? {} : { dedupKey };
    const { duplicate } = await (await spool.topic("logs")).publish(payload, options);
    if (duplicate) promised.oneDone();
    else promised.done(payload);
  };

const recover: Life = async (spool) => (await spool.topic("logs")).recover();
const sweep: Life = async (spool) => spool.queue("jobs").sweep();

const CAREFUL = [BTRFS, ZFS];

/** A message that was claimed goes back when somebody has made its bucket anew, and died. */
const giveBackLate =
  (how: "nack" | "leave"): Life =>
  async (spool, _promised, machine) => {
    const queue = spool.queue("jobs");
    const [bucket] = await queue.buckets.list();
    const consumer = queue.consumer("beating");
    const claim = (await consumer.claim(LINES.length))!;
    const message = (await consumer.open(claim))!;
    // Another consumer finds it empty; who was about to put into it makes it again.
    machine.change("rmdir", queue.room.layout.bucket(bucket!));
    machine.syncAll(queue.room.layout.ready);
    machine.change("mkdir", queue.room.layout.bucket(bucket!));
    if (how === "nack") await message.nack({ delayMs: 0 });
    else await claim.held.giveBack();
    await claim.file.close();
    await consumer.close();
  };

/** A bucket that was seen a moment ago is removed as empty, and made again by somebody who died. */
const putIntoAnother: Life = async (spool, promised, machine) => {
  for (const one of ["a", "b"]) {
    await put(one)(spool, promised, machine);
    promised.acking(one);
  }
  const { layout } = spool.queue("jobs").room;
  const [name = ""] = machine.disk.list(layout.ready);
  const bucket = layout.bucket(name);
  for (const message of machine.disk.list(bucket)) machine.change("unlink", `${bucket}/${message}`);
  machine.change("rmdir", bucket);
  machine.syncAll(layout.ready);
  machine.change("mkdir", bucket);
  await put("c")(spool, promised, machine);
};

/** A program leaves a file, and does not sync it. */
const drop: Life = async (spool, promised, machine) => {
  promised.begin(["jobs"], "dropped");
  // Before it is adopted it is as its program left it.
  promised.allowStrangers();
  const { disk } = machine;
  const fd = disk.open("/srv/dropped", "create");
  disk.write(fd, Buffer.from("dropped"), null);
  disk.close(fd);
  machine.change("rename", "/srv/dropped", `${spool.queue("jobs").room.layout.drop}/1`);
};

/** Makes messages of what lies there; then makes all names safe. */
const adopt: Life = async (spool, promised, machine) => {
  const { room, buckets } = spool.queue("jobs");
  await adoptDropped(room, buckets);
  promised.done("dropped");
  machine.syncAll(SPOOL, false);
};

// oxlint-disable-next-line require-await
const oneOfTwo: Life = async (_spool, promised) => promised.rivals("a", "b");

const FOUR = ["one", "two", "three", "four"];

/** What subscriptions have is taken. */
const drainAll: Life = async (spool, promised, machine) => {
  for (const name of await spool.subscriptionNames()) await machine.drain(name);
  promised.restart();
};

/** All of the log comes, or nothing. */
const fromLog =
  (name: string, act: (topic: Topic) => Promise<unknown>): Life =>
  async (spool, promised) => {
    promised.begin([`logs/${name}`], "a", "b");
    promised.together("a", "b");
    await act(await spool.topic("logs"));
    promised.done("a", "b");
  };

const subscribe = fromLog("late", (topic) => topic.subscribe("late", { from: "start" }));
const replay = fromLog("one", (topic) => topic.replay("one"));

/** Whoever hears all topics of a pattern is heard of by the next publish, also of a topic made later. */
const hearAll: Life = async (spool, promised) => {
  await (await spool.topic("logs.*")).subscribe("all");
  promised.begin(["logs.*/all"], "a");
  const topic = await spool.topic("logs.app");
  await topic.create();
  await topic.publish("a");
  promised.done("a");
};

const STORIES: Readonly<Record<string, Story>> = {
  "two puts": { before: create, life: inTurn(put("a"), put("b")) },
  "many lines": { before: create, life: putLines },
  "a put into a bucket of a dead one": { before: create, dying: put("a"), life: put("b") },
  "a put into a bucket that was made again": { before: create, life: putIntoAnother },
  "messages of one batch are settled, each in another way": {
    before: inTurn(create, putLines),
    life: settle("ack", "nack", "reject", "give back"),
  },
  "messages of a batch that can have no more names are settled": {
    before: inTurn(create, putLines),
    life: settle("nack", "ack", "reject", "give back"),
    maxLinks: 1,
    // A copy may last on btrfs without what was done to its original (docs/guarantees.md).
    kinds: [EXT4, ZFS, NFS],
  },
  "a message goes back to a bucket that was made again": {
    before: inTurn(create, putLines),
    life: giveBackLate("leave"),
  },
  "a message is due again in a bucket that was made again": {
    before: inTurn(create, putLines),
    life: giveBackLate("nack"),
  },
  "a dead consumer's lease is taken over": {
    before: inTurn(create, putLines),
    dying: settle("nack", "ack"),
    life: sweep,
    isLong: true,
    kinds: CAREFUL,
  },
  "a message is parted from those behind it": {
    before: inTurn(create, putLines),
    life: part,
    kinds: CAREFUL,
  },
  "a dropped file is adopted": { before: create, life: inTurn(drop, adopt) },
  "a put with a key, and another one after the power cut": {
    before: inTurn(create, oneOfTwo),
    life: put("a", "k"),
    after: put("b", "k"),
  },
  "a put with a key, a sweep after the power cut, and another one": {
    before: inTurn(create, oneOfTwo),
    life: put("a", "k"),
    after: inTurn(sweep, put("b", "k")),
    kinds: CAREFUL,
  },
  "a put with the key of a dead one": {
    before: inTurn(create, oneOfTwo),
    dying: put("a", "k"),
    life: put("b", "k"),
  },
  "a publish": { before: makeTopic("one", "two"), life: publish("a", ["one", "two"]) },
  "a publish of which there are copies": {
    before: makeTopic(...FOUR),
    life: publish("a", FOUR),
    maxLinks: 3,
  },
  "a dead one's publish is recovered": {
    before: makeTopic("one", "two"),
    dying: publish("a", ["one", "two"]),
    life: recover,
    isLong: true,
    kinds: CAREFUL,
  },
  "a publish with the key of a dead one": {
    before: inTurn(makeTopic("one", "two"), oneOfTwo),
    dying: publish("a", ["one", "two"], "k"),
    life: publish("b", ["one", "two"], "k"),
    kinds: CAREFUL,
  },
  "a subscription to a pattern": { before: () => Promise.resolve(), life: hearAll },
  "a subscription from the start": {
    before: inTurn(makeTopic("one"), publish("a", ["one"]), publish("b", ["one"])),
    life: subscribe,
  },
  "a replay": {
    before: inTurn(makeTopic("one"), publish("a", ["one"]), publish("b", ["one"]), drainAll),
    life: replay,
  },
};

for (const [name, story] of Object.entries(STORIES)) {
  test.for(story.kinds ?? KINDS)(`on $name: ${name}`, async (kind) => {
    expect(await everyCut(kind, story)).toBeGreaterThan(1);
  });
}
