/** Jobs that change settings and make queues, for the runs that have them (variants.ts). */
import type { SpoolErrorCode } from "../../src/errors.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { Slot } from "../../src/queue/slot.ts";
import type { Actor } from "./actor.ts";
import { QUEUE, SPARE, TOPIC } from "./history.ts";
import type { Configured } from "./history.ts";
import { quietly, redrive, sweepAll, take } from "./jobs.ts";
import type { Job } from "./jobs.ts";
import { publish, put, putLines, REFUSALS, told } from "./send-jobs.ts";

/** Above all that is in these runs, so that it changes nothing but can be told from others. */
const valueOf = (place: string, count: number): number =>
  place === TOPIC ? 2 ** 40 + count : DEFAULT_SETTINGS.backoffCapMs + 1000 * count;

function configuring(actor: Actor, place: string, isMake: boolean, value?: number): Configured {
  const { history, name: process } = actor;
  const call: Configured = {
    place,
    value: value ?? valueOf(place, Number(history.name())),
    isMake,
    process,
    began: history.step(),
  };
  history.configured.push(call);
  return call;
}

async function tell(actor: Actor, call: Configured, act: () => Promise<unknown>): Promise<void> {
  const outcome = await actor.told(act, "NO_QUEUE", "IO", "TRY_AGAIN");
  call.ended = actor.history.step();
  call.result = typeof outcome === "string" ? (outcome as SpoolErrorCode) : "ok";
}

/** `queue set`, `topic set`: of a queue, a subscription, or the topic. */
async function configure(actor: Actor): Promise<void> {
  const { history, spool } = actor;
  const made = history.configured.filter(({ isMake, result }) => isMake && result === "ok");
  const open = history.openSubscriptions().map(({ name }) => name);
  const place = actor.pick([QUEUE, SPARE, TOPIC, ...made.map((one) => one.place), ...open]);
  const topic = place === TOPIC ? await spool.topic(TOPIC) : undefined;
  const call = configuring(actor, place, false);
  const { value } = call;
  await tell(actor, call, () =>
    topic === undefined
      ? spool.queue(place).changeSettings({ backoffCapMs: value })
      : topic.changeSettings({ retentionBytes: value }),
  );
}

/** A new queue, or one that others make at the same time; a put makes it, too. */
async function create(actor: Actor): Promise<void> {
  const place = `q${actor.upTo(3)}`;
  const queue = actor.spool.queue(place);
  if (actor.random() < 0.7) {
    const call = configuring(actor, place, true);
    const settings = { ...DEFAULT_SETTINGS, backoffCapMs: call.value };
    await tell(actor, call, () => queue.create(settings));
  }
  const [sent] = actor.sending(place, [actor.body()]);
  const making = configuring(actor, place, true, DEFAULT_SETTINGS.backoffCapMs);
  told(actor, sent!, await actor.told(() => queue.put(sent!.body), ...REFUSALS));
  making.ended = sent!.ended!;
  making.result = "ok";
}

/** Dead letters, several of them. */
async function rejectSome(actor: Actor): Promise<void> {
  const queue = actor.spool.queue(QUEUE);
  await quietly(actor, QUEUE, async () => {
    const { leaseMs } = await queue.settings();
    const hold = actor.holding(QUEUE, "brief", leaseMs, actor.history.step());
    const consumer = queue.consumer("brief");
    const slot = new Slot(consumer, queue.room, 4);
    for (let left = 4; left > 0; left--) {
      const message = await slot.next(left);
      if (message === undefined) break;
      const handing = await actor.handed(message, hold);
      await actor.settle(handing, "reject", () => message.reject());
    }
    actor.ended(hold);
    await slot.close();
    await consumer.close();
    actor.closed(hold);
  });
}

/** For the checker: what all places are set to, and why dead letters are dead. */
export async function readSettings(actor: Actor): Promise<void> {
  const { history, spool } = actor;
  const found = new Map<string, number>();
  for (const place of [...(await spool.queueNames()), ...(await spool.subscriptionNames())]) {
    const queue = spool.queue(place);
    found.set(place, (await queue.settings()).backoffCapMs);
    for await (const { name } of queue.browse("dead")) {
      const { reason } = await queue.reasonOf(name);
      history.reasons.push({ place, letter: name, reason });
    }
  }
  found.set(TOPIC, (await (await spool.topic(TOPIC)).settings()).retentionBytes);
  history.foundSettings = found;
}

export const SETTING: readonly Job[] = [configure, configure, configure, create, create, create];

/** Hardly anything else. */
export const SMALL_FILES: readonly Job[] = [
  ...SETTING,
  rejectSome,
  rejectSome,
  rejectSome,
  put,
  put,
  putLines,
  publish,
  take,
  redrive,
  sweepAll,
];
