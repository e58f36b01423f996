/**
 * What is there after somebody died: `gc` once, then everything is looked at and taken.
 *
 * In this process, because that is quick; what is called is what `spool gc` and `spool verify` call.
 * The last look is days later by the disk's clock: by then every lease that was handed out has ended,
 * every retry is due, and every stray has had its time.
 */
import { readdir } from "node:fs/promises";
import { basename, dirname } from "node:path";

import { DiskClock } from "../../src/clock.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";

/** Where nothing is when nothing is under way. */
export const PASSING: ReadonlySet<string> = new Set([
  "tmp",
  "staging",
  "committed",
  "aborted",
  "incoming",
  "leases",
  "reclaim",
  "filling",
  "aside",
  "drop",
]);

const MUCH_LATER_MS = 3 * 24 * 3600_000;

export class LaterClock extends DiskClock {
  readonly #byMs: number;

  constructor(byMs: number) {
    super();
    this.#byMs = byMs;
  }

  override observe(mtimeMs: number): void {
    super.observe(mtimeMs + this.#byMs);
  }
}

/** The spool as it is for one who comes so much later by the disk's clock. */
export const openLater = (dir: string, byMs = MUCH_LATER_MS): Promise<Spool> =>
  openSpool({ dir, tellsFlow: false, parts: { clock: new LaterClock(byMs) } });

export interface After {
  /** `queue: payload`, `queue dead: payload`, `topic log: payload` as often as it is there; sorted. */
  readonly found: readonly string[];
  /** What `verify` said, and names where none may be, after one `gc` at once. */
  readonly wrongAtOnce: readonly string[];
  /** The same at the end, when all has been taken. */
  readonly wrongAtLast: readonly string[];
}

export async function lookAfter(dir: string): Promise<After> {
  const spool = await openSpool({ dir, tellsFlow: false });
  await gc(spool);
  const wrongAtOnce = await wrongIn(spool);
  const found = [
    ...(await spool.subscriptionNames()).map((name) => `is there: ${name}`),
    ...(await takeAll(spool)),
  ];
  const later = await openLater(dir);
  await gc(later);
  found.push(...(await takeAll(later)), ...(await deadIn(later)), ...(await logsOf(later)));
  await gc(later);
  return { found: found.toSorted(), wrongAtOnce, wrongAtLast: await wrongIn(later) };
}

export async function gc(spool: Spool): Promise<void> {
  await spool.clearRemoved();
  const topics = [...(await spool.topicNames()), ...(await spool.patternNames())];
  for (const name of topics) await (await spool.topic(name)).sweep();
  for (const name of await queuesOf(spool)) await spool.queue(name).sweep();
}

export const queuesOf = async (spool: Spool): Promise<string[]> => [
  ...(await spool.queueNames()),
  ...(await spool.subscriptionNames()),
];

/** What `verify` says, and names where none may be when nothing is under way. */
export async function wrongIn(spool: Spool): Promise<string[]> {
  const wrong: string[] = [];
  for (const name of await queuesOf(spool)) {
    const { findings } = await spool.queue(name).verify();
    wrong.push(...findings.map(({ path, problem }) => `${path}: ${problem}`));
  }
  for (const name of await spool.topicNames()) {
    const { findings } = await (await spool.topic(name)).verify();
    wrong.push(...findings.map(({ path, problem }) => `${path}: ${problem}`));
  }
  return [...wrong, ...(await leftoversIn(spool.dir))];
}

/** Names that nothing should have left there. */
async function leftoversIn(dir: string): Promise<string[]> {
  const paths = await readdir(dir, { recursive: true });
  return paths.filter(
    (path) => PASSING.has(basename(dirname(path))) || basename(path).startsWith("."),
  );
}

async function takeAll(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  for (const name of await queuesOf(spool)) {
    for await (const message of spool.queue(name).messages({ untilEmpty: true })) {
      found.push(`${name}: ${(await message.body()).toString()}`);
      await message.ack();
    }
  }
  return found;
}

async function deadIn(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  for (const name of await queuesOf(spool)) {
    for await (const letter of spool.queue(name).peek("dead")) {
      found.push(`${name} dead: ${(await letter.body()).toString()}`);
    }
  }
  return found;
}

/** What the logs keep is what a subscription that begins with them gets. */
async function logsOf(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  for (const name of await spool.topicNames()) {
    const topic = await spool.topic(name);
    await topic.subscribe("look", { from: "start" });
    for await (const message of topic.subscription("look").messages({ untilEmpty: true })) {
      found.push(`${name} log: ${(await message.body()).toString()}`);
      await message.ack();
    }
    await topic.unsubscribe("look");
  }
  return found;
}
