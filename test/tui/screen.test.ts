/**
 * Goal: `spool top` in a real terminal: each key does its work, whatever ends it leaves the terminal as it was, and a
 * disk that hangs does not hang the screen.
 *
 * Method: tmux is the terminal and bash the shell. A disk that hangs is a process that looks at it and is stopped.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

import { describe, expect } from "vitest";

import type { Cli } from "../helpers/cli.ts";
import { until } from "../helpers/cli.ts";
import { hasTmux, NO_TMUX, test as base } from "../helpers/terminal.ts";
import type { Terminal } from "../helpers/terminal.ts";

const test = base.extend(
  "top",
  ({ cli, terminal, skip }) =>
    async (size = {}): Promise<Terminal> => {
      if (!hasTmux) skip(NO_TMUX);
      await fill(cli);
      const screen = terminal(size);
      screen.run("spool top --interval 500ms");
      await screen.shows(/all looked at/);
      return screen;
    },
);

async function fill(cli: Cli): Promise<void> {
  const script = `
    printf 'a\\nb\\nc\\n' | spool put jobs --lines
    spool put mail -m x > /dev/null
    spool put later -m x --delay 1h > /dev/null
    spool put bad -m x > /dev/null
    spool reject $(spool take bad --lease 1m | sed 's/.*"receipt":"\\([^"]*\\)".*/\\1/')
    spool subscribe logs/archive
    spool subscribe logs/alerts
    spool publish logs -m x > /dev/null
    spool pause mail
  `;
  const { code, stderr } = await cli.sh(script);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
}

/** The row of a queue, as words. */
const rowOf = (screen: string, name: string): string[] =>
  (screen.split("\n").find((line) => new RegExp(`^[>* ] *(?:[▾▸] )?${name} `).test(line)) ?? "")
    .slice(2)
    .trim()
    .replace(/^[▾▸] /, "")
    .split(/\s+/);

/** The names in the list, from the top. */
const namesOn = (screen: string): string[] =>
  screen
    .split("\n")
    .slice(4)
    .map((line) => /^[>* ] *(?:[▾▸] )?([\w./*#-]+) +[?■=×!▲▼●○] /.exec(line)?.[1] ?? "")
    .filter((name) => name !== "");

const cursorOn = (screen: string): string | undefined =>
  /^> *(?:[▾▸] )?([\w./*#-]+) /m.exec(screen)?.[1];

describe("the screen", () => {
  test("shows at rest what status says", async ({ top, cli }) => {
    const screen = await (await top()).shows(/^> bad/m);
    const said = JSON.parse(await cli.ok(["status", "--json"])) as {
      queues: {
        queue: string;
        ready: number;
        in_flight: number;
        scheduled: number;
        dead: number;
        consumers: number;
        lag: number | null;
      }[];
    };
    const titles = /QUEUE.*/.exec(screen)![0].replace("QUEUE↑", "QUEUE").split(/\s+/);
    for (const queue of said.queues) {
      const name = queue.queue.slice(queue.queue.indexOf("/") + 1);
      // The glyph of the state is a word more.
      const [first = "", , ...rest] = rowOf(screen, name);
      const cells = [first, ...rest];
      const cell = (title: string): string | undefined => cells[titles.indexOf(title)];
      expect(cells[0]).toBe(name);
      expect(cell("READY")).toBe(String(queue.ready));
      expect(cell("INFLT")).toBe(String(queue.in_flight));
      expect(cell("SCHED")).toBe(String(queue.scheduled));
      expect(cell("DEAD")).toBe(String(queue.dead));
      expect(cell("LAG")).toBe(queue.lag === null ? "-" : String(queue.lag));
      expect(cell("WRK")).toBe(String(queue.consumers));
    }
    expect(rowOf(screen, "mail").slice(0, 3)).toEqual(["mail", "=", "PAUSED"]);
    expect(rowOf(screen, "bad").slice(0, 3)).toEqual(["bad", "!", "DLQ!"]);
    expect(rowOf(screen, "logs")[3]).toBe("2");
  });

  test("follows what happens", async ({ top, cli }) => {
    const screen = await top();
    await cli.ok(["put", "new", "-m", "x"]);
    await screen.shows(/^ {2}new /m);
    await cli.ok(["purge", "jobs", "-f"]);
    await screen.shows((text) => rowOf(text, "jobs")[3] === "0");
    await cli.ok(["queue", "rm", "new", "-f"]);
    await screen.shows((text) => !namesOn(text).includes("new"));
  });

  test("follows the mouse, where it is asked to", async ({ top }) => {
    const screen = await top();
    const report = (button: number, x: number, y: number, end = "M"): void =>
      screen.type(`\x1b[<${button};${x};${y}${end}`);
    screen.keys("M");
    await screen.shows(/^mouse /m);
    expect(screen.hasMouse).toBe(true);
    report(65, 3, 8);
    await screen.shows((text) => cursorOn(text) === "logs");
    report(64, 3, 8);
    await screen.shows((text) => cursorOn(text) === "bad");
    // The third row, pressed and let go.
    report(0, 5, 7);
    report(0, 5, 7, "m");
    await screen.shows((text) => cursorOn(text) === "later");
    const title = screen.screen.split("\n")[3]!.indexOf("READY") + 2;
    report(0, title, 4);
    await screen.shows(/READY↓/);
    report(0, title, 4);
    await screen.shows(/READY↑/);
    screen.keys("M");
    await screen.shows(/no mouse/);
    expect(screen.hasMouse).toBe(false);
    screen.keys("M");
    await screen.shows(/^mouse /m);
    screen.keys("q");
    await screen.back();
    expect(screen.hasMouse).toBe(false);
  });

  test("obeys each key", async ({ top }) => {
    const screen = await top();
    const ALL = ["bad", "jobs", "later", "logs", "alerts", "archive", "mail"];
    const cursor = async (name: string, ...keys: string[]): Promise<void> => {
      screen.keys(...keys);
      await screen.shows((text) => cursorOn(text) === name);
    };
    const names = async (wanted: readonly string[], ...keys: string[]): Promise<void> => {
      screen.keys(...keys);
      await screen.shows((text) => namesOn(text).join() === wanted.join());
    };
    await names(ALL);
    await cursor("jobs", "j");
    await cursor("later", "Down");
    await cursor("jobs", "k");
    await cursor("bad", "Up");
    await cursor("mail", "G");
    await cursor("bad", "g");
    await cursor("mail", "End");
    await cursor("bad", "Home");
    await cursor("mail", "PPage", "NPage");
    await cursor("bad", "PPage");
    await cursor("mail", "C-d");
    await cursor("bad", "C-u");
    // Typed at once, as a person does who is ahead of the screen.
    screen.type("jjj");
    await cursor("logs");
    await names(["bad", "jobs", "later", "logs", "mail"], "Enter");
    await names(ALL, "Right");
    await names(["bad", "jobs", "later", "logs", "mail"], "h");
    await names(ALL, "l");
    await names(["logs", "archive"], "/", "a", "r", "c");
    await names(
      ["logs", "alerts", "archive"],
      "BSpace",
      "BSpace",
      "BSpace",
      "l",
      "o",
      "g",
      "s",
      "Enter",
    );
    await names(ALL, "Escape");
    await names(["jobs", "logs", "alerts", "archive", "mail", "bad", "later"], ">", ">");
    await screen.shows(/READY↓/);
    screen.keys("r");
    await screen.shows(/READY↑/);
    screen.keys("<");
    await screen.shows(/STATE↑/);
    screen.keys("s");
    await screen.shows(/sort by: Enter/);
    screen.keys("g", "Enter");
    await screen.shows(/QUEUE↑/);
    screen.keys("g", "Space");
    await screen.shows(/1 marked: ready 0, dead 1/);
    screen.keys("Escape");
    await screen.shows((text) => !text.includes("marked"));
    screen.keys("+");
    await screen.shows(/every 1s/);
    screen.keys("-");
    await screen.shows(/every 500ms/);
    screen.keys("f");
    await screen.shows(/FROZEN/);
    screen.keys("f");
    await screen.shows((text) => !text.includes("FROZEN"));
    screen.keys("t");
    await screen.shows(/theme dark/);
    screen.keys("?");
    await screen.shows(/half a screen down/);
    screen.keys("G");
    await screen.shows(/DEPTH .*a bar for each look/);
    screen.keys("Escape");
    await screen.shows(/^. bad/m);
    screen.type(":sort lag");
    screen.keys("Enter");
    await screen.shows(/LAG↓/);
    screen.type(":interval 5s");
    screen.keys("Enter");
    await screen.shows(/every 5s/);
    screen.type(":nonsense");
    screen.keys("Enter");
    await screen.shows(/no such command: nonsense/);
    screen.type(":filter mail");
    screen.keys("Enter");
    await names(["mail"]);
    screen.type(":q");
    screen.keys("Enter");
    await screen.back();
  });

  test("shows all digits where it is wide, and columns as they fit", async ({ top }) => {
    const screen = await top();
    await screen.shows(/OLDEST .* DEPTH/);
    screen.keys("w");
    await screen.shows((text) => /READY/.test(text) && !/DEPTH/.test(text));
    screen.keys("w");
    screen.resize(60, 12);
    const narrow = await screen.shows((text) => !text.includes("OLDEST"));
    for (const line of narrow.split("\n")) expect(line.length).toBeLessThanOrEqual(60);
    await screen.shows(/QUEUE.*STATE.*READY/);
    screen.resize(30, 20);
    await screen.shows(/too small: 30x20/);
    screen.resize(60, 7);
    await screen.shows(/too small: 60x7/);
    screen.resize(40, 8);
    const small = await screen.shows((text) => namesOn(text).length === 3);
    expect(small.trimEnd().split("\n")).toHaveLength(8);
    screen.keys("G");
    await screen.shows((text) => cursorOn(text) === "mail");
    screen.resize(200, 40);
    await screen.shows(/OLDEST .* DEPTH/);
    screen.keys("q");
    await screen.back();
  });

  test("has colours, or none where these are not wanted", async ({ top, terminal, cli }) => {
    const screen = await top();
    await until("colours", () => screen.colours.includes("38;5;"));
    const plain = terminal({ env: { NO_COLOR: "1" } });
    plain.run("spool top");
    await plain.shows(/PAUSED/);
    expect(plain.colours).not.toMatch(/\[[\d;]*\b([34][0-8]|9\d)(;|m)/);
    expect(await cli.ok(["top", "--theme", "mono"])).toContain("READY");
  });

  test("is ASCII where there is nothing else", async ({ top, terminal }) => {
    await top();
    const plain = terminal({ env: { LANG: "C", LC_ALL: "C" } });
    plain.run("spool top");
    const text = await plain.shows(/PAUSED/);
    // oxlint-disable-next-line no-control-regex -- that is what ASCII is
    expect(text).toMatch(/^[\x00-\x7f]*$/);
  });
});

describe("the terminal is as it was", () => {
  test.for([["q"], ["C-c"]])("after %s", async ([key], { top }) => {
    const screen = await top();
    expect(screen.isAlternate).toBe(true);
    screen.keys(key!);
    await screen.back();
    screen.run("echo code=$?; echo again");
    await screen.shows(/^again$/m);
  });

  test.for(["TERM", "HUP", "INT"])(
    "after SIG%s, and the exit code is 0",
    async (signal, { terminal, cli, skip }) => {
      if (!hasTmux) skip(NO_TMUX);
      await fill(cli);
      const screen = terminal();
      screen.run("spool top; echo code=$?");
      await screen.shows(/all looked at/);
      const [pid] = topsOf(cli);
      process.kill(pid!, `SIG${signal}`);
      await screen.shows(/^code=0$/m);
      await screen.back();
      await until("nothing is left", () => topsOf(cli).length + samplersOf(cli).length === 0);
    },
  );

  test("while it is suspended, and it comes back", async ({ top, cli }) => {
    const screen = await top();
    screen.keys("j");
    await screen.shows((text) => cursorOn(text) === "jobs");
    for (let times = 0; times < 2; times++) {
      screen.keys("C-z");
      await screen.shows(/Stopped/);
      await screen.back();
      screen.run("clear; fg");
      await screen.shows((text) => cursorOn(text) === "jobs");
      expect(screen.isAlternate).toBe(true);
    }
    await cli.ok(["put", "later", "-m", "x"]);
    await screen.shows((text) => rowOf(text, "later")[3] === "1");
    screen.keys("q");
    await screen.back();
  });

  test("also where somebody else suspends it", async ({ top, cli }) => {
    const screen = await top();
    process.kill(topsOf(cli)[0]!, "SIGTSTP");
    await screen.shows(/Stopped/);
    await screen.back();
    screen.run("fg");
    await screen.shows(/^. bad/m);
    screen.keys("q");
    await screen.back();
  });

  test("where there is no spool, and it says so", async ({ terminal, cli, skip }) => {
    if (!hasTmux) skip(NO_TMUX);
    const screen = terminal();
    screen.run("spool top; echo code=$?");
    await screen.shows(/code=66/);
    await cli.ok(["put", "q", "-m", "x"]);
    // Of another name: the last one's may still be there to be seen.
    screen.run("clear; spool top none; echo ended=$?");
    const said = await screen.shows(/ended=66/);
    expect(said).toContain("no such queue: none");
    await screen.back();
  });
});

describe("no screen", () => {
  test("where the terminal can do nothing: status, once", async ({ cli, terminal, skip }) => {
    if (!hasTmux) skip(NO_TMUX);
    await fill(cli);
    const screen = terminal();
    screen.run('TERM=dumb spool top; echo "exit $?"');
    const shown = await screen.shows(/^exit 0$/m);
    expect(shown).toMatch(/^QUEUE +READY/m);
    expect(shown).toMatch(/^jobs +3 /m);
    expect(screen.isAlternate).toBe(false);
  });

  test("after an error of its own, which is said below", async ({ cli, terminal, skip }) => {
    if (!hasTmux) skip(NO_TMUX);
    await fill(cli);
    const thrower = `${cli.dir}/thrower.mjs`;
    const isTop = 'process.argv.includes("top") && !process.argv.includes("__sample")';
    const onSignal = 'process.on("SIGUSR2", () => { throw new Error("planted"); })';
    writeFileSync(thrower, `if (${isTop}) ${onSignal};`);
    const screen = terminal();
    screen.run(`NODE_OPTIONS=--import=${thrower} spool top --interval 500ms; echo "exit $?"`);
    await screen.shows(/all looked at/);
    expect(screen.isAlternate).toBe(true);
    for (const pid of topsOf(cli)) process.kill(pid, "SIGUSR2");
    await screen.shows(/planted/);
    await screen.shows(/^exit 70$/m);
    await screen.back();
  });
});

describe("the screen", () => {
  test("begins in the corner, wherever the prompt was", async ({ cli, terminal, skip }) => {
    if (!hasTmux) skip(NO_TMUX);
    await fill(cli);
    const screen = terminal();
    screen.run("printf abcdefgh; spool top");
    const shown = await screen.shows(/all looked at/);
    expect(shown).toMatch(/^spool top {2}\d\d:/);
  });
});

describe("a disk that hangs", () => {
  test("leaves the screen alive, which says so, and can be quit", async ({ top, cli }) => {
    const screen = await top();
    const [sampler] = samplersOf(cli);
    process.kill(sampler!, "SIGSTOP");
    await screen.shows(/the disk has not answered for \d+s/);
    screen.keys("G");
    await screen.shows((text) => cursorOn(text) === "mail");
    screen.keys("q");
    await screen.back();
    await until("nothing is left", () => samplersOf(cli).length === 0);
  });

  test("and comes back is shown again", async ({ top, cli }) => {
    const screen = await top();
    const [sampler] = samplersOf(cli);
    process.kill(sampler!, "SIGSTOP");
    await screen.shows(/the disk has not answered for \d+s/);
    await cli.ok(["put", "later", "-m", "x"]);
    process.kill(sampler!, "SIGCONT");
    await screen.shows((text) => rowOf(text, "later")[3] === "1");
    await screen.shows(/all looked at/);
  });

  test("and kills who looks at it is looked at by another one", async ({ top, cli }) => {
    const screen = await top();
    process.kill(samplersOf(cli)[0]!, "SIGKILL");
    await screen.shows(/the process that looks at the spool ended: SIGKILL/);
    await cli.ok(["put", "later", "-m", "x"]);
    await screen.shows((text) => rowOf(text, "later")[3] === "1");
    await screen.shows(/all looked at/);
  });
});

/** Processes of this test that run such a command line. */
function running(cli: Cli, isWanted: (words: readonly string[]) => boolean): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        const mark = `DIRSPOOL_TEST=${cli.dir}`;
        const env = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
        return (
          env.includes(mark) && words.some((word) => word.endsWith("spool.cjs")) && isWanted(words)
        );
      } catch {
        // It has ended.
        return false;
      }
    })
    .map(Number);
}

const topsOf = (cli: Cli): number[] => running(cli, (words) => words.includes("top"));
const samplersOf = (cli: Cli): number[] => running(cli, (words) => words.includes("__sample"));
