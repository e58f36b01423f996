/**
 * Goal: inside a queue, in a real terminal: each view shows what is on the disk, and each act does what its command line
 * says, after a yes and not without.
 *
 * Method: tmux is the terminal, a queue with something in each state; the real commands tell what came of it.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect } from "vitest";

import type { Cli } from "../helpers/cli.ts";
import { until } from "../helpers/cli.ts";
import { hasTmux, NO_TMUX, test as base } from "../helpers/terminal.ts";
import type { Terminal } from "../helpers/terminal.ts";

const FILL = `
  printf 'one\\ntwo\\nthree\\n' | spool put jobs --lines -H 'Type: order'
  spool put jobs -m '{"a":[1,2]}' > /dev/null
  spool put jobs -m later --delay 1h > /dev/null
  spool take jobs --lease 10m > /dev/null
  spool queue create bad max-attempts=1
  spool put bad -m poison -H 'To: ann' -p 7 > /dev/null
  spool put bad -m poison2 > /dev/null
  spool work bad --until-empty -- sh -c 'echo no such customer >&2; exit 65' 2> /dev/null
  spool queue create other
`;

const test = base.extend(
  "top",
  ({ cli, terminal, skip }) =>
    async (command = "spool top --interval 500ms", size = {}): Promise<Terminal> => {
      if (!hasTmux) skip(NO_TMUX);
      const { code, stderr } = await cli.sh(FILL);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const screen = terminal(size);
      screen.run(command);
      await screen.shows(/all looked at[^]*^> bad/m);
      return screen;
    },
);

const bodies = async (cli: Cli, queue: string, state: string): Promise<string[]> => {
  const { stdout } = await cli.run(["peek", queue, "--state", state, "-n", "99"]);
  return stdout.split("\n").filter(Boolean);
};

describe("a queue", () => {
  test("shows its messages, by their states", async ({ top }) => {
    const screen = await top();
    screen.keys("j", "Enter");
    await screen.shows(/^jobs {2}● ok/m);
    await screen.shows(/\[ready\]/);
    const ready = await screen.shows(/\{"a":\[1,2\]\}/);
    expect(ready).toMatch(/two\n.*three\n.*\{"a"/);
    expect(ready).not.toContain("later");
    screen.keys("Tab");
    await screen.shows(/5[0-9]m later/);
    screen.keys("Tab");
    await screen.shows(/lease@\S+ +\d+s one/);
    screen.keys("Tab");
    await screen.shows(/no message is dead/);
    screen.keys("Tab", "/");
    screen.type("thr");
    await screen.shows((text) => text.includes("three") && !/ two$/m.test(text));
    screen.keys("Enter", "Escape");
    await screen.shows(/two$/m);
    screen.keys("Escape");
    await screen.shows(/QUEUE↑/);
  });

  test("sorts them, and keeps that for the next queue", async ({ top }) => {
    const screen = await top();
    screen.keys("j", "Enter");
    await screen.shows(/three/);
    screen.keys(">", ">", ">", ">", ">", ">");
    await screen.shows(/PAYLOAD↑/);
    await screen.shows((text) => /three\n.*two\n.*\{"a"/.test(text));
    screen.keys("r");
    await screen.shows((text) => /\{"a".*\n.*two\n.*three/.test(text));
    screen.keys("Escape");
    await screen.shows(/QUEUE↑/);
    screen.keys("g", "Enter");
    await screen.shows(/^bad /m);
    await screen.shows(/PAYLOAD↓/);
  });

  test("shows one message, as text, as JSON and as bytes", async ({ top }) => {
    const screen = await top();
    screen.keys("j", "Enter");
    await screen.shows(/three/);
    screen.keys("G", "Enter");
    await screen.shows(/payload as text, 11 bytes/);
    await screen.shows(/^\{"a":\[1,2\]\}$/m);
    screen.keys("Tab");
    await screen.shows(/^ {2}"a": \[$/m);
    screen.keys("Tab");
    await screen.shows(/^00000000 {2}7b 22 61/m);
    screen.keys("Escape");
    await screen.shows(/\[ready\]/);
    screen.keys("g", "Enter", "Tab");
    await screen.shows(/^header +Type: order$/m);
    await screen.shows(/^file +ready\/.*: 1 of 2$/m);
  });

  test("shows its workers, the reasons of its dead, ages and graphs", async ({ top }) => {
    const screen = await top();
    screen.keys("j", "2");
    await screen.shows(/^> lease@\S+ +\d+s +1 +0 +\d+m/m);
    screen.keys("4");
    await screen.shows(/under 1m +3 +100 % █+/);
    screen.keys("5");
    await screen.shows(/depth, the last 1m: now 5, at most 5/);
    await screen.shows(/in, messages\/s: now/);
    screen.keys("Tab");
    await screen.shows(/the last 15m/);
    screen.keys("Escape");
    await screen.shows(/QUEUE↑/);
    screen.keys("g", "3");
    await screen.shows(/^> +2 +\d+s +\d+s exit 65$/m);
    screen.keys("Enter");
    await screen.shows(/of "exit 65"/);
    await screen.shows(/exit 65 +poison2$/m);
    screen.keys("G", "Enter");
    const message = await screen.shows(/^reason +exit 65$/m);
    expect(message).toMatch(/^stderr\n {2}no such customer$/m);
    expect(message).toMatch(/^exit code 65$/m);
  });

  test("that goes while it is looked at: that is said", async ({ top, cli }) => {
    const screen = await top();
    screen.keys("Enter");
    await screen.shows(/\[dead\]/);
    await cli.ok(["queue", "rm", "bad", "-f"]);
    await screen.shows(/no such queue: bad/);
    screen.keys("Escape");
    await screen.shows(/QUEUE↑/);
  });
});

describe("an act", () => {
  test("asks with its command line, and does nothing without a yes", async ({ top, cli }) => {
    const screen = await top();
    screen.keys("R");
    await screen.shows(/^redrive 2 dead letters of bad\?\n\$ spool dlq redrive bad\n/m);
    screen.keys("n");
    await screen.shows(/nothing was done/);
    expect(await bodies(cli, "bad", "dead")).toEqual(["poison", "poison2"]);
    screen.keys("R", "y");
    await screen.shows(/2 messages redriven/);
    expect(await bodies(cli, "bad", "ready")).toEqual(["poison", "poison2"]);
  });

  test("on several queues says the sum of what was done", async ({ top, cli }) => {
    const fill = `
      for queue in ra rb rc; do spool queue create $queue max-attempts=1; done
      for queue in ra rb; do
        spool put $queue -m x > /dev/null
        spool work $queue --until-empty -- false 2> /dev/null
      done
    `;
    await cli.sh(fill);
    const screen = await top();
    screen.keys("/");
    screen.type("r");
    screen.keys("Enter", "a");
    await screen.shows(/marked/);
    screen.keys("R");
    await screen.shows(/^redrive \d dead letters of \d queues\?/m);
    screen.keys("y");
    await screen.shows(/2 messages redriven/);
  });

  test("on messages acts on those that are marked", async ({ top, cli }) => {
    const screen = await top();
    screen.keys("j", "Enter");
    await screen.shows(/three/);
    screen.keys("j", "Space", "x");
    await screen.shows(/\$ spool dlq add jobs [0-9a-z]{26}\.2$/m);
    screen.keys("y");
    await screen.shows(/1 message given up/);
    expect(await bodies(cli, "jobs", "dead")).toEqual(["three"]);
    screen.keys("a", "D");
    await screen.shows(/^throw away 2 messages of jobs\?/m);
    screen.keys("y");
    await screen.shows(/2 messages thrown away/);
    expect(await bodies(cli, "jobs", "ready")).toEqual([]);
    await cli.expectStatus({ scheduled: 1, dead: 1, in_flight: 1 }, "jobs");
    screen.keys("Tab");
    await screen.shows(/later$/m);
    screen.keys("n", "y");
    await screen.shows(/1 message made ready/);
    expect(await bodies(cli, "jobs", "ready")).toEqual(["later"]);
  });

  test("moves to a queue that is named, pauses and resumes", async ({ top, cli }) => {
    const screen = await top();
    screen.keys("j", "Enter");
    await screen.shows(/three/);
    screen.keys("m");
    screen.type("other");
    await screen.shows(/move 1 message of jobs to queue: other/);
    screen.keys("Enter");
    await screen.shows(/\$ spool move jobs other --state ready --id [0-9a-z]{26}\.1$/m);
    screen.keys("y");
    await screen.shows(/1 message moved to other/);
    expect(await bodies(cli, "other", "ready")).toEqual(["two"]);
    screen.keys("p", "y");
    await screen.shows(/= PAUSED/);
    screen.keys("p");
    await screen.shows(/\$ spool resume jobs$/m);
    screen.keys("y");
    await screen.shows((text) => !text.includes("PAUSED"));
    screen.keys("2", "x");
    await screen.shows(/choose messages/);
  });

  test("edits a dead letter, and puts it again in its place", async ({ top, cli }) => {
    const editor = join(cli.dir, "editor");
    writeFileSync(editor, '#!/bin/sh\nsed -i s/poison/cure/ "$1"\n', { mode: 0o755 });
    const screen = await top(`EDITOR=${editor} spool top --interval 500ms`);
    screen.keys("Enter");
    await screen.shows(/poison2/);
    screen.keys("e");
    const asked = await screen.shows(/put what was edited into bad, and drop the dead letter\?/);
    expect(asked).toMatch(/\$ spool put bad \S+ -p 7 -H 'To: ann' --wait 3s and 1 more/);
    screen.keys("y");
    await screen.shows(/1 message dropped/);
    const [put] = await cli.lines(["peek", "bad", "--json"]);
    expect(put).toMatchObject({ body: "cure", headers: { To: "ann" }, attempts: 0 });
    expect(await bodies(cli, "bad", "dead")).toEqual(["poison2"]);
  });

  test("edits with the priority of when the editor began", async ({ top, cli }) => {
    const editor = join(cli.dir, "editor");
    const script = `spool dlq redrive bad; sleep 1.5; sed -i s/poison/cure/ "$1"`;
    writeFileSync(editor, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const screen = await top(`EDITOR=${editor} spool top --interval 500ms`);
    screen.keys("Enter");
    await screen.shows(/poison2/);
    screen.keys("e");
    await screen.shows(/\$ spool put bad \S+ -p 7 -H 'To: ann'/);
    screen.keys("n");
    await screen.shows(/nothing was done; what was edited is in/);
  });

  test("shows a payload in the pager, and copies an id", async ({ top, cli }) => {
    const pager = join(cli.dir, "pager");
    const shown = join(cli.dir, "shown");
    writeFileSync(pager, `#!/bin/sh\ncat > ${shown}\n`, { mode: 0o755 });
    const screen = await top(`PAGER=${pager} spool top --interval 500ms`);
    screen.keys("Enter");
    await screen.shows(/poison2/);
    screen.keys("v");
    await until("shown", () => existsSync(shown));
    await screen.shows(/poison2/);
    screen.keys("c");
    await screen.shows(/copied: [0-9a-z]{26}/);
    expect(readFileSync(shown, "utf8")).toBe("poison\n");
  });

  test("says what to do where a pager or an editor is not there or fails", async ({ top }) => {
    const screen = await top("PAGER='nosuchpager -x' VISUAL=false spool top --interval 500ms");
    screen.keys("Enter");
    await screen.shows(/poison2/);
    screen.keys("v");
    await screen.shows(/! there is no pager nosuchpager: set \$PAGER/);
    screen.keys("e");
    await screen.shows(/! the editor false ended with exit 1: nothing was done/);
  });

  test("says why there is nothing for the pager", async ({ top, cli }) => {
    const screen = await top();
    screen.keys("Enter");
    await screen.shows(/poison2/);
    screen.keys("f");
    await cli.ok(["queue", "rm", "bad", "-f"]);
    screen.keys("v");
    await screen.shows(/! no such queue: bad/);
  });

  test("is shown with -C where top was called with it", async ({ top, cli }) => {
    const screen = await top(`SPOOL_DIR= spool top --interval 500ms -C ${cli.spool}`);
    screen.keys("R");
    await screen.shows((text) => text.includes(`$ spool dlq redrive -C ${cli.spool} bad\n`));
    screen.keys("y");
    await screen.shows(/2 messages redriven/);
  });

  test("is not there with --readonly", async ({ top, cli }) => {
    const screen = await top("spool top --readonly --interval 500ms");
    screen.keys("R");
    await screen.shows(/nothing is changed from here/);
    screen.keys("?");
    const help = await screen.shows(/these keys|one row up/);
    expect(help).not.toContain("redrive");
    expect(await bodies(cli, "bad", "dead")).toHaveLength(2);
  });
});
