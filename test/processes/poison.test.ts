/**
 * Goal: one message that kills its worker each time ends among the dead, and takes no neighbour
 * with it.
 *
 * Method: a batch of 1,000 lines; the command of one of them kills its worker with -9; a supervisor
 * starts the worker again until the queue is empty.
 */
import { expect } from "vitest";

import { linesIn, test } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";

const LINES = Array.from({ length: 1000 }, (_, index) => (index === 423 ? "poison" : `${index}`));
const GOOD = LINES.filter((line) => line !== "poison");
const ATTEMPTS = 5;

/** Runs workers one after the other until one ends by itself; returns how many were killed. */
async function supervise(cli: Cli, jobs: number): Promise<number> {
  const script =
    'read -r l; if [ "$l" = poison ]; then echo "$SPOOL_ATTEMPT" >>poison; kill -9 "$PPID"; exit 1; fi; echo "$l" >>done';
  for (let killed = 0; ; killed++) {
    const worker = cli.start(
      ["work", "q", "-j", String(jobs), "--until-empty", "--", "sh", "-c", script],
      { timeoutMs: 60_000 },
    );
    const { code, signal } = await worker.ended;
    if (signal === null) {
      expect(code).toBe(0);
      return killed;
    }
    expect(signal).toBe("SIGKILL");
    if (killed > 20) throw new Error("there is no end to it");
  }
}

async function expectOnePoisoned(cli: Cli): Promise<void> {
  await cli.expectStatus({ dead: 1, consumers: 0 });
  const letters = await cli.lines(["dlq", "ls", "q", "--json"]);
  expect(letters).toMatchObject([{ messages: 1, attempts: ATTEMPTS }]);
  expect(letters[0]!["reason"]).toMatch(/consumer died or was lost, at attempt 5/);
  const shown = JSON.parse(await cli.ok(["dlq", "show", "q", String(letters[0]!["id"]), "--json"]));
  expect(shown).toMatchObject({ body: "poison", attempts: ATTEMPTS });
  expect(await linesIn(`${cli.dir}/poison`)).toEqual(["1", "2", "3", "4", "5"]);
  expect(await cli.slices("leases")).toEqual([]);
}

test("one worker: 999 done, each exactly once, and one dead letter", async ({ cli }) => {
  await cli.ok(["queue", "create", "q", `max-attempts=${ATTEMPTS}`]);
  await cli.ok(["put", "q", "--lines"], { input: `${LINES.join("\n")}\n` });
  expect(await supervise(cli, 1)).toBe(ATTEMPTS);
  await expectOnePoisoned(cli);
  expect(await linesIn(`${cli.dir}/done`)).toEqual(
    // Whoever came back from a crash is first; all others keep their order.
    GOOD,
  );
}, 90_000);

test("-j 4: its neighbours are in hand at each kill, and are not taken along", async ({ cli }) => {
  await cli.ok(["queue", "create", "q", `max-attempts=${ATTEMPTS}`]);
  await cli.ok(["put", "q", "--lines"], { input: "a\npoison\nb\nc\nd\ne\n" });
  // The others are slow: the same are beside it each time, until one is tried alone.
  const script =
    'read -r l; [ "$l" != poison ] || { sleep 0.1; kill -9 "$PPID"; exit 1; }; sleep 0.5; echo "$l $SPOOL_ATTEMPT" >>done';
  for (let kills = 0; ; kills++) {
    const words = ["work", "q", "-j", "4", "--until-empty", "--", "sh", "-c", script];
    const { signal } = await cli.run(words);
    if (signal === null) break;
    expect(kills).toBeLessThan(ATTEMPTS);
  }
  await cli.expectStatus({ dead: 1 });
  expect(await cli.lines(["peek", "q", "--state", "dead", "--json"])).toMatchObject([
    { body: "poison", attempts: ATTEMPTS },
  ]);
  const done = await linesIn(`${cli.dir}/done`);
  for (const body of ["a", "b", "c", "d", "e"]) {
    expect(done.some((line) => line.startsWith(`${body} `))).toBe(true);
  }
  // The one that was beside it at all kills was done at its last attempt.
  expect(done).toContain(`a ${ATTEMPTS}`);
});

test("-j 4: 999 done, twice only those that were in hand at a kill, and one dead letter", async ({
  cli,
}) => {
  await cli.ok(["queue", "create", "q", `max-attempts=${ATTEMPTS}`]);
  await cli.ok(["put", "q", "--lines"], { input: `${LINES.join("\n")}\n` });
  expect(await supervise(cli, 4)).toBe(ATTEMPTS);
  await expectOnePoisoned(cli);
  const done = await linesIn(`${cli.dir}/done`);
  expect([...new Set(done)].toSorted()).toEqual(GOOD.toSorted());
  expect(done.length - GOOD.length).toBeLessThanOrEqual(3 * ATTEMPTS);
}, 90_000);
