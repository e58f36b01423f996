/**
 * Goal: whatever becomes of the commands of a plan, all of it is said, and what was edited goes only when it was put.
 *
 * Method: a program for Node in the place of `spool`, which does what its arguments say.
 */
import { writeFileSync } from "node:fs";

import { describe, expect } from "vitest";

import { PlanRunner, summed } from "../../src/tui/plan-runner.ts";
import { test as base } from "../helpers/fixtures.ts";

const PROGRAM = `
  const [verb, text] = process.argv.slice(2).filter((word) => word !== "-C" && word !== "/dir");
  if (verb === "say") console.error("spool: " + text);
  if (verb === "fail") {
    console.error("spool: " + text + "\\n  Do something.");
    process.exitCode = 1;
  }
  if (verb === "wait") setTimeout(() => {}, Number(text));
  if (verb === "flags") console.error(process.execArgv.join(" ") + " " + process.argv.slice(2).join(" "));
`;

const test = base.extend("runner", ({ dir }) => {
  const path = `${dir}/program.mjs`;
  writeFileSync(path, PROGRAM);
  return (spool?: string): PlanRunner => new PlanRunner({ path, dir: spool });
});

function planOf(...commands: readonly string[][]) {
  const removed: string[] = [];
  const edited = { path: "/tmp/edited", remove: () => removed.push("/tmp/edited") };
  return { removed, plan: { question: "do it", commands, edited } };
}

describe("a plan", () => {
  test("says the sum of what its commands did", async ({ runner }) => {
    const { plan } = planOf(
      ["say", "1 message redriven"],
      ["say", "1 message redriven"],
      ["say", "0 messages redriven"],
    );
    expect(await runner().run(plan)).toBe("2 messages redriven");
    expect(summed(["1 message moved to b", "paused", "paused"])).toBe(
      "1 message moved to b, paused",
    );
  });

  test("that fails in the middle says what was done and what not", async ({ runner }) => {
    const { plan } = planOf(
      ["say", "1 message redriven"],
      ["fail", "no such queue: rb"],
      ["say", "5 messages redriven"],
    );
    expect(await runner().run(plan)).toBe(
      "! no such queue: rb; before it: 1 message redriven; not done: 2 of 3",
    );
  });

  test("removes what was edited when it was put, and only its own", async ({ runner }) => {
    const all = runner();
    const put = planOf(["say", ""], ["fail", "gone"]);
    const other = planOf(["fail", "full"], ["say", ""]);
    expect(await all.run(other.plan)).toBe(
      "! full; what was edited is in /tmp/edited; not done: 2 of 2",
    );
    expect(await all.run(put.plan)).toBe("! gone; before it: say done; not done: 1 of 2");
    expect([put.removed, other.removed]).toEqual([["/tmp/edited"], []]);
  });

  test("runs with our flags, and with the -C that we were given", async ({ runner }) => {
    const said = await runner("/dir").run(planOf(["flags"]).plan);
    expect(said).toBe(`${process.execArgv.join(" ")} flags -C /dir`.trim());
  });
});

describe("the end", () => {
  test("waits for what runs, and begins nothing more", async ({ runner }) => {
    const all = runner();
    const { plan } = planOf(["wait", "200"], ["say", "1 message dropped"]);
    const ran = all.run(plan);
    expect(all.running).toBe("do it");
    expect(await all.stop()).toEqual([
      "do it: ! told to end; before it: wait done; not done: 1 of 2",
    ]);
    await ran;
    expect(all.running).toBe("");
  });

  test("of a command that takes too long is ours", async ({ runner }) => {
    const all = runner();
    const { plan, removed } = planOf(["wait", "60000"], ["say", ""]);
    void all.run(plan);
    const [said] = await all.stop();
    expect(said).toMatch(
      /^do it: ! ended by SIGTERM; what was edited is in \S+; not done: 2 of 2$/,
    );
    expect(removed).toEqual([]);
  });
});
