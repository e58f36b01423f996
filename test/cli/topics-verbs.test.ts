/**
 * Goal: every verb that takes a queue takes a subscription, and touches that one alone.
 *
 * Method: two subscriptions of one topic hold the same messages; what is done to one is not done to
 * the other. A pattern's subscription stands for both at times: its name is the harder one.
 */
import { writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, test as base, until } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";

const FINE = { ready: 0, scheduled: 0, in_flight: 0, dead: 0 };

/** Two subscriptions, one of them to a pattern, and these messages in both. */
const test = base.extend("publish", ({ cli }) => async (...texts: string[]): Promise<void> => {
  await cli.ok(["subscribe", "logs/a", "backoff=1ms..1ms"]);
  await cli.ok(["subscribe", "logs.#/b"]);
  for (const text of texts) await cli.ok(["publish", "logs", "-m", text]);
});

const left = async (cli: Cli, name = "logs.#/b"): Promise<string[]> =>
  linesOf(await cli.ok(["consume", name, "--until-empty"]));

describe.concurrent("TOPIC/NAME", () => {
  test("take", async ({ cli, publish }) => {
    await publish("1", "2", "3");
    expect(await cli.ok(["take", "logs/a"])).toBe("1");
    expect(await cli.ok(["take", "logs.#/b", "-n", "3"])).toMatch(/^1\n?2\n?3\n?$/);
    expectFailure(await cli.run(["take", "logs.#/b"]), 75, /logs\.#\/b is empty/);
    const waiting = cli.start(["take", "logs.#/b", "--wait", "0"]);
    await cli.ok(["publish", "logs", "-m", "4"]);
    expect(await waiting.ended).toMatchObject({ code: 0, stdout: "4" });
    await cli.expectStatus({ ready: 3 }, "logs/a");
  });

  for (const name of ["logs/a", "logs.#/b"]) {
    test(`${name}: take --lease, then ack, nack, reject, extend`, async ({ cli, publish }) => {
      await publish("1", "2", "3", "4");
      const take = ["take", name, "--lease", "1h"];
      const held = [];
      for (let n = 0; n < 4; n++) held.push(...(await cli.lines(take)));
      const receipts = held.map(({ receipt }) => String(receipt));
      for (const receipt of receipts) expect(receipt.startsWith(`${name}:`)).toBe(true);
      await cli.ok(["ack", receipts[0]!]);
      await cli.ok(["nack", receipts[1]!, "--delay", "1h"]);
      await cli.ok(["reject", "-", "--reason", "no good"], { input: `${receipts[2]}\n` });
      await cli.ok(["extend", receipts[3]!, "--lease", "2h"]);
      await cli.expectStatus({ scheduled: 1, in_flight: 1, dead: 1 }, name);
      expectFailure(await cli.run(["ack", receipts[0]!]), 65, /\[LEASE_LOST\]/);
      const other = name === "logs/a" ? "logs.#/b" : "logs/a";
      await cli.expectStatus({ ready: 4 }, other);
    });

    test(`${name}: dlq ls, show, redrive, drop`, async ({ cli, publish }) => {
      await publish("1", "2");
      await cli.ok(["work", name, "--until-empty", "--", "sh", "-c", "echo why >&2; exit 65"]);
      const letters = await cli.lines(["dlq", "ls", name, "--json"]);
      expect(letters).toMatchObject([{ reason: "exit 65" }, { reason: "exit 65" }]);
      const id = String(letters[0]!["id"]);
      const [letter] = await cli.lines(["dlq", "show", name, id, "--json"]);
      expect(letter).toMatchObject({ id, body: "1", stderr: "why\n", exit_code: 65 });
      expect((await cli.run(["dlq", "redrive", name, id])).stderr).toBe(
        "spool: 1 message redriven\n",
      );
      await cli.expectStatus({ ready: 1, dead: 1 }, name);
      expectFailure(await cli.run(["dlq", "drop", name]), 64, /not without -f/);
      await cli.ok(["dlq", "drop", name, "-f"]);
      await cli.expectStatus({ ready: 1 }, name);
      const other = name === "logs/a" ? "logs.#/b" : "logs/a";
      expect(await left(cli, other)).toEqual(["1", "2"]);
    });
  }

  test("work: the command is told which, and fails for one only", async ({ cli, publish }) => {
    await publish("1", "2");
    const script = 'cat {}; echo " $SPOOL_QUEUE $SPOOL_ATTEMPT"; [ $SPOOL_ATTEMPT -gt 1 ]';
    const out = await cli.ok(["work", "logs/a", "--until-empty", "--", "sh", "-c", script]);
    expect(linesOf(out).toSorted()).toEqual([
      "1 logs/a 1",
      "1 logs/a 2",
      "2 logs/a 1",
      "2 logs/a 2",
    ]);
    expect(await left(cli)).toEqual(["1", "2"]);
  });

  test("several consumers of one share its messages", async ({ cli, publish }) => {
    await publish();
    const lines = Array.from({ length: 200 }, (_, n) => `${n}`);
    await cli.ok(["publish", "logs", "-l", "--batch", "20"], { input: lines.join("\n") });
    const outs = await Promise.all(
      [1, 2, 3].map(() =>
        cli.ok(["work", "logs/a", "--until-empty", "-j", "2", "--", "cat", "{}"]),
      ),
    );
    // Payloads of lines bring no newline: only the sum of what came tells.
    const digits = lines.join("").length;
    expect(outs.join("")).toHaveLength(digits);
    await cli.expectStatus(FINE, "logs/a");
    expect(await left(cli)).toEqual(lines);
  });

  test("consume --json, and what waits for more", async ({ cli, publish }) => {
    await publish("1");
    expect(await cli.lines(["consume", "logs/a", "--until-empty", "--json"])).toMatchObject([
      { body: "1", attempt: 1 },
    ]);
    const waiting = cli.sh("spool consume 'logs.#/b' | head -2");
    // The third one tells it that nobody reads any more.
    for (const text of ["2", "3"]) await cli.ok(["publish", "logs", "-m", text]);
    expect((await waiting).stdout).toBe("1\n2\n");
    await cli.expectStatus({ ready: 1 }, "logs.#/b");
  });

  test("peek in each state", async ({ cli, publish }) => {
    await publish("dead", "held", "now");
    await cli.ok(["work", "logs/a", "--once", "--", "sh", "-c", "exit 65"]);
    await cli.ok(["take", "logs/a", "--lease", "1h"]);
    await cli.ok(["publish", "logs", "-m", "later", "--delay", "1h"]);
    for (const [state, body] of [
      ["dead", "dead"],
      ["inflight", "held"],
      ["ready", "now"],
      ["scheduled", "later"],
    ] as const) {
      const seen = await cli.lines(["peek", "logs/a", "--state", state, "--json", "-n", "9"]);
      expect(seen).toMatchObject([{ state, body }]);
    }
  });

  test("purge asks, and throws away in one of them", async ({ cli, publish }) => {
    await publish("1", "2", "3");
    expectFailure(await cli.run(["purge", "logs/a"]), 64, /3 messages of logs\/a: not without -f/);
    const dry = await cli.run(["purge", "logs/a", "-n", "--max", "2"]);
    expect(dry.stderr).toBe("spool: 2 messages would be thrown away\n");
    await cli.ok(["purge", "logs/a", "--max", "2", "-f"]);
    await cli.expectStatus({ ready: 1 }, "logs/a");
    expect(await left(cli)).toEqual(["1", "2", "3"]);
  });

  test("move: from both to one queue, nothing vanishes", async ({ cli, publish }) => {
    await publish("1", "2");
    expect((await cli.run(["move", "logs/a", "jobs"])).stderr).toMatch(/^spool: 2 messages moved/);
    expect((await cli.run(["move", "logs.#/b", "jobs"])).stderr).toMatch(
      /^spool: 2 messages moved/,
    );
    expect(await cli.ok(["verify"])).toBe("");
    expect(await left(cli, "jobs")).toEqual(["1", "1", "2", "2"]);
    expectFailure(await cli.run(["move", "logs/a", "logs/a"]), 64, /are the same queue/);
    expectFailure(await cli.run(["move", "logs/a", "logs/none"]), 66, /no such subscription/);
  });

  test("put: into one alone; into none that is not there", async ({ cli, publish }) => {
    await publish();
    await cli.ok(["put", "logs/a", "-m", "only here"]);
    await cli.ok(["put", "logs.#/b", "-l"], { input: "x\ny\n" });
    expect(await left(cli, "logs/a")).toEqual(["only here"]);
    expect(await left(cli)).toEqual(["x", "y"]);
    const none = await cli.run(["put", "logs/none", "-m", "x"]);
    expectFailure(none, 66, /no such subscription: logs\/none {2}\[NO_QUEUE\]/);
    expect(none.stderr).toContain("spool subscribe logs/none");
    expectFailure(await cli.run(["put", "new/none", "-m", "x"]), 66, /\[NO_QUEUE\]/);
    expect(await cli.ok(["topic", "ls"])).toBe("logs\n#\n".replace("#", "logs.#"));
  });

  test("queue set, show and rm; queue create does not make one", async ({ cli, publish }) => {
    await publish("1");
    await cli.ok(["queue", "set", "logs/a", "max-attempts=9", "lease=5m"]);
    const [shown] = await cli.lines(["queue", "show", "logs/a", "--json"]);
    expect(shown).toMatchObject({ queue: "logs/a", "max-attempts": 9, lease: "5m" });
    const [other] = await cli.lines(["queue", "show", "logs.#/b", "--json"]);
    expect(other).toMatchObject({ "max-attempts": 5 });
    expectFailure(await cli.run(["queue", "create", "logs/new"]), 66, /spool subscribe logs\/new/);
    expectFailure(
      await cli.run(["queue", "set", "jobs", "filter=a"]),
      64,
      /no such setting: filter/,
    );
    expectFailure(await cli.run(["queue", "rm", "logs/a"]), 64, /not without -f/);
    await cli.ok(["queue", "rm", "logs/a", "-f"]);
    expectFailure(await cli.run(["queue", "show", "logs/a"]), 66, /no such subscription/);
    expect(await cli.ok(["queue", "ls"])).toBe("");
    expect(await left(cli)).toEqual(["1"]);
  });

  test("the drop box of one", async ({ cli, publish }) => {
    await publish();
    const drop = `${cli.spool}/topics/logs/subscriptions/a/drop`;
    await writeFile(`${drop}/.tmp`, "dropped");
    await cli.sh(`mv '${drop}/.tmp' '${drop}/x'`);
    await cli.expectStatus({ ready: 1 }, "logs/a");
    expect(await left(cli, "logs/a")).toEqual(["dropped"]);
  });

  test("verify and gc, of one and of all", async ({ cli, publish }) => {
    await publish("1", "2");
    expect(await cli.lines(["verify", "logs/a", "--json"])).toEqual([
      { messages: 2, bytes: 2, findings: [] },
    ]);
    expect(await cli.lines(["verify", "logs", "--json"])).toMatchObject([{ findings: [] }]);
    expect(await cli.lines(["verify", "--json"])).toMatchObject([{ messages: 4, findings: [] }]);
    const queue = { leases: 0, reclaimed: 0, dead: 0, expired: 0, strays: 0, keys: 0, dropped: 0 };
    const topic = { finished: 0, undone: 0, strays: 0, keys: 0, trimmed: 0 };
    expect(await cli.lines(["gc", "logs/a", "--json"])).toEqual([{ queue: "logs/a", ...queue }]);
    expect(await cli.lines(["gc", "logs", "--json"])).toEqual([{ topic: "logs", ...topic }]);
    expect(await cli.lines(["gc", "--json"])).toEqual([
      { topic: "logs", ...topic },
      { topic: "logs.#", ...topic },
      { queue: "logs.#/b", ...queue },
      { queue: "logs/a", ...queue },
    ]);
    const plain = linesOf(await cli.ok(["gc", "logs", "-o", "plain"]));
    expect(plain).toEqual([
      "TOPIC\tFINISHED\tUNDONE\tSTRAYS\tKEYS\tTRIMMED",
      "logs\t0\t0\t0\t0\t0",
    ]);
  });
});

describe("what a dead publisher committed is finished by", () => {
  test("whoever takes from a subscription", async ({ cli, publish }) => {
    await publish();
    await cli.ok(["publish", "logs", "-m", "x"]);
    // As if it had died between the commit and the last rename.
    const script = `cd '${cli.spool}/topics/logs' &&
      slice=$(ls subscriptions/a/ready/*/ | head -1) &&
      tag=\${slice#*-*-} && tag=\${tag%%-*} &&
      ln subscriptions/a/ready/*/$slice "committed/$slice.p\${tag}_bffffffff.n1.p1.s1" &&
      mv subscriptions/a/ready/*/$slice "subscriptions/a/incoming/$slice.$tag"`;
    expect(await cli.sh(script)).toMatchObject({ code: 0, stderr: "" });
    await cli.expectStatus({ ready: 0 }, "logs/a");
    // Nobody here can know whether that process lives: it is given two seconds.
    const taken = await until("what was committed", async () => {
      const { code, stdout } = await cli.run(["take", "logs/a"]);
      return code === 0 && stdout;
    });
    expect(taken).toBe("x");
    expect(await cli.ok(["verify"])).toBe("");
  });
});
