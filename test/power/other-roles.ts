/**
 * What processes do that hold no message open: they settle by receipt, drop files into the drop box,
 * and change settings.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";

import type { Message } from "../../src/queue/message.ts";
import { parseReceipt } from "../../src/queue/receipt.ts";
import { settle, settleByReceipt } from "../../src/queue/settle.ts";
import { Slot } from "../../src/queue/slot.ts";
import { payloadOf, tokenOf } from "./journal.ts";
import { JOBS, upTo } from "./queue-roles.ts";
import type { Life, Role } from "./queue-roles.ts";

/** Longer than a receipt is ever kept here, so none of them is late. */
export const HANDED_OUT_MS = 60_000;

interface Handed {
  readonly receipt: string;
  readonly token: string;
}

/** What `take --lease 60s` does, and then `ack`, `nack` and `reject`; some receipts are forgotten. */
export const receipts: Role = async (life) => {
  while (!life.isOver()) {
    for (const one of await handOut(life, 1 + upTo(life.random, 5))) await settleOne(life, one);
    await life.pause(60);
  }
};

async function handOut({ spool }: Life, count: number): Promise<Handed[]> {
  const queue = spool.queue(JOBS);
  const consumer = queue.consumer("handed out", { leaseMs: HANDED_OUT_MS });
  const slot = new Slot(consumer, queue.room, count);
  const messages: Message[] = [];
  while (messages.length < count) {
    const message = await slot.next(count - messages.length);
    if (message === undefined) break;
    messages.push(message);
  }
  // What it has claimed beyond that goes back before the rest is given away.
  await slot.close();
  const handed: Handed[] = [];
  for (const message of messages) {
    const token = tokenOf(await message.body());
    if (token === undefined) throw new Error(`${message.id}: not what was put`);
    handed.push({ receipt: await message.receipt(), token });
    await message.leave();
  }
  await (handed.length === 0 ? consumer.close() : consumer.leave());
  return handed;
}

async function settleOne(life: Life, { receipt, token }: Handed): Promise<void> {
  const { spool, journal, random } = life;
  const luck = random();
  if (luck > 0.97) return;
  const other = { what: "other", place: JOBS } as const;
  const call = luck < 0.4 ? ({ what: "drop", place: JOBS, tokens: [token] } as const) : other;
  const { room, buckets } = spool.queue(JOBS);
  await journal.tell(call, () =>
    settleByReceipt(room, buckets, parseReceipt(receipt), (held, next) => {
      if (luck < 0.4) return held.ack(1, next);
      if (luck < 0.85) return settle.nack(room, held, next, { delayMs: upTo(random, 300) });
      return held.reject(next, { reason: "power" }, true);
    }),
  );
}

/**
 * What any program does that wants its file to survive: it syncs it, renames it into drop/, and syncs
 * that name, by the directory or by the file.
 */
export const dropper: Role = async ({ spool, journal, random, token, isOver, pause }) => {
  const drafts = `${spool.dir}-drafts`;
  mkdirSync(drafts, { recursive: true });
  const { drop } = spool.queue(JOBS).room.layout;
  for (let round = 0; !isOver(); round++) {
    const one = token(upTo(random, 20_000));
    const call = { what: "send", place: JOBS, tokens: [one] } as const;
    await journal.tell(call, async () => {
      const file = openSync(`${drafts}/${one}`, "wx");
      writeSync(file, payloadOf(one));
      fsyncSync(file);
      renameSync(`${drafts}/${one}`, `${drop}/${one}`);
      if (round % 2 === 0) fsyncSync(file);
      else syncDirectory(drop);
      closeSync(file);
    });
    await pause(100);
  }
};

function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  fsyncSync(directory);
  closeSync(directory);
}

/**
 * Changes a setting that nobody is hindered by, to a value that was never there before. Not of `kept`: a
 * replay ends where its subscription is changed meanwhile.
 */
export const configure: Role = async ({ spool, journal, isOver, pause }) => {
  const topic = await spool.topic("events");
  for (let round = 0; !isOver(); round++) {
    const value = Date.now();
    const change = { maxMessageBytes: value };
    const place = ["side", "events/all", "events"][round % 3]!;
    const target = place === "events" ? topic : spool.queue(place);
    await journal.tell({ what: "set", place, value }, () => target.changeSettings(change));
    await pause(300);
  }
};
