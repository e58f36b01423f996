/**
 * The fuzzer of hostile trees: `node test/hostile/fuzz.ts --minutes N --seed S`, or `--runs N`.
 *
 * Each run has a seed of its own, S, S + 1, and so on; one that fails says it, and `--seed THAT --runs 1`
 * repeats it, with all that was damaged and repaired. A program that loops answers no signal of its own
 * making, so the runs are made by a child, and one that is not done in time is killed and told.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { judge } from "./judge.ts";

/** No run takes so long, on a loaded machine either. */
const RUN_MS = 60_000;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "0" },
    runs: { type: "string", default: "0" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
    child: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
  },
});

const first = Number(values.seed);
const runs = Number(values.runs) || Number.POSITIVE_INFINITY;
const minutes = Number(values.minutes) || (Number.isFinite(runs) ? Number.POSITIVE_INFINITY : 1);

/** Says each seed before its run; a failure with all that led to it. */
async function child(): Promise<void> {
  const endMs = performance.now() + minutes * 60_000;
  let failures = 0;
  for (let seed = first; seed < first + runs && performance.now() < endMs; seed++) {
    const root = mkdtempSync(join(tmpdir(), "dirspool-hostile-"));
    const lines: string[] = [];
    console.log(`seed ${seed}`);
    try {
      await judge(root, seed, (line) => {
        lines.push(line);
        if (runs === 1) console.log(line);
      });
    } catch (error) {
      failures++;
      const led = runs === 1 ? [] : lines;
      console.log([`FAILED seed ${seed}`, ...led, (error as Error).stack].join("\n"));
      if (!values["keep-going"]) process.exit(1);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  }
  if (failures > 0) process.exitCode = 1;
}

interface Outcome {
  /** The seed that was begun last. */
  readonly last: number;
  readonly isSound: boolean;
}

/** Runs a child from this seed on, until it has ended or hangs. */
async function watch(seed: number): Promise<Outcome> {
  const path = fileURLToPath(import.meta.url);
  const args = [path, ...process.argv.slice(2), "--child", "--seed", String(seed)];
  const running = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let last = seed;
  const hang = (): void => {
    console.log(`FAILED seed ${last}: not done in ${RUN_MS} ms`);
    running.kill("SIGKILL");
  };
  let timer = setTimeout(hang, RUN_MS);
  createInterface({ input: running.stdout }).on("line", (line) => {
    const [, begun] = /^seed (\d+)$/.exec(line) ?? [];
    if (begun === undefined) console.log(line);
    else {
      last = Number(begun);
      clearTimeout(timer);
      timer = setTimeout(hang, RUN_MS);
    }
  });
  const isSound = await new Promise<boolean>((resolve) => {
    running.on("close", (code) => resolve(code === 0));
  });
  clearTimeout(timer);
  return { last, isSound };
}

async function parent(): Promise<void> {
  const startMs = performance.now();
  const { last, isSound } = await watch(first);
  const seconds = Math.round((performance.now() - startMs) / 1000);
  const verdict = isSound ? "sound" : "FAILED";
  console.log(`${last - first + 1} trees from seed ${first} on, ${seconds} s: ${verdict}`);
  process.exitCode = isSound ? 0 : 1;
}

await (values.child ? child() : parent());
