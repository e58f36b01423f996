/**
 * Goal: what is asked wrongly is refused with the right exit code and one clear line, and changes
 * nothing.
 *
 * Method: a table of command lines; each is run, and afterwards the spool is not there, or as before.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, test } from "../helpers/cli.ts";

const BAD_NAMES: readonly [name: string, what: string][] = [
  ["../x", "up and out"],
  ["..", "up"],
  [".", "here"],
  ["", "nothing"],
  ["a".repeat(300), "300 bytes"],
  ["a".repeat(129), "129 bytes"],
  ["a\tb", "a tab"],
  ["a\nb", "a newline"],
  ["a\u001b[31mb", "an escape sequence"],
  ["a\u007fb", "a DEL"],
  ["a b", "a space"],
  [".hidden", "a leading dot"],
  ["a/b/c", "two slashes"],
  ["a/../b", "up in the middle"],
  ["a/.b", "a subscription with a leading dot"],
  ["a/", "a slash at the end"],
  ["/a", "an absolute path"],
  ["ü", "a letter that is not ASCII"],
];

describe.concurrent("a bad name", () => {
  for (const [name, what] of BAD_NAMES) {
    test(`${what}: 64, and no spool is made`, async ({ cli }) => {
      const ended = await cli.run(["put", name, "-m", "x"]);
      expectFailure(ended, 64, /^spool: not a name: ".*\[BAD_NAME\]$/m);
      // Whatever was in it, the terminal is not given it as it was.
      // oxlint-disable-next-line no-control-regex -- that is what is looked for
      expect(ended.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
      expect(existsSync(cli.spool)).toBe(false);
    });
  }

  test("a leading dash: 64, as an option that is not known, and as a name", async ({ cli }) => {
    expectFailure(await cli.run(["put", "-x", "-m", "x"]), 64, /unknown option '-x'/);
    expectFailure(await cli.run(["put", "-m", "x", "--", "-x"]), 64, /not a name: "-x"/);
    expect(existsSync(cli.spool)).toBe(false);
  });

  test("every verb that takes a queue refuses it", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    const verbs = [
      ["take"],
      ["consume", "--until-empty"],
      ["peek"],
      ["status"],
      ["purge", "-f"],
      ["pause"],
      ["resume"],
      ["verify"],
      ["gc"],
      ["queue", "create"],
      ["queue", "show"],
      ["queue", "rm", "-f"],
      ["dlq", "ls"],
      ["dlq", "redrive"],
      ["dlq", "drop", "-f"],
    ];
    for (const verb of verbs) {
      expectFailure(await cli.run([...verb, "../../q"]), 64, /not a name: "\.\.\/\.\.\/q"/);
    }
    expectFailure(await cli.run(["queue", "set", "../q", "lease=1s"]), 64, /not a name/);
    expectFailure(await cli.run(["dlq", "show", "../q", "x"]), 64, /not a name/);
    expectFailure(await cli.run(["move", "q", "../r"]), 64, /not a name/);
    expectFailure(await cli.run(["dlq", "redrive", "q", "--to", "../r"]), 64, /not a name/);
    expectFailure(await cli.run(["work", "../q", "--", "true"]), 64, /not a name/);
    await cli.expectStatus({ ready: 1 });
  });

  test("128 bytes are a name", async ({ cli }) => {
    const name = "a".repeat(128);
    await cli.ok(["put", name, "-m", "x"]);
    expect(await cli.ok(["take", name])).toBe("x");
  });
});

describe.concurrent("wrong usage", () => {
  const rows: readonly [words: readonly string[], line: RegExp, code?: number][] = [
    [["nope"], /no such verb: nope/],
    [["pu"], /no such verb: pu/],
    [["help", "nope"], /no such verb: nope/],
    [["__proto__"], /no such verb: __proto__/],
    [["put"], /missing required argument 'queue'/],
    [["put", "q", "--nope"], /unknown option '--nope'/],
    [["put", "q", "-m", "x", "-Z"], /unknown option '-Z'/],
    [["put", "q", "-m"], /argument missing/],
    [["put", "q", "-m", "x", "file"], /exclude each other/],
    [["put", "q", "-l", "-0"], /exclude each other/],
    [["put", "q", "-m", "x", "--delay", "5"], /not a duration: "5"/],
    [["put", "q", "-m", "x", "--delay", "-5s"], /not a duration|argument missing/],
    [["put", "q", "-m", "x", "--at", "tomorrow"], /not a time: "tomorrow"/],
    [["put", "q", "-m", "x", "-p", "10"], /not a priority: 10/],
    [["put", "q", "-m", "x", "--sync", "perhaps"], /Allowed choices/],
    [["put", "q", "-l", "--batch", "0"], /not a positive number/],
    [["put", "q", "-m", "x", "-H", "no colon"], /not a header/, 65],
    [["put", "q", "/nowhere/at/all"], /no such file/, 66],
    [["put", "q", "/"], /a directory, not a file/, 66],
    [["take", "q", "extra"], /too many arguments/],
    [["take", "q", "-n", "0"], /not a positive number/],
    [["take", "q", "-n", "x"], /not a whole number/],
    [["take", "q", "--lease", "0"], /lease of 0/],
    [["take", "q", "--wait", "soon"], /not a duration/],
    [["work", "q"], /missing required argument 'cmd'/],
    [["work", "q", "-j", "0", "--", "true"], /not a positive number/],
    [["work", "q", "--lease", "1s", "--", "true"], /too short for a consumer that stays/],
    [["consume", "q", "--lease", "10ms"], /too short for a consumer that stays/],
    [["peek", "q", "--state", "gone"], /Allowed choices/],
    [["peek", "q", "-o", "yaml"], /Allowed choices/],
    [["queue", "nope"], /unknown command 'nope'/],
    [["queue", "create", "new", "lease"], /not a setting: lease/],
    [["queue", "create", "new", "lese=1s"], /no such setting: lese/],
    [["queue", "create", "new", "lease=x"], /not a duration/],
    [["queue", "create", "q", "lease=9s"], /is there already/],
    [["queue", "set", "q", "max-attempts=-1"], /not a whole number/],
    [["queue", "set", "q", "overflow=perhaps"], /not one of reject, wait/],
    [["queue", "rm", "q"], /not without -f/],
    [["purge", "q"], /not without -f/],
    [["dlq", "show", "q", "../../x"], /not a message id/],
    [["dlq", "show", "q", "01k8xmn3h0000tq7v5c9d2f4g6"], /no dead letter/, 66],
    [["move", "q", "q"], /.+/],
    [["ack"], /missing required argument 'receipt'/],
    [["ack", "../../etc/passwd"], /not a receipt/, 65],
    [["ack", "q:../x:y"], /not a receipt/, 65],
    [["ack", `q:${"x".repeat(5000)}`], /not a receipt/, 65],
    [["completion", "tcsh"], /Allowed choices/],
    [["-C", "", "status"], /directory is empty/],
    [["-C"], /argument missing|no such verb|.+/],
    [["status", "--watch", "1ms"], /100ms at the least/],
  ];
  for (const [words, line, code = 64] of rows) {
    test(`spool ${words.join(" ").slice(0, 60)}: ${code}`, async ({ cli }) => {
      await cli.ok(["put", "q", "-m", "x"]);
      const before = await cli.tree();
      expectFailure(await cli.run(words), code, line);
      expect(await cli.tree()).toEqual(before);
    });
  }

  test("no verb at all: help on stderr, 64", async ({ cli }) => {
    const { code, stdout, stderr } = await cli.run([]);
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    expect(stderr).toContain("Verbs:");
  });

  test("a spool, a queue, a message that is not there: 66", async ({ cli }) => {
    const verbs = [["take"], ["peek"], ["consume"], ["purge", "-f"], ["queue", "show"], ["status"]];
    for (const verb of verbs) {
      expectFailure(await cli.run([...verb, "q"]), 66, /no spool in .*\[NO_SPOOL\]/);
    }
    expect(existsSync(cli.spool)).toBe(false);
    await cli.ok(["put", "other", "-m", "x"]);
    for (const verb of [...verbs, ["dlq", "ls"], ["verify"], ["gc"], ["queue", "rm", "-f"]]) {
      expectFailure(await cli.run([...verb, "q"]), 66, /queue.* q|q: no such queue|\[NO_QUEUE\]/);
    }
    expectFailure(await cli.run(["work", "q", "--", "true"]), 66, /\[NO_QUEUE\]/);
    expectFailure(await cli.run(["move", "q", "other"]), 66, /\[NO_QUEUE\]/);
    expect(await cli.ok(["queue", "ls"])).toBe("other\n");
  });
});

describe.concurrent("options", () => {
  test("stand before the verb or after it", async ({ cli }) => {
    const dir = `${cli.dir}/elsewhere`;
    const put = ["put", "q", "-m", "x"];
    await cli.ok(["-C", dir, ...put]);
    await cli.ok([`-C${dir}`, ...put]);
    await cli.ok(["--dir", dir, ...put]);
    await cli.ok([`--dir=${dir}`, ...put]);
    await cli.ok([...put, "-C", dir]);
    await cli.ok(["put", "-C", dir, "q", "-m", "x"]);
    await cli.ok(["put", "q", `--dir=${dir}`, "-m", "x"]);
    expect(existsSync(cli.spool)).toBe(false);
    const want = { queues: [{ queue: "q", ready: 7 }] };
    for (const words of [
      ["--json", "-C", dir, "status"],
      ["-C", dir, "status", "--json"],
      ["-o", "json", "--dir", dir, "status"],
      ["-ojson", `-C${dir}`, "status", "q"],
      ["status", "--output=json", "q", "-C", `${dir}/`],
    ]) {
      expect(JSON.parse(await cli.ok(words))).toMatchObject(want);
    }
    expect(await cli.ok(["-C", dir, "queue", "ls"])).toBe("q\n");
    expect(await cli.ok(["queue", "-C", dir, "ls"]).catch(() => "refused")).toMatch(/^q\n|refused/);
    expect(await cli.ok(["queue", "ls", "-C", dir])).toBe("q\n");
  });

  test("those behind -- are the command's", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    const out = await cli.ok(["work", "q", "--once", "--", "printf", "%s|", "--json", "-C", "x"]);
    expect(out).toBe("--json|-C|x|");
  });

  test("-C beats SPOOL_DIR beats XDG_STATE_HOME beats ~/.local/state", async ({ cli }) => {
    const put = ["put", "q", "-m", "x"];
    const xdg = `${cli.dir}/xdg`;
    await cli.ok(put, { env: { SPOOL_DIR: undefined, XDG_STATE_HOME: undefined } });
    expect(existsSync(`${cli.dir}/.local/state/spool/spool.json`)).toBe(true);
    await cli.ok(put, { env: { SPOOL_DIR: "", XDG_STATE_HOME: xdg } });
    expect(existsSync(`${xdg}/spool/spool.json`)).toBe(true);
    await cli.ok(put, { env: { XDG_STATE_HOME: `${cli.dir}/unused` } });
    expect(existsSync(`${cli.spool}/spool.json`)).toBe(true);
    await cli.ok(["-C", "named", ...put]);
    expect(existsSync(`${cli.dir}/named/spool.json`)).toBe(true);
    expect(existsSync(`${cli.dir}/unused`)).toBe(false);
    const none = await cli.run(put, { env: { SPOOL_DIR: undefined, HOME: undefined } });
    expectFailure(none, 64, /no home directory/);
  });

  test("-- ends them: a file whose name is like one", async ({ cli }) => {
    await writeFile(`${cli.dir}/-l`, "one\ntwo\n");
    await cli.ok(["put", "q", "--", "-l"]);
    expect(await cli.ok(["take", "q"])).toBe("one\ntwo\n");
  });
});

describe.concurrent("help", () => {
  const VERBS = [
    "put",
    "take",
    "ack",
    "nack",
    "reject",
    "extend",
    "work",
    "consume",
    "peek",
    "status",
    "top",
    "queue",
    "dlq",
    "pause",
    "resume",
    "purge",
    "move",
    "check",
    "metrics",
    "verify",
    "gc",
    "doctor",
    "bench",
    "completion",
  ];

  test("lists every verb", async ({ cli }) => {
    const help = await cli.ok(["help"]);
    const listed = linesOf(help.slice(help.indexOf("Verbs:"), help.indexOf("spool help VERB")))
      .slice(1)
      .map((line) => line.trim().split(" ")[0]);
    expect(listed).toEqual(expect.arrayContaining(VERBS));
    expect(await cli.ok(["--help"])).toBe(help);
    expect(await cli.ok(["-h"])).toBe(help);
    for (const verb of listed) {
      const shown = await cli.ok(["help", verb!]);
      expect(shown).toMatch(new RegExp(`^Usage: spool ${verb} `));
      const examples = linesOf(shown.slice(shown.indexOf("\nExamples:\n") + 11));
      expect(examples[0]).toMatch(new RegExp(`^  \\$ .*spool ${verb}`));
      expect(await cli.ok([verb!, "--help"])).toBe(shown);
      for (const line of linesOf(shown)) expect(line.length).toBeLessThanOrEqual(120);
    }
  });

  test("-V says what this is", async ({ cli }) => {
    expect(await cli.ok(["-V"])).toMatch(/^dirspool \d+\.\d+\.\d+\S*\n$/);
    expect(await cli.ok(["--version"])).toBe(await cli.ok(["-V"]));
  });
});
