/**
 * Goal: consumers of one subscription share its messages, those of another do not mind them; and who
 * waits for a subscription is woken by what is published, soon.
 *
 * Method: `work` and `consume` as real processes, several for each of two subscriptions; they wait
 * before anything is published, so that they compete for all of it.
 */
import { expect } from "vitest";

import { linesIn, linesOf, test, until } from "../helpers/cli.ts";
import type { Cli, Running } from "../helpers/cli.ts";
import { leftovers, makeTopic, watching } from "./topic-disk.ts";

const MESSAGES = 60;
const COMMAND = 'read -r l || [ -n "$l" ]; sleep 0.02; echo "$l $WHO" >>done';

/** Ends them as a user does; they must end well. */
async function end(consumers: readonly Running[]): Promise<void> {
  for (const consumer of consumers) consumer.kill("SIGTERM");
  for (const { code, stderr } of await Promise.all(consumers.map(({ ended }) => ended))) {
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  }
}

async function publishAll(cli: Cli): Promise<string[]> {
  const tokens = Array.from({ length: MESSAGES }, (_, index) => `m${index}`);
  const half = MESSAGES / 2;
  await cli.ok(["publish", "logs", "--lines"], { input: tokens.slice(0, half).join("\n") });
  await cli.ok(["publish", "logs", "--lines", "--batch", "1"], {
    input: tokens.slice(half).join("\n"),
  });
  return tokens.toSorted();
}

test("consumers of one subscription share its messages; each subscription gets them all", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", ["logs/worked", "logs/read"]);
  const workers = ["w1", "w2", "w3"].map((who) =>
    cli.start(["work", "logs/worked", "-j", "2", "--", "sh", "-c", COMMAND], { env: { WHO: who } }),
  );
  const readers = [1, 2].map(() => cli.start(["consume", "logs/read"]));
  for (const consumer of [...workers, ...readers]) await watching(consumer);
  const tokens = await publishAll(cli);

  await until("all is worked on", async () => {
    return (await linesIn(`${cli.dir}/done`)).length >= MESSAGES;
  });
  await until("all is read", () => readOf(readers).length >= MESSAGES);
  await until("all is acked", async () => (await leftovers(cli)).every((path) => isLease(path)));
  await end([...workers, ...readers]);
  const lines = await linesIn(`${cli.dir}/done`);
  expect(lines.map((line) => line.slice(0, line.indexOf(" "))).toSorted()).toEqual(tokens);
  // More than one of them had a part in it.
  expect(new Set(lines.map((line) => line.slice(line.indexOf(" ")))).size).toBeGreaterThan(1);
  expect(readOf(readers)).toEqual(tokens);
  expect(await leftovers(cli)).toEqual([]);
  for (const name of ["logs/worked", "logs/read"]) await cli.expectStatus({ consumers: 0 }, name);
});

/** What all of them have written, sorted. */
const readOf = (readers: readonly Running[]): string[] =>
  readers.flatMap(({ stdout }) => linesOf(stdout)).toSorted();

/** A lease in which nothing is held, or its lock. */
const isLease = (path: string): boolean => /\/leases\/[^/]+$/.test(path);

test("who waits for a subscription is woken by a publish within a second", async ({ cli }) => {
  await makeTopic(cli, "logs.web", ["logs.web/a", "logs.*/b", "logs.web/c"]);
  const names = ["logs.web/a", "logs.*/b"];
  const consumers = names.map((name) => cli.start(["consume", name]));
  for (const consumer of consumers) await watching(consumer);
  let said = "";
  for (const body of ["first", "second", "third"]) {
    await cli.ok(["publish", "logs.web", "-m", body]);
    const publishedMs = performance.now();
    said += `${body}\n`;
    await until("all have it", () => consumers.every(({ stdout }) => stdout === said), 5000);
    // By itself it would look only after RECHECK_MS.
    expect(performance.now() - publishedMs).toBeLessThan(1000);
  }
  await end(consumers);
  await cli.expectStatus({ ready: 3 }, "logs.web/c");
});

test("take --wait is woken as well, also by what is replayed", async ({ cli }) => {
  await makeTopic(cli, "logs", ["logs/a"], { retentionMs: Number.POSITIVE_INFINITY });
  for (const [args, body] of [
    [["publish", "logs", "-m", "news"], "news"],
    [["replay", "logs/a", "--since", "-1h"], "news"],
  ] as const) {
    const taker = cli.start(["take", "logs/a", "--wait", "20s"]);
    await watching(taker);
    await cli.ok(args);
    const saidMs = performance.now();
    const { code, stdout } = await taker.ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: body });
    expect(performance.now() - saidMs).toBeLessThan(1000);
  }
  await cli.expectStatus({}, "logs/a");
});
