/**
 * Goal: a consumer that slept past its lease can do no harm when it wakes: its ack is refused, and
 * the message was done once, by somebody else.
 *
 * Method: SIGSTOP and SIGCONT; and, for a `take` that has to be caught between its claim and its
 * ack, a stdout that is full.
 */
import { expect } from "vitest";

import {
  expectFailure,
  isGone,
  linesIn,
  linesOf,
  pause,
  SPOOL,
  test,
  until,
} from "../helpers/cli.ts";

/** More than a pipe and Node's own buffer take together. */
const LARGE = "x".repeat(3_000_000);

test.concurrent("take, stuck on a full pipe past its lease: exit 65, and another has done it", async ({
  cli,
}) => {
  await cli.ok(["queue", "create", "q", "lease=1s"]);
  await cli.ok(["put", "q"], { input: LARGE });
  const first = cli.launch(SPOOL, ["take", "q"]);
  await cli.claimed();
  const other = await cli.run(["take", "q", "--wait", "15s"]);
  expect({ code: other.code, bytes: other.out.length }).toEqual({ code: 0, bytes: LARGE.length });
  first.read();
  const ended = await first.ended;
  expectFailure(ended, 65, /lease .*lost/);
  await cli.expectStatus({});
});

test.concurrent("take, stopped past its lease: exit 65, and another has done it", async ({
  cli,
}) => {
  await cli.ok(["queue", "create", "q", "lease=1s"]);
  await cli.ok(["put", "q"], { input: LARGE });
  const first = cli.launch(SPOOL, ["take", "q"]);
  await cli.claimed();
  first.kill("SIGSTOP");
  first.read();
  const other = await cli.run(["take", "q", "--wait", "15s", "--json"]);
  expect(JSON.parse(other.stdout)).toMatchObject({ attempt: 2, body: LARGE });
  first.kill("SIGCONT");
  expectFailure(await first.ended, 65, /lease .*lost/);
  await cli.expectStatus({});
  expectFailure(await cli.run(["take", "q"]), 75, /is empty/);
});

test.concurrent("a receipt that is late is refused by ack, nack, reject and extend", async ({
  cli,
}) => {
  await cli.ok(["put", "q", "-m", "once"]);
  const [first] = await cli.lines(["take", "q", "--lease", "500ms"]);
  const receipt = String(first!["receipt"]);
  const [second] = await cli.lines(["take", "q", "--wait", "15s", "--lease", "1m"]);
  expect(second).toMatchObject({ id: first!["id"], body: "once", attempt: 2 });
  for (const verb of ["ack", "nack", "reject"]) {
    expectFailure(await cli.run([verb, receipt]), 65, /lease .*lost/);
  }
  expectFailure(await cli.run(["extend", "--lease", "1m", receipt]), 65, /lease .*lost/);
  await cli.expectStatus({ in_flight: 1 });
  await cli.ok(["ack", String(second!["receipt"])]);
  expectFailure(await cli.run(["ack", String(second!["receipt"])]), 65, /lease .*lost/);
  await cli.expectStatus({});
});

test.concurrent("work, stopped past its lease: it says so, drops that command, acks nothing, goes on", async ({
  cli,
}) => {
  await cli.ok(["queue", "create", "q", "lease=2s"]);
  const id = (await cli.ok(["put", "q", "-m", "first"])).trim();
  // Ends only when it is killed, or else much too late.
  const script = 'read -r l; echo "$$ $l" >>a; [ "$l" != first ] || exec sleep 25';
  const stopped = cli.start(["work", "q", "--", "sh", "-c", script], { timeoutMs: 28_000 });
  const pid = await until("it runs", async () => {
    const [line] = await linesIn(`${cli.dir}/a`);
    return line?.split(" ")[0];
  });
  stopped.kill("SIGSTOP");
  const other = cli.start(["work", "q", "--", "sh", "-c", 'echo "$SPOOL_ID $SPOOL_ATTEMPT" >>b']);
  await until("the other has done it", async () => {
    return (await linesIn(`${cli.dir}/b`)).length === 1 && (await cli.status()).in_flight === 0;
  });
  expect(await linesIn(`${cli.dir}/b`)).toEqual([`${id} 2`]);
  other.kill("SIGTERM");
  expect((await other.ended).code).toBe(0);
  await cli.expectStatus({});

  stopped.kill("SIGCONT");
  await until("it says so", () => /message .*lease .*lost/.test(stopped.stderr));
  await until("its command is killed", () => isGone(Number(pid)));
  await cli.ok(["put", "q", "-m", "second"]);
  await until("it goes on", async () => (await linesIn(`${cli.dir}/a`)).length === 2);
  await until("it acks that one", async () => (await cli.status()).in_flight === 0);
  stopped.kill("SIGTERM");
  expect((await stopped.ended).code).toBe(0);
  await cli.expectStatus({ consumers: 0 });
  expect((await linesIn(`${cli.dir}/a`)).map((line) => line.split(" ")[1])).toEqual([
    "first",
    "second",
  ]);
});

test.concurrent("consume, stopped past its lease: what it had not written out is another's", async ({
  cli,
}) => {
  await cli.ok(["queue", "create", "q", "lease=2s"]);
  // The first cannot be written out before it is read, so it is held, whatever batches a slow put makes.
  const sent = [LARGE, ...Array.from({ length: 3000 }, (_, at) => String(at + 10_000))];
  await cli.ok(["put", "q", "--lines"], { input: `${sent.join("\n")}\n` });
  const first = cli.launch(SPOOL, ["consume", "q"]);
  await cli.claimed();
  first.kill("SIGSTOP");
  const others: string[] = [];
  await until("another gets all of it", async () => {
    const ended = await cli.run(["consume", "q", "--until-empty"]);
    others.push(...linesOf(ended.stdout));
    const { ready, in_flight } = await cli.status();
    return ready + in_flight === 0;
  });
  expect(others.toSorted()).toEqual([...sent.slice(1), LARGE]);
  first.read();
  first.kill("SIGCONT");
  await until("it says so, and goes on", () => /lease .*lost.*new lease/.test(first.stderr));
  await cli.ok(["put", "q", "-m", "and this"]);
  await until("it has the next one", () => first.stdout.endsWith("and this\n"));
  first.kill("SIGTERM");
  expect((await first.ended).code).toBe(0);
  await cli.expectStatus({});
});

test.concurrent("a lease that is extended outlives its time", async ({ cli }) => {
  await cli.ok(["put", "q", "-m", "kept"]);
  const [taken] = await cli.lines(["take", "q", "--lease", "1s"]);
  const startMs = performance.now();
  await cli.ok(["extend", "--lease", "1m", String(taken!["receipt"])]);
  // This is the one thing here that is only shown by time that passes.
  await pause(1300 - (performance.now() - startMs));
  expectFailure(await cli.run(["take", "q"]), 75, /is empty/);
  await cli.ok(["ack", String(taken!["receipt"])]);
  await cli.expectStatus({});
});
