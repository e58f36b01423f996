/**
 * Goal: a plain command line means what commander says that it means.
 *
 * Method: command lines of any words, of which many are those of the verb; each that is read without
 * commander is given to commander, too, and both must have the same arguments and options.
 */
import { Argument, Command, Option } from "commander";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { Context } from "../../src/cli/context.ts";
import { VERBS } from "../../src/cli/main.ts";
import type { Verb } from "../../src/cli/verb.ts";

const VALUES = [
  "jobs",
  "logs/all",
  "a b",
  "10s",
  "3",
  "0",
  "",
  "-",
  "--",
  "-5",
  "x=y",
  "Type: text",
  "bash",
];
const RUNS = 400;

interface Parsed {
  readonly verb: string;
  readonly args: readonly unknown[];
  readonly options: unknown;
}

const context = new Context({});

async function verbOf(name: string): Promise<Verb> {
  const [, load] = VERBS[name]!;
  return (await load()).default(context);
}

/** What commander makes of it; undefined where it refuses, or shows help. */
async function parsedByCommander(
  verb: Verb,
  words: readonly string[],
): Promise<Parsed | undefined> {
  const program = new Command("spool").version("1", "-V, --version", "print the version");
  const top = verb.toCommand({ Command, Option, Argument }).helpOption("-h, --help", "print help");
  program.addCommand(top);
  let parsed: Parsed | undefined;
  for (const one of [program, top, ...top.commands]) {
    one.exitOverride().configureOutput({ writeOut() {}, writeErr() {} });
    if (one === program || (one === top && top.commands.length > 0)) continue;
    one.action((...all: unknown[]) => {
      parsed = { verb: one.name(), args: all.slice(0, -2), options: all.at(-2) };
    });
  }
  try {
    await program.parseAsync([verb.name, ...words], { from: "user" });
  } catch {
    return undefined;
  }
  return parsed;
}

function parsedHere(verb: Verb, words: readonly string[]): Parsed | undefined {
  const call = verb.read(words);
  return call && { verb: call.verb.name, args: call.args, options: call.options };
}

/** Words that this verb may be given, and others. */
function wordsFor(verb: Verb): fc.Arbitrary<string[]> {
  const leaves = [verb, ...verb.commands];
  const flags = leaves.flatMap((one) => one.flags);
  const flag = fc.constantFrom(...flags, "-x", "-V", "--nothing", "-h");
  const value = fc.constantFrom(...VALUES);
  const joined = fc.tuple(flag, value).map(([one, text]) => `${one}=${text}`);
  const short = fc.tuple(flag, value).map(([one, text]) => `${one.slice(0, 2)}${text}`);
  const option = fc.tuple(flag, value);
  const piece = fc.oneof(
    { weight: 4, arbitrary: value.map((one) => [one]) },
    { weight: 4, arbitrary: option },
    fc.oneof(flag, joined, short).map((one) => [one]),
  );
  const rest = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.flat());
  if (verb.commands.length === 0) return rest;
  const names = fc.constantFrom(...verb.commands.map(({ name }) => name), "nothing");
  return fc.tuple(names, rest).map(([name, words]) => [name, ...words]);
}

describe.concurrent("what is plain means the same to commander", () => {
  test.for(Object.keys(VERBS))("%s", async (name) => {
    const verb = await verbOf(name);
    let plain = 0;
    await fc.assert(
      fc.asyncProperty(wordsFor(verb), async (words) => {
        const here = parsedHere(verb, words);
        if (here === undefined) return;
        plain++;
        expect(await parsedByCommander(verb, words), words.join(" ")).toEqual(here);
      }),
      { numRuns: RUNS },
    );
    expect(plain).toBeGreaterThan(0);
  });
});

test.for<[string, string[]]>([
  ["put", ["jobs", "-m", "x"]],
  ["put", ["jobs", "-lv", "--batch=5"]],
  ["put", ["jobs", "--lines", "-C", "dir", "a", "b"]],
  ["put", ["jobs", "-m", "x", "-H", "A: 1", "-H", "B: 2", "-p9", "--delay", "5m"]],
  ["take", ["jobs", "-n", "5", "--lease", "1m"]],
  ["take", ["jobs", "--json"]],
  ["ack", ["one", "two"]],
  ["nack", ["one", "--no-count"]],
  ["work", ["jobs", "-j", "4", "--", "sh", "-c", "exit 1"]],
  ["queue", ["create", "jobs", "max-attempts=3"]],
  ["peek", ["jobs", "--state", "dead"]],
])("%s %j", async ([name, words]) => {
  const verb = await verbOf(name);
  const here = parsedHere(verb, words);
  if (!words.includes("-lv")) expect(here).toBeDefined();
  if (here !== undefined) expect(here).toEqual(await parsedByCommander(verb, words));
});
