/**
 * Goal: while the pager, the editor or the shell has the terminal, it has it alone: no key, no ^C and no ^Z of theirs is
 * ours; and nothing that was edited is lost, whatever ends.
 *
 * Method: tmux is the terminal; `less` is the real one, the others are scripts that say when they have begun.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect } from "vitest";

import type { Cli } from "../helpers/cli.ts";
import { isGone, runs, until } from "../helpers/cli.ts";
import { hasTmux, NO_TMUX, test as base } from "../helpers/terminal.ts";
import type { Terminal } from "../helpers/terminal.ts";

const FILL = `
  seq -f 'line %g' 1 200 | spool put bad > /dev/null
  spool queue set bad max-attempts=1
  spool work bad --until-empty -- sh -c 'exit 65' 2> /dev/null
  for n in 1 2 3; do spool put later -m "$n" > /dev/null; done
`;

const test = base.extend(
  "top",
  ({ cli, terminal, skip }) =>
    async (environment: string): Promise<Terminal> => {
      if (!hasTmux) skip(NO_TMUX);
      const { code, stderr } = await cli.sh(FILL);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const screen = terminal({ columns: 200 });
      screen.run(`TMPDIR=${cli.dir} ${environment} spool top --interval 500ms; echo code=$?`);
      await screen.shows(/all looked at[^]*^> bad/m);
      screen.keys("Enter");
      await screen.shows(/\[dead\]/);
      await screen.shows(/line 1/);
      return screen;
    },
);

/** A program that leaves its process id in a file as it begins. */
function program(cli: Cli, script: string): { path: string; begun: () => Promise<number> } {
  const path = join(cli.dir, "program");
  const file = join(cli.dir, "begun");
  writeFileSync(path, `#!/bin/sh\necho $$ > ${file}.new; mv ${file}.new ${file}\n${script}\n`, {
    mode: 0o755,
  });
  return {
    path,
    begun: () =>
      until("it has begun", () => existsSync(file) && Number(readFileSync(file, "utf8"))),
  };
}

/** The files that are edited, with this in them. */
function editedIn(cli: Cli, text = ""): string[] | false {
  const paths = globSync(`${cli.dir}/spool-edit-*/*`);
  return (
    paths.length > 0 && paths.every((path) => readFileSync(path, "utf8").includes(text)) && paths
  );
}

/** The process that draws. */
function topOf(cli: Cli): number {
  const pid = cli.living().find((one) => {
    const words = readFileSync(`/proc/${one}/cmdline`, "utf8").split("\0");
    return words.includes("top") && words.some((word) => word.endsWith("spool.cjs"));
  });
  // Of 0 all of our own group would be meant.
  if (pid === undefined) throw new Error("there is no top");
  return pid;
}

const inBad = { ready: 0, dead: 1 };

describe("what is typed", () => {
  test("in less is all for less, and top goes on behind it", async ({ top, cli, skip }) => {
    if (!runs("less", "--version")) skip("there is no less here");
    const screen = await top("PAGER=less LESS=");
    for (let times = 0; times < 3; times++) {
      screen.keys("v");
      await screen.shows(/^line 1\n/);
      for (let key = 0; key < 6; key++) screen.keys("j");
      await screen.shows(/^line 7\n/);
      screen.keys("q");
      await screen.shows(/\[dead\]/);
      // It takes keys.
      screen.keys("2");
      await screen.shows(/\[2 workers\]/);
      screen.keys("1");
      await screen.shows(/\[1 messages\]/);
    }
    await cli.expectStatus(inBad, "bad");
  });

  test("ahead, for a pager that does not take it, is nobody's", async ({ top, cli }) => {
    const pager = program(cli, "cat > /dev/null; sleep 1.5");
    const screen = await top(`PAGER=${pager.path}`);
    screen.keys("v");
    await pager.begun();
    screen.keys("D", "y", "Enter", "D", "y");
    await screen.shows(/v pager/);
    screen.keys("2");
    const after = await screen.shows(/\[2 workers\]/);
    expect(after).not.toMatch(/thrown away|throw away/);
    await cli.expectStatus(inBad, "bad");
  });

  test("twice in one burst opens one pager", async ({ top, cli }) => {
    const pager = program(cli, `echo begun >> ${cli.dir}/times; cat > /dev/null; sleep 0.5`);
    const screen = await top(`PAGER=${pager.path}`);
    screen.type("vvDy");
    await pager.begun();
    await screen.shows(/v pager/);
    screen.keys("2");
    await screen.shows(/\[2 workers\]/);
    expect(readFileSync(join(cli.dir, "times"), "utf8")).toBe("begun\n");
    await cli.expectStatus(inBad, "bad");
  });
});

describe("the editor", () => {
  const EDIT = 'sed -i "s/line 1$/cure/" "$1"';

  test("stops with top on ^Z, and both come back", async ({ top, cli }) => {
    const editor = program(cli, `${EDIT}; while [ ! -e ${cli.dir}/go ]; do sleep 0.1; done`);
    const screen = await top(`EDITOR=${editor.path}`);
    screen.keys("e");
    const pid = await editor.begun();
    for (let times = 0; times < 2; times++) {
      screen.keys("C-z");
      await screen.shows(/Stopped/);
      await screen.back();
      screen.run("clear; fg");
      await screen.shows(/^TMPDIR=.* spool top/m);
      expect(isGone(pid)).toBe(false);
    }
    writeFileSync(join(cli.dir, "go"), "");
    await screen.shows(/put what was edited into bad/);
    screen.keys("y");
    await screen.shows(/1 message dropped/);
    await cli.expectStatus({ ready: 1 }, "bad");
  });

  test("has ^C for itself", async ({ top, cli }) => {
    const editor = program(cli, `trap '${EDIT}; exit 0' INT; while :; do sleep 0.1; done`);
    const screen = await top(`EDITOR=${editor.path}`);
    screen.keys("e");
    await editor.begun();
    screen.keys("C-c");
    await screen.shows(/put what was edited into bad/);
    expect(await screen.shows(/y does it/)).not.toMatch(/looks at the spool ended/);
    screen.keys("y");
    await screen.shows(/1 message dropped/);
  });

  test.for(["TERM", "HUP"] as const)(
    "ends before top where top is told to by SIG%s, and what it has is kept",
    async (signal, { top, cli }) => {
      const editor = program(cli, `${EDIT}; while :; do sleep 0.1; done`);
      const screen = await top(`EDITOR=${editor.path}`);
      screen.keys("e");
      const pid = await editor.begun();
      const [edited = ""] = await until("edited", () => editedIn(cli, "cure\n"));
      process.kill(topOf(cli), `SIG${signal}`);
      const said = await screen.shows(/^code=0$/m);
      expect(isGone(pid)).toBe(true);
      expect(said).toContain(`edited and not put: ${edited}`);
      await screen.back();
      await cli.expectStatus(inBad, "bad");
    },
  );

  test("that changes nothing leaves no file", async ({ top, cli }) => {
    const editor = program(cli, "trap 'exit 3' TERM; while :; do sleep 0.1; done");
    const screen = await top(`EDITOR=${editor.path}`);
    screen.keys("e");
    await editor.begun();
    process.kill(topOf(cli), "SIGTERM");
    expect(await screen.shows(/^code=0$/m)).not.toContain("edited");
    expect(editedIn(cli)).toBe(false);
  });
});

describe("what was edited", () => {
  const SAVE = 'sed -i "s/line 1$/cure/" "$1"';

  test("stays where it could not be put, and its path is said", async ({ top, cli }) => {
    const editor = program(cli, SAVE);
    const screen = await top(`EDITOR=${editor.path}`);
    await cli.ok(["queue", "set", "bad", "max-depth=1", "overflow=wait"]);
    await cli.ok(["put", "bad", "-m", "x"]);
    screen.keys("e");
    const asked = await screen.shows(/put what was edited into bad/);
    expect(asked).toMatch(/ --wait 3s and 1 more/);
    screen.keys("y");
    // While it waits for room that is to be seen, also behind a key.
    await screen.shows(/drop the dead letter \.\.\./);
    screen.keys("2");
    await screen.shows(/\[2 workers\][^]*drop the dead letter \.\.\./);
    const said = await screen.shows(/! queue bad is full.*; what was edited is in \S+; not done/);
    const [edited = ""] = editedIn(cli, "cure\n") || [];
    expect(said).toContain(edited);
    screen.keys("q");
    expect(await screen.shows(/^code=0$/m)).toContain(`edited and not put: ${edited}`);
    expect(readFileSync(edited, "utf8")).toMatch(/^cure\nline 2\n/);
  });

  test("is put and its dead letter dropped before top ends", async ({ top, cli }) => {
    const editor = program(cli, SAVE);
    const screen = await top(`EDITOR=${editor.path}`);
    screen.keys("e");
    await screen.shows(/put what was edited into bad/);
    screen.type("yq");
    const said = await screen.shows(/^code=0$/m);
    expect(said).toMatch(/put done, 1 message dropped/);
    expect(said).not.toContain("edited and not put");
    await cli.expectStatus({ ready: 1 }, "bad");
    expect(editedIn(cli)).toBe(false);
  });

  test("is said to be there after a no, and when top is told to end", async ({ top, cli }) => {
    const editor = program(cli, SAVE);
    const screen = await top(`EDITOR=${editor.path}`);
    screen.keys("e");
    await screen.shows(/put what was edited into bad/);
    screen.keys("n");
    await screen.shows(/nothing was done; what was edited is in \S+spool-edit-/);
    screen.keys("C-c");
    expect(await screen.shows(/^code=0$/m)).toMatch(/edited and not put: \S+spool-edit-/);
  });
});

describe("what runs", () => {
  test("keeps top until it is done, or until the second q", async ({ top, cli }) => {
    const slow = join(cli.dir, "slow.mjs");
    const wait = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)";
    writeFileSync(slow, `if (process.argv.includes("redrive")) ${wait};`);
    const screen = await top(`NODE_OPTIONS=--import=${slow}`);
    screen.keys("R", "y");
    await screen.shows(/redrive 1 dead letter of bad \.\.\./);
    screen.keys("q");
    await screen.shows(/q again ends at once; ends after: redrive/);
    screen.keys("q");
    const said = await screen.shows(/^code=0$/m);
    expect(said).toMatch(/^spool: redrive 1 dead letter of bad: ! ended by SIGTERM$/m);
    await screen.back();
    await cli.expectStatus(inBad, "bad");
  });
});
