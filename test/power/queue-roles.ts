/**
 * What the processes of the workload do with queues.
 *
 * `jobs` and `side` are one place to the checker: messages are moved between them, and each is in
 * one of them. `big` holds few and large ones.
 */
import { parseMessageId } from "../../src/message/id.ts";
import type { MessageId } from "../../src/message/id.ts";
import type { Message } from "../../src/queue/message.ts";
import type { Spool } from "../../src/spool.ts";
import type { Random } from "./crash-state.ts";
import { payloadOf, tokenOf } from "./journal.ts";
import type { Journal } from "./journal.ts";

export interface Life {
  readonly spool: Spool;
  readonly journal: Journal;
  readonly random: Random;
  readonly who: string;
  /** `none`: it promises what it does not keep, and that must be found. */
  readonly sync: "disk" | "none";
  readonly isOver: () => boolean;
  /** A fresh one, for a payload of so many bytes. */
  readonly token: (bytes: number) => string;
  /** Up to this long. */
  readonly pause: (ms: number) => Promise<void>;
}

export type Role = (life: Life) => Promise<void>;

export const JOBS = "jobs";
const BIG_BYTES = 9 * 1024 * 1024;

export const upTo = (random: Random, most: number): number => Math.floor(random() * most);

/** Single messages, some at once, some later, some urgent, some with a key. */
export const produce: Role = async ({ spool, journal, random, token, isOver, pause, sync }) => {
  const queue = spool.queue(JOBS);
  for (let round = 0; !isOver(); round++) {
    const tokens = Array.from({ length: round % 3 === 0 ? 5 : 1 }, () =>
      token(upTo(random, 12_000)),
    );
    const [first = ""] = tokens;
    const call = { what: "send", place: JOBS, tokens } as const;
    if (round % 4 === 1) {
      const body = payloadOf(first);
      const keyed = { ...call, tokens: [first], key: first };
      await journal.tell(keyed, () => queue.put(body, { dedupKey: first, sync }));
    } else {
      const delayMs = round % 4 === 2 ? 700 : 0;
      const options = { priority: upTo(random, 10), delayMs, sync };
      const put = (one: string) => queue.put(payloadOf(one), options);
      await journal.tell(call, () => Promise.all(tokens.map(put)));
    }
    await pause(30);
  }
};

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What `put --lines` does: batches that are cut by whoever takes a part of them. */
export const lines: Role = async ({ spool, journal, random, token, isOver, pause, sync }) => {
  while (!isOver()) {
    const tokens = Array.from({ length: 1 + upTo(random, 30) }, () => token(upTo(random, 300)));
    const input = Buffer.concat(tokens.flatMap((one) => [payloadOf(one), Buffer.from("\n")]));
    const putter = spool.queue(JOBS).putMany({ batchMessages: 12, sync });
    const call = { what: "send", place: JOBS, tokens } as const;
    await journal.tell(call, () => putter.run(chunks(input, 1000)));
    await pause(250);
  }
};

/** Large messages through a stream; what is older than the last one is consumed again. */
export const stream: Role = async ({ spool, journal, token, isOver, pause }) => {
  const queue = spool.queue("big");
  while (!isOver()) {
    const one = token(BIG_BYTES);
    const body = payloadOf(one);
    const call = { what: "send", place: "big", tokens: [one] } as const;
    await journal.tell(call, () => queue.put(chunks(body, 65_536)));
    for await (const message of queue.messages({ untilEmpty: true })) {
      const old = tokenOf(await message.body());
      if (old === one) break;
      await drop(journal, "big", message, old);
    }
    await pause(3000);
  }
};

async function drop(
  journal: Journal,
  place: string,
  message: Message,
  token: string | undefined,
): Promise<void> {
  if (token === undefined) throw new Error(`${message.id}: not what was put`);
  await journal.tell({ what: "drop", place, tokens: [token] }, () => message.ack());
}

/** Settles a message in one of all the ways. */
export async function settle(life: Life, place: string, message: Message): Promise<void> {
  const { journal, random } = life;
  const token = tokenOf(await message.body());
  const luck = random();
  if (luck < 0.6) await drop(journal, place, message, token);
  else if (luck < 0.72) {
    await journal.tell({ what: "other", place }, () =>
      message.nack({ delayMs: upTo(random, 300), isCounted: luck < 0.68 }),
    );
  } else if (luck < 0.8) {
    await journal.tell({ what: "other", place }, () => message.reject({ reason: "power" }));
  } else if (luck < 0.9) await message.giveBack();
  // The rest stays in hand, and goes back when the loop ends.
}

/** Takes some, one after the other, and stops with some in hand. */
export const work: Role = async (life) => {
  const queue = life.spool.queue(JOBS);
  while (!life.isOver()) {
    let left = 1 + upTo(life.random, 15);
    for await (const message of queue.messages({ untilEmpty: true })) {
      await settle(life, JOBS, message);
      if (--left === 0 || life.isOver()) break;
    }
    await life.pause(60);
  }
};

/** What an operator does: moves, redrives, purges, sweeps. */
export const operate: Role = async (life) => {
  const { spool, journal, random } = life;
  const [jobs, side] = [spool.queue(JOBS), spool.queue("side")];
  const dead = { states: ["dead"] } as const;
  const other = { what: "other", place: JOBS } as const;
  const acts: readonly (() => Promise<unknown>)[] = [
    () => jobs.moveTo(side, { max: 1 + upTo(random, 6) }),
    () => side.moveTo(jobs, { max: 1 + upTo(random, 6) }),
    () => jobs.moveTo(jobs, dead),
    () => jobs.moveTo(side, dead),
    () => jobs.sweep(),
  ];
  while (!life.isOver()) {
    await journal.tell(other, acts[upTo(random, acts.length)]!);
    if (random() < 0.2) await purge(life);
    await life.pause(150);
  }
};

/** Throws the first slice of `side` away. */
async function purge({ spool, journal }: Life): Promise<void> {
  const side = spool.queue("side");
  const tokens: string[] = [];
  const ids: MessageId[] = [];
  for await (const one of side.peek("ready")) {
    const id = parseMessageId(one.id)!;
    if (id.batch !== (ids[0] ?? id).batch) continue;
    ids.push(id);
    tokens.push(tokenOf(await one.body())!);
  }
  if (ids.length === 0) return;
  const call = { what: "drop", place: JOBS, tokens } as const;
  await journal.tell(call, () => side.purge({ ids, states: ["ready"] }));
}
