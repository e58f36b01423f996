/**
 * One process of the soak that uses the library: `node player.ts LIB ROLE WHO NOTES`.
 *
 *   keyed    puts, several in flight at once, and some with a key, twice
 *   publish  publishes, the same
 *   work     handlers, two at once; some take longer than the lease, some nack
 *   batch    takes twenty before it settles them
 *
 * SIGTERM ends it as a program should end: what it holds goes back.
 */
import type { SpoolError } from "../../src/errors.ts";
import type { Message } from "../../src/queue/message.ts";
import { Journal, nowMs } from "./journal.ts";

const [, , lib = "", role = "", who = "", notes = ""] = process.argv;
const { openSpool } = (await import(lib)) as typeof import("../../src/index.ts");

const journal = new Journal(notes, who);
const stop = new AbortController();
const { signal } = stop;
process.on("SIGTERM", () => stop.abort());

const spool = await openSpool({ dir: process.env["SPOOL_DIR"]! });
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const isCode = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && codes.includes((error as SpoolError).code);

type Send = (token: string, dedupKey?: string) => Promise<{ id: string }>;

async function produce(queue: string, send: Send): Promise<void> {
  const sendOne = async (token: string, key?: string): Promise<string | undefined> => {
    try {
      const { id } = await send(token, key);
      journal.say("put", queue, token, id);
      return id;
    } catch (error) {
      if (!isCode(error, "TRY_AGAIN")) throw error;
      // With a key others may have finished it.
      if (key === undefined) journal.say("undone", queue, token);
      return undefined;
    }
  };
  for (let round = 0; !signal.aborted; round++) {
    const token = `${who}-${round}`;
    if (round % 4 === 0) {
      const first = await sendOne(token, token);
      const second = await sendOne(token, token);
      if (first !== undefined && second !== undefined && first !== second) {
        journal.say("wrong", queue, `${token} with one key: ${first} and ${second}`);
      }
    } else {
      await Promise.all([0, 1, 2].map((index) => sendOne(`${token}-${index}`)));
    }
    await pause(200 + Math.random() * 300);
  }
}

async function work(): Promise<void> {
  const queue = spool.queue("jobs");
  await queue.work(
    async (message) => {
      const token = (await message.body()).toString();
      journal.say("got", "jobs", token, message.id);
      // Mostly it has something in hand. One in two hundred takes longer than its lease, which beats.
      await pause(Math.random() < 0.005 ? 6000 : Math.random() * 100);
      if (Math.random() < 0.02) {
        const since = nowMs();
        await message.nack({ delayMs: 300 });
        journal.back("jobs", token, since);
        return;
      }
      journal.say("acking", "jobs", token, message.id);
      await message.ack();
      journal.say("acked", "jobs", token, message.id);
    },
    { concurrency: 2, signal, onError },
  );
}

function onError(error: unknown): void {
  if (!isCode(error, "LEASE_LOST")) journal.say("wrong", "jobs", String(error));
}

async function batch(): Promise<void> {
  const name = "events/audit";
  const inHand: { token: string; message: Message }[] = [];
  for await (const message of spool.queue(name).messages({ signal })) {
    const token = (await message.body()).toString();
    journal.say("got", name, token, message.id);
    inHand.push({ token, message });
    if (inHand.length < 20) continue;
    for (const [index, one] of inHand.splice(0).entries()) {
      try {
        await settle(name, one.token, one.message, index);
      } catch (error) {
        onError(error);
      }
    }
  }
}

/** Of twenty one is nacked, and one given back: that is quiet where it was lost, so it proves nothing. */
async function settle(name: string, token: string, message: Message, index: number): Promise<void> {
  if (index === 7) {
    const since = nowMs();
    await message.nack({ delayMs: 100 });
    journal.back(name, token, since);
  } else if (index === 13) {
    await message.giveBack();
  } else {
    journal.say("acking", name, token, message.id);
    await message.ack();
    journal.say("acked", name, token, message.id);
  }
}

async function publish(): Promise<void> {
  const topic = await spool.topic("events");
  const optionsOf = (dedupKey?: string): { dedupKey?: string } =>
    dedupKey === undefined ? {} : { dedupKey };
  await produce("events", (token, key) => topic.publish(token, optionsOf(key)));
}

async function keyed(): Promise<void> {
  const queue = spool.queue("jobs");
  await produce("jobs", (token, key) =>
    queue.put(token, key === undefined ? {} : { dedupKey: key }),
  );
}

const ROLES: Readonly<Record<string, () => Promise<void>>> = { keyed, publish, work, batch };
await ROLES[role]!();
