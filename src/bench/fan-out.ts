/** What it costs to publish a message to several subscriptions. */
import type { Measured } from "./figures.ts";
import { PAYLOAD } from "./ground.ts";
import type { Ground, Part } from "./ground.ts";
import { alternate, plainRateFor, rateFor } from "./pace.ts";
import type { Begin } from "./pace.ts";

const SUBSCRIPTIONS = 10;

/** Of one round at the most: each is a file and its links. */
const MESSAGES = 500;

async function fanOut(ground: Ground, begin: Begin): Promise<Measured[]> {
  const topic = await ground.spool.topic("topic");
  for (let at = 0; at < SUBSCRIPTIONS; at++) await topic.subscribe(`s${at}`);
  const plain = ground.plain();
  plain.makeAudience(SUBSCRIPTIONS);
  const figures = await alternate(begin(), {
    ours: (slotMs) => rateFor(slotMs, () => topic.publish(PAYLOAD), MESSAGES),
    floor: (slotMs) => plainRateFor(slotMs, () => plain.fanOut(PAYLOAD, SUBSCRIPTIONS), MESSAGES),
  });
  const what = `durable publish to ${SUBSCRIPTIONS} subscriptions`;
  const beside = `write, ${SUBSCRIPTIONS} link, ${SUBSCRIPTIONS} rename, fsync`;
  return [{ name: "fan_out", what, unit: "per s", beside, figures }];
}

export const fanOuts: readonly Part[] = [
  { what: `publish to ${SUBSCRIPTIONS} subscriptions`, weight: 2, run: fanOut },
];
