/**
 * The simulation for as long as one likes:
 *
 *   node test/simulation/fuzz.ts --minutes 60 [--seed N] [--jobs 2]
 *   node test/simulation/fuzz.ts --runs 500 | --seconds 30
 *   node test/simulation/fuzz.ts --runs 1 --seed N --trace     what happened in that run, call by call
 *   … --runs 200 --keep-going                                  all that fail of 200
 *
 * Run n of seed s has the seed s + n. Prints `ok: N runs, C crashes, P power cuts, …`, or, for the first
 * run that fails, `FAILED run N seed S: what`, and ends with exit code 1.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

// Before all that may want chokidar.
await import("./without-chokidar.ts");
const { simulate } = await import("./run.ts");

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seconds: { type: "string" },
    runs: { type: "string" },
    seed: { type: "string" },
    jobs: { type: "string", default: "1" },
    trace: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
    /** Of a child: its runs, and every which one is its own. */
    first: { type: "string" },
  },
});

/** A child's runs: what libraries keep of dead processes goes with it. */
const CHUNK = 500;

interface Tally {
  runs: number;
  failed: number;
  turns: number;
  kills: number;
  stops: number;
  powerCuts: number;
  jumps: number;
  lostReplies: number;
  messages: number;
}

const none = (): Tally => ({
  runs: 0,
  failed: 0,
  turns: 0,
  kills: 0,
  stops: 0,
  powerCuts: 0,
  jumps: 0,
  lostReplies: 0,
  messages: 0,
});

function say(tally: Tally): string {
  return (
    `ok: ${tally.runs} runs, ${tally.kills} crashes, ${tally.powerCuts} power cuts, ${tally.stops} stops, ` +
    `${tally.jumps} jumps of the clock, ${tally.lostReplies} lost replies, ${tally.messages} messages, ` +
    `${tally.turns} calls`
  );
}

/** Runs `first` to `first + count`, and prints the tally as JSON, or what failed. */
async function runHere(seed: number, first: number, count: number, endMs: number): Promise<Tally> {
  const tally = none();
  for (let run = first; run < first + count && performance.now() < endMs; run++) {
    try {
      const trace = values.trace ? { trace: (line: string) => console.log(line) } : {};
      const { counts, messages } = await simulate({ seed: seed + run, ...trace });
      tally.runs++;
      tally.messages += messages;
      for (const key of Object.keys(counts) as (keyof typeof counts)[]) tally[key] += counts[key];
    } catch (error) {
      const { stack = "" } = error as Error;
      console.log(`FAILED run ${run + 1} seed ${seed + run}: ${(error as Error).message}`);
      if (values.trace) console.log(stack);
      if (!values["keep-going"]) process.exit(1);
      tally.failed++;
    }
  }
  return tally;
}

function child(seed: number, first: number, count: number, leftMs: number): Promise<Tally> {
  const flags = ["--seed", String(seed), "--first", String(first), "--runs", String(count)];
  const time = Number.isFinite(leftMs) ? ["--seconds", String(Math.ceil(leftMs / 1000))] : [];
  const script = fileURLToPath(import.meta.url);
  const running = spawn(process.execPath, [script, ...flags, ...time], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  running.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  return new Promise((resolve, reject) => {
    running.on("close", (code) => {
      const lines = out.trim().split("\n");
      const last = lines.pop() ?? "";
      if (code === 0) {
        for (const line of lines) console.log(line);
        resolve(JSON.parse(last) as Tally);
      } else reject(new Error(out.trim() || `a child ended with ${code}`));
    });
  });
}

async function main(): Promise<void> {
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const seconds = Number(values.seconds ?? Number(values.minutes ?? 0) * 60);
  const isTimed = seconds > 0;
  const startMs = performance.now();
  const endMs = isTimed ? startMs + seconds * 1000 : Number.POSITIVE_INFINITY;
  const runs = Number(values.runs ?? (isTimed ? Number.POSITIVE_INFINITY : 200));
  if (values.first !== undefined) {
    console.log(JSON.stringify(await runHere(seed, Number(values.first), runs, endMs)));
    return;
  }
  if (values.trace || runs <= CHUNK) {
    const tally = await runHere(seed, 0, runs, endMs);
    console.log(say(tally));
    if (tally.failed > 0) process.exitCode = 1;
    return;
  }
  console.log(`seed ${seed}`);
  const total = none();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < runs && performance.now() < endMs) {
      const first = next;
      const count = Math.min(CHUNK, runs - first);
      next += count;
      const tally = await child(seed, first, count, endMs - performance.now());
      for (const key of Object.keys(tally) as (keyof Tally)[]) total[key] += tally[key];
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, worker));
  console.log(say(total));
  if (total.failed > 0) throw new Error(`${total.failed} runs failed`);
}

try {
  await main();
  // What a library of a dead process has set keeps nobody waiting.
  process.exit(process.exitCode);
} catch (error) {
  console.log((error as Error).message);
  process.exit(1);
}
