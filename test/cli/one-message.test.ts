/**
 * Goal: what is done to one message by its id is done to it alone, wherever it stands in its batch.
 *
 * Method: five lines put as one batch; the real commands, and peek for what is left and in which order.
 */
import { describe, expect } from "vitest";

import type { Cli } from "../helpers/cli.ts";
import { expectFailure, test as base } from "../helpers/cli.ts";

interface Peeked {
  readonly id: string;
  readonly body: string;
  readonly attempts: number;
  readonly reason?: string;
}

const test = base.extend("five", async ({ cli }) => {
  await cli.ok(["put", "q", "--lines"], { input: "one\ntwo\nthree\nfour\nfive\n" });
  return new Map((await peek(cli)).map(({ id, body }) => [body, id]));
});

const peek = async (cli: Cli, queue = "q", state = "ready"): Promise<Peeked[]> => {
  const { stdout } = await cli.run(["peek", queue, "--state", state, "-n", "99", "--json"]);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Peeked);
};

const bodies = async (cli: Cli, queue = "q", state = "ready"): Promise<string[]> =>
  (await peek(cli, queue, state)).map(({ body }) => body);

describe("peek --id", () => {
  test("shows these messages and no others", async ({ cli, five }) => {
    const ids = ["--id", five.get("two")!, "--id", five.get("four")!];
    expect(await cli.ok(["peek", "q", ...ids])).toBe("two\nfour\n");
    const none = await cli.run(["peek", "q", "--state", "dead", "--id", five.get("two")!]);
    expectFailure(none, 66, /no such message dead in q: [0-9a-z]{26}\.1/);
  });
});

describe("purge --id", () => {
  test.for(["one", "three", "five"])(
    "throws %s away, and no other",
    async (body, { cli, five }) => {
      const { stderr } = await cli.run(["purge", "q", "--id", five.get(body)!, "-n"]);
      expect(stderr).toBe("spool: 1 message would be thrown away\n");
      await cli.ok(["purge", "q", "--id", five.get(body)!, "-f"]);
      expect(await bodies(cli)).toEqual([...five.keys()].filter((one) => one !== body));
      await cli.expectStatus({ ready: 4, in_flight: 0 });
      const again = await cli.run(["purge", "q", "--id", five.get(body)!, "-f"]);
      expectFailure(again, 66, /no such message in q/);
    },
  );

  test("throws away several of one batch", async ({ cli, five }) => {
    const ids = ["five", "two", "three"].flatMap((body) => ["--id", five.get(body)!]);
    const { stderr } = await cli.run(["purge", "q", ...ids, "-f"]);
    expect(stderr).toBe("spool: 3 messages thrown away\n");
    expect(await bodies(cli)).toEqual(["one", "four"]);
  });
});

describe("an id that is given twice", () => {
  test("is one message, and its neighbour stays", async ({ cli, five }) => {
    const three = five.get("three")!;
    const { stderr } = await cli.run(["purge", "q", "--id", three, "--id", three, "-n"]);
    expect(stderr).toBe("spool: 1 message would be thrown away\n");
    await cli.ok(["purge", "q", "--id", three, "--id", three, "-f"]);
    await cli.ok(["move", "q", "other", "--id", five.get("two")!, "--id", five.get("two")!]);
    await cli.ok(["dlq", "add", "q", five.get("one")!, five.get("one")!]);
    expect(await bodies(cli)).toEqual(["four", "five"]);
    expect(await bodies(cli, "other")).toEqual(["two"]);
    expect(await bodies(cli, "q", "dead")).toEqual(["one"]);
  });

  test("is one message, also where it is alone and is named in two ways", async ({ cli }) => {
    const id = (await cli.ok(["put", "q", "-m", "x"])).trim();
    expect(await cli.run(["purge", "q", "--id", id, "--id", `${id}.0`, "-f"])).toMatchObject({
      code: 0,
      stderr: "spool: 1 message thrown away\n",
    });
  });
});

describe("many ids", () => {
  test("are no more than --max says", async ({ cli, five }) => {
    const ids = ["two", "three", "five"].flatMap((body) => ["--id", five.get(body)!]);
    const would = await cli.run(["purge", "q", ...ids, "--max", "2", "-n"]);
    expect(would.stderr).toBe("spool: 2 messages would be thrown away\n");
    const done = await cli.run(["purge", "q", ...ids, "--max", "2", "-f"]);
    expect(done.stderr).toBe("spool: 2 messages thrown away\n");
    expect(await bodies(cli)).toEqual(["one", "four", "five"]);
  });

  test("of which some are not there: that is said", async ({ cli, five }) => {
    const [two, four] = [five.get("two")!, five.get("four")!];
    await cli.ok(["purge", "q", "--id", two, "-f"]);
    const { stderr } = await cli.run(["purge", "q", "--id", two, "--id", four, "-f"]);
    expect(stderr).toBe("spool: 1 message thrown away; not there, or in flight: 1\n");
  });

  test("of none that is there are refused, also by a dry run", async ({ cli, five }) => {
    const id = five.get("two")!;
    await cli.ok(["purge", "q", "--id", id, "-f"]);
    const none = await cli.run(["purge", "q", "--id", id, "-n"]);
    expectFailure(none, 66, /no such message in q/);
  });
});

describe("move --id", () => {
  test("moves it, and no other", async ({ cli, five }) => {
    await cli.ok(["move", "q", "other", "--id", five.get("three")!]);
    expect(await bodies(cli)).toEqual(["one", "two", "four", "five"]);
    expect(await peek(cli, "other")).toMatchObject([{ body: "three", id: five.get("three") }]);
  });
});

describe("move --now", () => {
  test("makes ready what waits for its retry, and no other", async ({ cli }) => {
    for (const body of ["a", "b"]) await cli.ok(["put", "q", "-m", body, "--delay", "1h"]);
    const [a] = await peek(cli, "q", "scheduled");
    const { stderr } = await cli.run(["move", "q", "q", "--now", "--id", a!.id]);
    expect(stderr).toBe("spool: 1 message made ready\n");
    expect(await cli.ok(["take", "q"])).toBe("a");
    expect(await bodies(cli, "q", "scheduled")).toEqual(["b"]);
    await cli.ok(["move", "q", "other", "--now"]);
    expect(await cli.ok(["take", "other"])).toBe("b");
  });

  test("counts each once, in whatever bucket it comes to lie", async ({ cli }) => {
    await cli.ok(["put", "q", "--lines", "--batch", "1", "--delay", "1h"], { input: "a\nb\nc\n" });
    // So many that they have buckets of their own, which are looked at after those of what was put before.
    const many = Array.from({ length: 4000 }, (_, at) => `${at}\n`).join("");
    await cli.ok(["put", "q", "--lines", "--batch", "1", "--sync", "none"], { input: many });
    const { stderr } = await cli.run(["move", "q", "q", "--now"]);
    expect(stderr).toBe("spool: 3 messages made ready\n");
    await cli.expectStatus({ ready: 4003, scheduled: 0 });
  });

  test("is for what is scheduled", async ({ cli, five }) => {
    expect(five.size).toBe(5);
    expectFailure(
      await cli.run(["move", "q", "q", "--now", "--state", "dead"]),
      64,
      /--now is for/,
    );
    expectFailure(await cli.run(["move", "q", "q"]), 64, /from and to are the same/);
    const { stderr } = await cli.run(["move", "q", "q", "--now"]);
    expect(stderr).toBe("spool: 0 messages made ready\n");
  });
});

describe("dlq add", () => {
  test("makes it a dead letter with its reason, and no other", async ({ cli, five }) => {
    await cli.ok([
      "dlq",
      "add",
      "q",
      five.get("two")!,
      five.get("five")!,
      "--reason",
      "sent twice",
    ]);
    expect(await bodies(cli)).toEqual(["one", "three", "four"]);
    const dead = await peek(cli, "q", "dead");
    expect(dead.map(({ body, reason, attempts }) => ({ body, reason, attempts }))).toEqual([
      { body: "two", reason: "sent twice", attempts: 0 },
      { body: "five", reason: "sent twice", attempts: 0 },
    ]);
    await cli.ok(["dlq", "redrive", "q", five.get("two")!]);
    expect(await bodies(cli)).toEqual(["one", "three", "four", "two"]);
    const none = await cli.run(["dlq", "add", "q", five.get("five")!]);
    expectFailure(none, 66, /no such message ready or scheduled in q/);
  });

  test("is told what is no id", async ({ cli, five }) => {
    expect(five.size).toBe(5);
    expectFailure(await cli.run(["dlq", "add", "q", "x"]), 64, /not a message id: x/);
    expectFailure(await cli.run(["purge", "q", "--id", "x", "-f"]), 64, /not a message id: x/);
  });
});
