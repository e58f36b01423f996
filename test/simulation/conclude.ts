/** The last process of a run: what it takes, and what must not be left. */
import assert from "node:assert/strict";

import { Slot } from "../../src/queue/slot.ts";
import type { Finding } from "../../src/queue/verify.ts";
import type { Actor } from "./actor.ts";
import type { Delivery } from "./attempts-check.ts";
import type { Found } from "./check.ts";
import { PATTERN, TOPIC } from "./history.ts";

/** Takes all that is there. */
export async function drain(
  actor: Actor,
  name: string,
  found: Found[],
  isFirst: boolean,
): Promise<void> {
  const warnings: string[] = [];
  const queue = actor.spool.queue(name);
  const warn = (line: string): void => void warnings.push(line);
  const consumer = queue.consumer("brief", { warn });
  const slot = new Slot(consumer, queue.room, 4);
  for (let message = await slot.next(); message; message = await slot.next()) {
    const { slice } = message.held;
    const body = (await message.body()).toString();
    const { now } = actor.history;
    const delivery: Delivery = {
      place: name,
      attempt: message.attempt,
      isAlone: slice?.count === 1,
      since: now + 1,
      at: now + 1,
      atMs: actor.nowMs,
    };
    const first = isFirst ? { delivery } : {};
    found.push({ body, replay: slice?.replay, id: message.id, ...first });
    await message.ack();
  }
  await slot.close();
  await consumer.close();
  // A message that nobody was promised may be torn by a power cut. Nothing else may be damaged.
  if (actor.history.cuts.length === 0) assert.deepEqual(warnings, []);
}

/** After recovery nothing is left over, and nothing is wrong. */
export async function inspect(actor: Actor): Promise<void> {
  const { spool, fs } = actor;
  const findings: Finding[] = [];
  const queues = [...(await spool.queueNames()), ...(await spool.subscriptionNames())];
  for (const name of queues) {
    findings.push(...(await spool.queue(name).verify()).findings);
    const { root } = spool.queue(name).room.layout;
    for (const part of ["tmp", "leases", "reclaim", "aside", "incoming"]) {
      if (part === "incoming" && !name.includes("/")) continue;
      for (const stray of await fs.list(`${root}/${part}`)) {
        findings.push({ path: `${root}/${part}/${stray}`, problem: "is left over" });
      }
    }
  }
  const topics = [TOPIC, ...(await spool.patternNames())];
  for (const name of topics) {
    findings.push(...(await (await spool.topic(name)).verify()).findings);
    const root = `/spool/topics/${name === PATTERN ? "logs.+" : name}`;
    for (const part of ["tmp", "staging", "committed", "aborted", "filling", "aside"]) {
      for (const stray of await actor.listed(`${root}/${part}`)) {
        findings.push({ path: `${root}/${part}/${stray}`, problem: "is left over" });
      }
    }
  }
  // What was torn by a power cut is a dead letter once somebody has met it.
  const isTorn = ({ path, problem }: Finding): boolean =>
    actor.history.cuts.length > 0 && /\/(ready|dead)\//.test(path) && problem !== "is left over";
  assert.deepEqual(
    findings.filter((finding) => !isTorn(finding)),
    [],
    "something is left",
  );
}
