/**
 * Goal: what is asked wrongly of topics is refused with the right exit code and one clear line, and
 * changes nothing; and their help is there.
 *
 * Method: a table of command lines over a spool that holds a topic, two subscriptions and a queue.
 */
import { existsSync } from "node:fs";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, test } from "../helpers/cli.ts";

const BAD_TOPICS = ["", "../x", ".x", "a b", "a\nb", "a\u001b[31m", "ü", "a".repeat(129), "/a"];
const BAD_PATTERNS = ["lo*s", "**", "*.>.a", "a.#b", ".*", "a+", "*\u007f", `${"a".repeat(127)}.*`];

describe.concurrent("a bad name", () => {
  for (const name of [...BAD_TOPICS, ...BAD_PATTERNS]) {
    test(`${JSON.stringify(name).slice(0, 40)}: 64, and no spool is made`, async ({ cli }) => {
      const verbs = [
        ["publish", name, "-m", "x"],
        ["subscribe", `${name}/a`],
        ["topic", "create", name],
      ];
      for (const words of verbs) {
        const ended = await cli.run(words);
        expectFailure(ended, 64, /^spool: not a name: ".*\[BAD_NAME\]$/m);
        // oxlint-disable-next-line no-control-regex -- that is what is looked for
        expect(ended.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
      }
      expect(existsSync(cli.spool)).toBe(false);
    });
  }

  test("of a subscription: every verb that takes one refuses it", async ({ cli }) => {
    for (const name of ["logs", "logs/", "logs/.a", "logs/a/b", "logs/*", "/a", "logs//a"]) {
      for (const words of [
        ["subscribe", name],
        ["unsubscribe", name, "-f"],
        ["replay", name],
      ]) {
        expectFailure(await cli.run(words), 64, /not a name: .*\[BAD_NAME\]/);
      }
    }
    const { stderr } = await cli.run(["subscribe", "logs"]);
    expect(stderr).toContain("named by its topic and its own name: logs/archive");
    expect(existsSync(cli.spool)).toBe(false);
  });

  test("a pattern is refused where one topic is meant", async ({ cli }) => {
    for (const words of [
      ["publish", "logs.*", "-m", "x"],
      ["publish", ">", "-m", "x"],
      ["topic", "create", "logs.#"],
      ["topic", "set", "logs.#", "retention=1d"],
    ]) {
      expectFailure(await cli.run(words), 64, /not a name: .*\[BAD_NAME\]/);
    }
    expect(existsSync(cli.spool)).toBe(false);
  });
});

describe.concurrent("wrong usage", () => {
  const rows: readonly [words: readonly string[], line: RegExp, code?: number][] = [
    [["publish"], /missing required argument 'topic'/],
    [["publish", "logs", "-m"], /argument missing/],
    [["publish", "logs", "-m", "x", "file"], /exclude each other/],
    [["publish", "logs", "-l", "-0"], /exclude each other/],
    [["publish", "logs", "-l", "--dedup", "k"], /--dedup goes with one message/],
    [["publish", "logs", "-m", "x", "--batch", "2"], /go with --lines or -0/],
    [["publish", "logs", "-m", "x", "-p", "10"], /not a priority: 10/],
    [["publish", "logs", "-m", "x", "--delay", "5"], /not a duration: "5"/],
    [["publish", "logs", "-m", "x", "--at", "noon"], /not a time: "noon"/],
    [["publish", "logs", "-m", "x", "-H", "none"], /not a header/, 65],
    [["publish", "logs", "/nowhere/at/all"], /no such file/, 66],
    [["publish", "logs", "/"], /a directory, not a file/, 66],
    [["publish", "logs", "--nope"], /unknown option '--nope'/],
    [["subscribe"], /missing required argument 'topic\/name'/],
    [["subscribe", "logs/new", "--from", "yesterday"], /not a time: "yesterday"/],
    [["subscribe", "logs/new", "--from"], /argument missing/],
    [["subscribe", "logs/new", "--filter", "level>high"], /filter: not a filter: .*, at "high"/],
    [["subscribe", "logs/new", "--filter", "a=x,"], /not a filter: "a=x,", at its end/],
    [["subscribe", "logs/new", "--filter", "a~=x"], /not a filter/],
    [["subscribe", "logs/new", "filter=="], /not a filter/],
    [["subscribe", "logs/new", "retention=1d"], /no such setting: retention/],
    [["subscribe", "logs/new", "lease"], /not a setting: lease/],
    [["subscribe", "logs/new", "lease=x"], /not a duration/],
    [["subscribe", "logs.*.#x/new"], /not a name/],
    [["unsubscribe", "logs/full"], /1 message in it: not without -f/],
    [["unsubscribe", "logs/none"], /no such subscription: logs\/none/, 66],
    [["replay", "logs/none"], /no such subscription/, 66],
    [["replay", "logs/full", "--since", "1h"], /not a time: "1h"/],
    [["replay", "logs/full", "--until", "x"], /not a time: "x"/],
    [["topic", "nope"], /unknown command 'nope'/],
    [["topic", "create", "logs", "retention=1d"], /topic logs is there already/],
    [["topic", "create", "new", "retention"], /not a setting: retention/],
    [["topic", "create", "new", "retention=x"], /retention: not a duration: "x"/],
    [["topic", "create", "new", "retention-bytes=-1"], /retention-bytes: not a size/],
    [["topic", "create", "new", "max-depth=1"], /no such setting: max-depth/],
    [["topic", "create", "new", "dedup-window=1ms"], /too small/],
    [["topic", "set", "logs"], /missing required argument 'setting'/],
    [["topic", "set", "none", "ttl=1h"], /no such topic: none.*\[NO_TOPIC\]/, 66],
    [["topic", "show", "none"], /no such topic: none/, 66],
    [["topic", "rm", "none", "-f"], /no such topic: none/, 66],
    [["topic", "rm", "logs"], /2 subscriptions: not without -f/],
    [["queue", "set", "logs/full", "filter=a=x,"], /not a filter/],
    [["queue", "create", "logs/new"], /no such subscription/, 66],
    [["take", "logs/none"], /no such subscription: logs\/none/, 66],
    [["consume", "logs/none", "--until-empty"], /no such subscription/, 66],
    [["work", "logs/none", "--", "true"], /no such subscription/, 66],
    [["put", "logs/none", "-m", "x"], /no such subscription/, 66],
    [["take", "logs/empty"], /logs\/empty is empty/, 75],
  ];
  for (const [words, line, code = 64] of rows) {
    test(`spool ${words.join(" ").slice(0, 60)}: ${code}`, async ({ cli }) => {
      await cli.ok(["subscribe", "logs/full"]);
      await cli.ok(["subscribe", "logs/empty", "--filter", "none"]);
      await cli.ok(["publish", "logs", "-m", "x"]);
      const before = await cli.tree();
      expectFailure(await cli.run(words), code, line);
      expect(await cli.tree()).toEqual(before);
    });
  }

  test("where there is no spool: 66, and none is made", async ({ cli }) => {
    for (const words of [
      ["unsubscribe", "logs/a"],
      ["replay", "logs/a"],
      ["topic", "ls"],
      ["topic", "show", "logs"],
      ["topic", "set", "logs", "ttl=1h"],
      ["topic", "rm", "logs", "-f"],
    ]) {
      expectFailure(await cli.run(words), 66, /no spool in .*\[NO_SPOOL\]/);
    }
    expect(existsSync(cli.spool)).toBe(false);
  });
});

describe.concurrent("help", () => {
  test("names the verbs of topics, and code 69", async ({ cli }) => {
    const help = await cli.ok(["help"]);
    for (const verb of ["publish", "subscribe", "unsubscribe", "replay", "topic"]) {
      expect(help).toMatch(new RegExp(`^  ${verb} +[a-z]`, "m"));
    }
    expect(help).toContain("69 no subscriber");
  });

  test("of subscribe explains filters, patterns and settings", async ({ cli }) => {
    const help = await cli.ok(["help", "subscribe"]);
    for (const said of ["level=error|fatal", "level!=debug", "app^=web", "size>=100", "!trace"]) {
      expect(help).toContain(said);
    }
    expect(help).toMatch(/\* is one word between dots/);
    expect(help).toMatch(/^ {2}filter .*\[\]$/m);
    expect(help).toMatch(/^ {2}max-attempts .*\[5\]$/m);
  });

  test("of topic explains its settings", async ({ cli }) => {
    const help = await cli.ok(["help", "topic"]);
    for (const name of ["retention", "retention-bytes", "max-message", "ttl", "dedup-window"]) {
      expect(help).toMatch(new RegExp(`^  ${name} .*\\[.*\\]$`, "m"));
    }
    for (const verb of ["ls", "create", "set", "show", "rm"]) {
      const shown = await cli.ok(["topic", verb, "--help"]);
      expect(shown).toMatch(new RegExp(`^Usage: spool topic ${verb} `));
    }
  });

  test("its examples can be run as they stand", async ({ cli }) => {
    const run = async (verb: string): Promise<void> => {
      const help = await cli.ok(["help", verb]);
      const examples = linesOf(help.slice(help.indexOf("\nExamples:\n")));
      const lines = examples.filter((line) => line.startsWith("  $ "));
      expect(lines.length).toBeGreaterThan(1);
      for (const line of lines) {
        const { code, stderr } = await cli.sh(line.slice(4));
        expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: expect.any(String) });
      }
    };
    await cli.ok(["queue", "create", "jobs"]);
    await run("topic");
    await cli.ok(["subscribe", "logs/old"]);
    for (const verb of ["subscribe", "replay", "unsubscribe"]) await run(verb);
  });
});
