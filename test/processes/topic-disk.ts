/** What the tests of topics read from the disk themselves, by names: nothing of it is claimed or changed. */
import { readdirSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname } from "node:path";

import { expect } from "vitest";

import { parseSlice } from "../../src/message/slice.ts";
import { pathOfQueue, pathOfTopic } from "../../src/names.ts";
import { openSpool } from "../../src/spool.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import type { TopicSettings } from "../../src/topic/settings.ts";
import { linesOf, until } from "../helpers/cli.ts";
import type { Cli, Running } from "../helpers/cli.ts";
import { PASSING } from "./aftermath.ts";

/** Makes a topic and subscriptions, those of patterns as well; in one process, because that is quick. */
export async function makeTopic(
  cli: Cli,
  topic: string,
  subscriptions: readonly string[],
  settings: Partial<TopicSettings> = {},
): Promise<void> {
  const spool = await openSpool({ dir: cli.spool, tellsFlow: false });
  await (await spool.topic(topic)).create({ ...DEFAULT_TOPIC_SETTINGS, ...settings });
  for (const subscription of subscriptions) {
    const [of = "", name = ""] = subscription.split("/");
    await (await spool.topic(of)).subscribe(name);
  }
}

/** The ids of the messages that a slice's name stands for. */
export function idsOf(name: string): string[] {
  const slice = parseSlice(name);
  if (slice === undefined) throw new Error(`not a slice: ${name}`);
  return Array.from({ length: slice.count }, (_, index) => `${slice.batch}.${slice.first + index}`);
}

/** A message of a batch of its own is called by the batch's id alone. */
export const fullId = (id: string): string => (id.includes(".") ? id : `${id}.0`);

/** The slices that wait in a subscription, as paths. */
export async function slicesOf(cli: Cli, subscription: string): Promise<string[]> {
  const ready = `${cli.spool}/${pathOfQueue(subscription)}/ready`;
  const paths: string[] = [];
  for (const bucket of await readdir(ready)) {
    for (const name of await readdir(`${ready}/${bucket}`))
      paths.push(`${ready}/${bucket}/${name}`);
  }
  return paths;
}

/** The messages that wait in a subscription, sorted; each as often as it is there. */
export async function waitingIn(cli: Cli, subscription: string): Promise<string[]> {
  const slices = await slicesOf(cli, subscription);
  return slices.flatMap((path) => idsOf(basename(path))).toSorted();
}

/** The tickets of fan-outs that are in a topic's directory. */
export function ticketsIn(cli: Cli, topic: string, directory: string): string[] {
  return readdirSync(`${cli.spool}/${pathOfTopic(topic)}/${directory}`);
}

/** Whatever is in topics/ that must not be there when nothing is under way. */
export async function leftovers(cli: Cli): Promise<string[]> {
  const paths = await readdir(`${cli.spool}/topics`, { recursive: true });
  return paths.filter((path) => {
    const name = basename(path);
    const parent = basename(dirname(path));
    if (PASSING.has(parent) || parent === "dead") return true;
    return name.startsWith(".") || name.startsWith("making_");
  });
}

/** All bytes are as they were published, and no name is wrong. */
export async function expectSound(cli: Cli): Promise<void> {
  expect(await leftovers(cli)).toEqual([]);
  const said = linesOf(await cli.ok(["verify", "--json"], { timeoutMs: 60_000 }));
  const findings = said.flatMap((line) => (JSON.parse(line) as { findings: unknown[] }).findings);
  expect(findings).toEqual([]);
}

/** What one `spool gc --json` said of topics. */
export interface Swept {
  readonly finished: number;
  readonly undone: number;
}

export function sweptOf(stdout: string): Swept {
  const sum = { finished: 0, undone: 0 };
  for (const line of linesOf(stdout)) {
    const { finished = 0, undone = 0 } = JSON.parse(line) as Partial<Swept>;
    sum.finished += finished;
    sum.undone += undone;
  }
  return sum;
}

/** Waits until the process has been stopped by its signal. */
export async function stopped({ pid }: Running): Promise<void> {
  await until("it is stopped", () => {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat[stat.lastIndexOf(")") + 2] === "T";
  });
}

/** Waits until the consumer watches the bell, as far as anybody can see that from outside. */
export async function watching({ pid }: Running): Promise<void> {
  await until("it watches", () => {
    const directory = `/proc/${pid}/fdinfo`;
    try {
      const files = readdirSync(directory).map((fd) =>
        readFileSync(`${directory}/${fd}`, "latin1"),
      );
      return files.some((text) => text.includes("inotify wd"));
    } catch {
      // A file descriptor was closed meanwhile.
      return false;
    }
  });
}
