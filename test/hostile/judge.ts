/**
 * One run: a tree is made and damaged; then it is verified, repaired or not, and drained. What must hold:
 *
 *   - verify changes nothing, and nothing throws but a SpoolError that is no bug of ours;
 *   - a repair loses no payload: each token is still somewhere in the tree; and after it verify finds
 *     nothing but what docs/operating.md leaves to people, and nothing that it would repair;
 *   - what is delivered is what was put, byte for byte; after a repair it is delivered once;
 *   - nothing outside of the spool is read into it, written, made, removed or touched.
 */
import * as assert from "node:assert/strict";
import * as fs from "node:fs";

import { fromErrno, SpoolError } from "../../src/errors.ts";
import type { Finding, VerifyOptions } from "../../src/queue/finding.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { openToRepair } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { sitesOf, verifySpool } from "../../src/topic/verify-spool.ts";
import { DAMAGES } from "./damages.ts";
import { pathsIn, Tree } from "./tree.ts";

/** What stays for people: docs/operating.md. */
const FOR_PEOPLE: readonly RegExp[] = [
  /^was set aside; look at it and remove it$/,
  /^dead letter: /,
  /^a dot file: it is not delivered$/,
  /^a name that is no text$/,
  // With a name in it that is no text.
  /^was removed, and not all of it is gone$/,
];

/**
 * Without a repair these are too much for consumers: such trees are repaired before they are drained.
 */
const NOT_UNREPAIRED: readonly string[] = [
  "replaced", // a link in place of a directory is followed (reclaim/ and dead/ are not)
  "swapped", // what lies at another one's name is acked with it
];

/** What one run did, for who has to repeat it. */
export type Tell = (line: string) => void;

export async function judge(root: string, seed: number, tell: Tell): Promise<void> {
  const tree = new Tree(root, seed);
  await tree.build();
  let isRepaired = tree.below(4) > 0;
  for (let left = 1 + tree.below(tree.below(3) === 0 ? 12 : 4); left > 0; left--) {
    const [name, damage] = tree.pick(Object.entries(DAMAGES))!;
    const what = done(() => damage(tree));
    if (what === undefined) continue;
    tell(`${name}: ${what}`);
    isRepaired ||= NOT_UNREPAIRED.includes(name);
  }
  tree.age();
  const outside = stateOf(tree.outside);
  await verifies(tree);
  tell(isRepaired ? "repair" : "no repair");
  if (isRepaired) await repairs(tree, tell);
  const before = promisedIn(tree.dir);
  const delivered = await drains(tree, isRepaired);
  const after = promisedIn(tree.dir);
  const lost = [...before].filter((token) => !delivered.has(token) && !after.has(token));
  assert.deepEqual(lost, [], "a consumer has lost payloads");
  assert.deepEqual(stateOf(tree.outside), outside, "what is outside has changed");
}

/** One damage may leave a tree in which another one cannot be done. */
function done(damage: () => string | undefined): string | undefined {
  try {
    return damage();
  } catch (error) {
    if (error instanceof Error && "syscall" in error) return undefined;
    throw error;
  }
}

/** Looks, which changes nothing. */
async function verifies(tree: Tree): Promise<void> {
  const before = stateOf(tree.dir, isStill);
  const spool = await foreseen(() => tree.open());
  if (spool) await verifyAll(spool, {});
  assert.deepEqual(stateOf(tree.dir, isStill), before, "verify has changed something");
}

/** The directories in which the disk's clock is read change, and what is in them does not. */
const isStill = (path: string): boolean => !path.endsWith("/tmp") && !path.endsWith("/spool");

async function repairs(tree: Tree, tell: Tell): Promise<void> {
  const before = promisedIn(tree.dir);
  const { spool, finding } = await openToRepair(tree.dir, new Set());
  if (finding) tell(`${finding.path}: ${finding.problem}; ${finding.repair}`);
  for (const { path, problem, repair, left } of await verifyAll(spool, { repair: true })) {
    tell(`  ${path}: ${problem}; ${repair ?? left ?? "left"}`);
  }
  const after = promisedIn(tree.dir);
  const lost = [...before].filter((token) => !after.has(token));
  assert.deepEqual(lost, [], "a repair has lost payloads");
  const rest = await verifyAll(await tree.open(), {});
  const wrong = rest.filter(({ problem }) => !FOR_PEOPLE.some((allowed) => allowed.test(problem)));
  assert.deepEqual(wrong, [], "a repair has left what it should not");
  const again = await verifyAll(await tree.open(), { repair: true });
  assert.deepEqual(
    again.filter(({ repair }) => repair !== undefined),
    [],
    "a second repair did more",
  );
}

/** As the command does it. */
async function verifyAll(spool: Spool, options: VerifyOptions): Promise<Finding[]> {
  const how = { ...options, moved: new Set<string>() };
  const all = [...(await verifySpool(spool, how)).findings];
  const { queues, topics } = await sitesOf(spool);
  for (const name of queues) all.push(...(await spool.queue(name).verify(how)).findings);
  for (const name of topics) all.push(...(await (await spool.topic(name)).verify(how)).findings);
  for (const name of options.repair ? queues : []) {
    all.push(...(await spool.queue(name).verify(how)).findings);
  }
  return all;
}

/** Consumers take what is there; returns the tokens. */
async function drains(tree: Tree, isRepaired: boolean): Promise<Set<string>> {
  const delivered = new Set<string>();
  const names = await foreseen(async () => sitesOf(await tree.open()));
  for (const name of names?.queues ?? []) {
    const drain = async (): Promise<void> => {
      const queue = (await tree.open()).queue(name);
      const seen = new Set<string>();
      for await (const body of bodiesOf(queue)) {
        const [token = body] = body.match(/^<[mu]\d{6}>/) ?? [];
        // What a damage has put into the drop box is a message like any other.
        assert.ok(!body.includes("<canary>"), `${name} delivered what is outside`);
        const put = tree.bodies.get(token);
        if (token.startsWith("<m")) assert.equal(body, put, `${name} delivered damaged bytes`);
        assert.ok(!isRepaired || !seen.has(token), `${name} delivered ${token} twice`);
        seen.add(token);
        delivered.add(token);
      }
    };
    if (isRepaired) await drain();
    else await foreseen(drain);
  }
  return delivered;
}

async function* bodiesOf(queue: Queue): AsyncGenerator<string> {
  for await (const message of queue.messages({ untilEmpty: true })) {
    yield (await message.body()).toString();
    await message.ack();
  }
}

/** What a damaged tree may do to a program: fail in a way that is written down. */
async function foreseen<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (thrown) {
    const error = fromErrno(thrown);
    if (error instanceof SpoolError && error.exitCode !== 70) return undefined;
    throw error;
  }
}

/** Every token of what its producer was promised, in any file of the tree. */
function promisedIn(directory: string): Set<string> {
  const tokens = new Set<string>();
  for (const path of pathsIn(directory)) {
    if (!fs.lstatSync(path).isFile()) continue;
    for (const [token] of fs.readFileSync(path, "latin1").matchAll(/<m\d{6}>/g)) tokens.add(token);
  }
  return tokens;
}

/** Everything that can be seen of a tree from outside of it. */
function stateOf(directory: string, hasTime: (path: string) => boolean = () => true): string[] {
  return [directory, ...pathsIn(directory)].map((path) => {
    const stat = fs.lstatSync(path);
    const bytes = stat.isFile() ? fs.readFileSync(path, "latin1") : "";
    return `${path} ${stat.mode} ${hasTime(path) ? stat.mtimeMs : ""} ${bytes}`;
  });
}
