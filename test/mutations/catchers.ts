/** Who looks for a planted bug: the simulation first, then the tests that may know better. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import type { Mutation } from "./mutation.ts";
import type { Workplace } from "./workplace.ts";

export interface Outcome {
  readonly kind: "caught" | "survived" | "broken";
  /** Who has caught it. */
  readonly by?: string;
  /** The runs that it took, or the test. */
  readonly needed?: string;
  /** What was said, in one line. */
  readonly said?: string;
}

const SIMULATION = "test/simulation/fuzz.ts";

/** For a bug that does not say who may see it; the quick ones first. */
const TOPIC = [
  "test/topic/races",
  "test/topic",
  "test/model/topic",
  "test/errors/topic",
  "test/crash/topic-",
];
const QUEUE = [
  "test/queue/races",
  "test/queue",
  "test/crash/torn",
  "test/crash/receipt",
  "test/errors/put",
  "test/errors/held",
  "test/crash/bulk",
  "test/crash/takeover",
  "test/crash/consume",
  "test/errors/consume",
  "test/errors/manage",
  "test/model/race",
  "test/crash/put",
  "test/crash/queue",
  "test/model/queue",
];

/** Longer than any stage takes, in ms: what hangs is not waited for. */
const PATIENCE_MS = 240_000;

interface Ended {
  /** Undefined where it hung. */
  readonly code: number | undefined;
  readonly said: string;
}

function run(cwd: string, args: readonly string[], patienceMs = PATIENCE_MS): Promise<Ended> {
  const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (piece) => (said += String(piece)));
  child.stderr.on("data", (piece) => (said += String(piece)));
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  return new Promise((resolve) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? undefined, said });
    });
  });
}

const lastLine = (said: string): string => said.trim().split("\n").at(-1) ?? "";

/** What cannot be compiled would be caught by anything. */
async function compile({ dir }: Workplace): Promise<Outcome | undefined> {
  const tsc = join(dir, "node_modules/typescript/bin/tsc");
  const { code, said } = await run(dir, [tsc, "-p", "tsconfig.src.json"]);
  return code === 0 ? undefined : { kind: "broken", said: said.trim().split("\n")[0] ?? "" };
}

async function simulate(
  { dir }: Workplace,
  sound: Workplace,
  seconds: number,
): Promise<Outcome | undefined> {
  const args = [SIMULATION, "--seconds", String(seconds), "--seed", "1"];
  const { code, said } = await run(dir, args, seconds * 2000 + 60_000);
  if (code === 0) return undefined;
  const [line, runs, seed = ""] = /^FAILED run (\d+) seed (\d+).*$/m.exec(said) ?? [];
  if (line === undefined) {
    return { kind: "broken", said: code === undefined ? "the simulation hangs" : lastLine(said) };
  }
  // A run that fails without the bug as well says nothing about it.
  const without = await run(sound.dir, [SIMULATION, "--runs", "1", "--seed", seed]);
  if (without.code !== 0) return { kind: "broken", said: `fails without it, too: ${line}` };
  const needed = runs === "1" ? "1 run" : `${runs} runs`;
  return { kind: "caught", by: "simulation", needed, said: line };
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

interface Failure {
  readonly file: string;
  readonly test: string;
  readonly said: string;
}

/** The tests that fail; undefined where they did not come to an end, or not even began. */
async function failuresOf(
  { dir }: Workplace,
  files: readonly string[],
  ...more: readonly string[]
): Promise<Failure[] | undefined> {
  const report = join(dir, "report.json");
  rmSync(report, { force: true });
  const vitest = join(dir, "node_modules/vitest/vitest.mjs");
  const options = ["--reporter=json", `--outputFile=${report}`, "--no-file-parallelism"];
  await run(dir, [vitest, "run", ...files, ...options, ...more]);
  if (!existsSync(report)) return undefined;
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === "failed")
      .map(({ fullName, failureMessages }) => ({
        file: name.slice(name.indexOf("/test/") + 1),
        test: fullName,
        said: (failureMessages[0] ?? "").split("\n")[0] ?? "",
      })),
  );
}

/** The tests of a workplace that fail without any bug, by what their paths start with. */
export type Unsound = Map<string, readonly Failure[]>;

/** Runs test files until one test fails that does not do so without the bug. */
async function tryTests(
  { place, sound, unsound }: Search,
  prefix: string,
): Promise<Outcome | undefined> {
  const files = place.tests(prefix);
  if (files.length === 0) return undefined;
  const known = unsound.get(prefix) ?? (await failuresOf(sound, files)) ?? [];
  unsound.set(prefix, known);
  const failures = await failuresOf(place, files, ...(known.length === 0 ? ["--bail=1"] : []));
  if (failures === undefined) return { kind: "broken", said: `${prefix} did not come to an end` };
  const isKnown = ({ test }: Failure): boolean => known.some((one) => one.test === test);
  for (const { file, test, said } of failures.filter((one) => !isKnown(one))) {
    // By chance it may fail without the bug as well.
    const without = await failuresOf(sound, [file]);
    if (without?.some((one) => one.test === test) === false) {
      return { kind: "caught", by: file, needed: test, said };
    }
  }
  return undefined;
}

export interface Search {
  /** Where the bug is planted, and where none is. */
  readonly place: Workplace;
  readonly sound: Workplace;
  /** For the simulation; 0: without it. */
  readonly seconds: number;
  readonly tests: boolean;
  readonly unsound: Unsound;
}

/**
 * Looks for the bug that is planted there, until it is found or nobody is left to look.
 *
 * @param first  a test file that is asked before all others.
 */
export async function lookFor(
  search: Search,
  mutation: Pick<Mutation, "file" | "catchers">,
  first?: string,
): Promise<Outcome> {
  const { place, sound, seconds, tests } = search;
  const hard = await compile(place);
  if (hard !== undefined) return hard;
  if (first?.startsWith("test/")) {
    const seen = await tryTests(search, first);
    if (seen?.kind === "caught") return seen;
  }
  const rooms = mutation.file.startsWith("topic/") ? TOPIC : QUEUE;
  if (seconds > 0) {
    const seen = await simulate(place, sound, seconds);
    if (seen !== undefined) return seen;
  }
  let outcome: Outcome = { kind: "survived" };
  for (const prefix of tests ? (mutation.catchers ?? rooms) : []) {
    const seen = await tryTests(search, prefix);
    if (seen?.kind === "caught") return seen;
    // Others may find it all the same.
    outcome = seen ?? outcome;
  }
  return outcome;
}
