/** Jobs that put, drop and publish. */
import { ignore, syncDirectory, writeAll } from "../../src/disk/durable.ts";
import type { SpoolErrorCode } from "../../src/errors.ts";
import type { Actor } from "./actor.ts";
import { QUEUE, TOPIC } from "./history.ts";
import type { Level, Sent } from "./history.ts";

const LEVELS: readonly Level[] = ["error", "info"];

/** All that a put or publish may say, with nothing having come of it. */
export const REFUSALS: readonly SpoolErrorCode[] = ["TRY_AGAIN"];

export function told(actor: Actor, sent: Sent, outcome: unknown): void {
  sent.ended = actor.history.step();
  sent.endedMs = actor.nowMs;
  if (typeof outcome === "string") sent.result = outcome as SpoolErrorCode;
  else {
    const { id, duplicate } = outcome as { id?: string; duplicate?: boolean };
    sent.result = duplicate === true ? "duplicate" : "ok";
    if (id !== undefined) sent.id = id;
  }
}

function putOptions(actor: Actor): { priority?: number; delayMs?: number } {
  return {
    ...(actor.random() < 0.2 ? { priority: actor.upTo(10) } : {}),
    ...(actor.random() < 0.2 ? { delayMs: actor.upTo(3000) } : {}),
  };
}

/** One message, several in flight at once, or one with a key. */
export async function put(actor: Actor): Promise<void> {
  const queue = actor.spool.queue(QUEUE);
  const one = async (): Promise<void> => {
    const key = actor.random() < 0.3 ? `k${actor.upTo(3)}` : undefined;
    const [sent] = actor.sending(QUEUE, [actor.body()], { key });
    const options = { ...putOptions(actor), ...(key === undefined ? {} : { dedupKey: key }) };
    const outcome = await actor.told(() => queue.put(sent!.body, options), ...REFUSALS);
    told(actor, sent!, outcome);
  };
  const count = actor.random() < 0.3 ? 2 + actor.upTo(4) : 1;
  await Promise.all(Array.from({ length: count }, one));
}

async function* lines(actor: Actor, sent: readonly Sent[]): AsyncGenerator<Uint8Array> {
  for (const { body } of sent) {
    yield Buffer.from(`${body}\n`);
    if (actor.random() < 0.1) await actor.sleep(actor.upTo(300));
  }
}

export async function putLines(actor: Actor): Promise<void> {
  const bodies = Array.from({ length: 1 + actor.upTo(12) }, () => actor.body());
  const sent = actor.sending(QUEUE, bodies);
  const putter = actor.spool.queue(QUEUE).putMany({ batchMessages: 1 + actor.upTo(8) });
  const outcome = await actor.told(() => putter.run(lines(actor, sent)));
  for (const one of sent) told(actor, one, outcome);
}

/** A program that knows nothing of spools renames a file into the drop box. */
export async function drop(actor: Actor): Promise<void> {
  const [sent] = actor.sending(QUEUE, [actor.body()]);
  const name = `${sent!.call}`;
  const { fs } = actor;
  const outside = `/outside/${name}`;
  const inside = `/spool/queues/${QUEUE}/drop/${name}`;
  const fd = await fs.open(outside, "create");
  await writeAll(fs, fd, Buffer.from(sent!.body), 0);
  await fs.sync(fd);
  // Not there any more: it worked, and its reply was lost.
  await ignore(() => fs.rename(outside, inside), "ENOENT");
  await fs.sync(fd);
  await fs.close(fd);
  await syncDirectory(fs, `/spool/queues/${QUEUE}/drop`);
  told(actor, sent!, {});
}

export async function publish(actor: Actor): Promise<void> {
  const topic = await actor.spool.topic(TOPIC);
  const one = async (): Promise<void> => {
    const level = actor.pick(LEVELS);
    const key = actor.random() < 0.25 ? `t${actor.upTo(3)}` : undefined;
    const [sent] = actor.sending(TOPIC, [actor.body()], { level, key });
    const options = { headers: { level }, ...(key === undefined ? {} : { dedupKey: key }) };
    const outcome = await actor.told(() => topic.publish(sent!.body, options), ...REFUSALS);
    told(actor, sent!, outcome);
  };
  const count = actor.random() < 0.3 ? 2 + actor.upTo(3) : 1;
  await Promise.all(Array.from({ length: count }, one));
}

export async function publishLines(actor: Actor): Promise<void> {
  const topic = await actor.spool.topic(TOPIC);
  const level = actor.pick(LEVELS);
  const bodies = Array.from({ length: 1 + actor.upTo(6) }, () => actor.body());
  const sent = actor.sending(TOPIC, bodies, { level });
  const batchMessages = bodies.length;
  const putter = topic.publishMany({ headers: { level }, batchMessages, lingerMs: 60_000 });
  const outcome = await actor.told(() => putter.run(lines(actor, sent)), ...REFUSALS);
  for (const one of sent) told(actor, one, outcome);
}
