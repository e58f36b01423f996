/**
 * Goal: a queue that is paused gives nothing out, to nobody, and everything once it is resumed.
 *
 * Method: the command line; consumers that take, wait, and work.
 */
import { describe, expect } from "vitest";

import { expectFailure, test } from "../helpers/cli.ts";

describe.concurrent("a queue that is paused", () => {
  test("gives nothing to take, and says why; puts go in; resumed it gives all", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "a"]);
    await cli.ok(["pause", "q"]);
    await cli.ok(["pause", "q"]);
    await cli.ok(["put", "q", "-m", "b"]);
    expectFailure(await cli.run(["take", "q"]), 75, /queue q is paused/);
    expectFailure(await cli.run(["take", "q", "--wait", "300ms"]), 75, /queue q is paused/);
    expectFailure(await cli.run(["take", "q", "--lease", "1m"]), 75, /queue q is paused/);
    const { stdout, stderr } = await cli.run(["consume", "q", "--until-empty"]);
    expect({ stdout, stderr }).toEqual({
      stdout: "",
      stderr: "spool: queue q is paused: nothing comes before spool resume q\n",
    });
    await cli.expectStatus({ ready: 2, in_flight: 0, consumers: 0 });
    expect(await cli.ok(["queue", "show", "q"])).toMatch(/paused +yes/);
    await cli.ok(["resume", "q"]);
    expect(await cli.ok(["consume", "q", "--until-empty"])).toBe("a\nb\n");
  });

  test("wakes those that wait as soon as it is resumed", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "a"]);
    await cli.ok(["pause", "q"]);
    const waiting = cli.start(["take", "q", "--wait", "60s"]);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await cli.ok(["resume", "q"]);
    const { code, stdout } = await waiting.ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: "a" });
  });

  test("lets what was claimed be finished, and stops a worker that runs", async ({ cli }) => {
    await cli.ok(["put", "q", "--lines"], { input: "1\n2\n3\n4\n5\n6\n7\n8\n" });
    const worker = cli.start(["work", "q", "--", "sh", "-c", "cat; sleep 0.4"]);
    await new Promise((resolve) => setTimeout(resolve, 900));
    await cli.ok(["pause", "q"]);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const { ready, in_flight } = await cli.status();
    expect(in_flight).toBe(0);
    expect(ready).toBeGreaterThan(1);
    worker.child.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
    await cli.ok(["resume", "q"]);
    const rest = await cli.ok(["consume", "q", "--until-empty"]);
    expect(rest.trim().split("\n")).toHaveLength(ready);
  });

  test("is a subscription, too; of several names that are not all there none is", async ({
    cli,
  }) => {
    await cli.ok(["subscribe", "logs/a"]);
    expectFailure(await cli.run(["pause", "logs/a", "nope"]), 66, /no such queue: nope/);
    await cli.ok(["publish", "logs", "-m", "x"]);
    expect(await cli.ok(["take", "logs/a"])).toBe("x");
    await cli.ok(["pause", "logs/a"]);
    await cli.ok(["publish", "logs", "-m", "y"]);
    expectFailure(await cli.run(["take", "logs/a"]), 75, /queue logs\/a is paused/);
    await cli.ok(["queue", "set", "logs/a", "paused=no"]);
    expect(await cli.ok(["take", "logs/a"])).toBe("y");
  });
});
