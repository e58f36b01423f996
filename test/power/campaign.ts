/**
 * One file system: a workload on a recorded disk, and then power cuts all along what it wrote.
 *
 *   1. processes of all kinds work for a while; now and then one of them is killed, another begins
 *   2. all of them are killed, and the log of block writes is read
 *   3. for each chosen state: it is written to a file, mounted (the journal is replayed), recovered,
 *      looked through and judged by the journals of the workload
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

import { chance } from "../helpers/model-chance.ts";
import { readBlockLog } from "./block-log.ts";
import type { Entry } from "./block-log.ts";
import type { Order } from "./careful.ts";
import { Disk } from "./crash-state.ts";
import type { CrashState, Random } from "./crash-state.ts";
import { readJournals } from "./journal.ts";
import type { Known } from "./journal.ts";
import { Judge } from "./judge.ts";
import { observe } from "./observe.ts";
import { Rig } from "./rig.ts";
import type { FsName } from "./rig.ts";

export interface Plan {
  readonly seconds: number;
  readonly states: number;
  /** Instead of so many: each prefix of the log that ends with a write. */
  readonly isEvery?: boolean;
  readonly seed: number;
  /** `none`: the workload syncs nothing that it puts, and says it did. */
  readonly sync?: "disk" | "none";
  /** Who works; default: all. */
  readonly roles?: readonly string[];
  /** `mixed`: of every two processes one is careful. Default: that, but on btrfs `own`. */
  readonly order?: Order | "mixed";
  /** Only this one, of a recording that was kept. */
  readonly again?: { readonly directory: string; readonly state: CrashState };
  readonly onProgress?: (line: string) => void;
  /** Told at once, and where the recording is kept. */
  readonly onViolation?: (violation: Violation, directory: string) => void;
}

export interface Violation {
  readonly state: CrashState;
  readonly wrong: readonly string[];
}

export interface Result {
  readonly fs: FsName;
  readonly writes: number;
  readonly flushes: number;
  readonly states: number;
  /** Calls that had returned in the end, whatever they promised. */
  readonly calls: number;
  /** Promises that were looked after, in all states together. */
  readonly promises: number;
  readonly violations: readonly Violation[];
}

const START_MS = 60_000;
const LONGER_MS = 60_000;
const LEAST_CALLS = 150;

const ROLES = ["produce", "lines", "stream", "work", "work", "operate"];
const OTHER_ROLES = ["receipts", "dropper", "configure"];
const TOPIC_ROLES = ["publish", "publish", "consume", "manage"];

/** @throws where the rig or a process of the workload fails; what the engine lost is in the result. */
export async function run(fs: FsName, plan: Plan): Promise<Result> {
  const rig = new Rig(fs);
  try {
    if (plan.again === undefined) await record(rig, plan);
    else rig.load(plan.again.directory);
    const entries = readBlockLog(rig.log);
    if (plan.again === undefined && !new Disk(rig.base, entries).equals(rig.image)) {
      throw new Error(`${fs}: the log is not what the disk holds; nothing can be said`);
    }
    return await check(rig, entries, readJournals(rig.journals), plan);
  } finally {
    rig.close();
  }
}

async function record(rig: Rig, plan: Plan): Promise<void> {
  await rig.start();
  await new Workload(rig, plan).run();
  await rig.stop();
}

/** The processes that work on the disk while it is recorded. */
class Workload {
  readonly #rig: Rig;
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #running = new Map<ChildProcess, string>();
  readonly #failures: string[] = [];
  #started = 0;

  constructor(rig: Rig, plan: Plan) {
    this.#rig = rig;
    this.#plan = plan;
    this.#random = chance(plan.seed);
  }

  async run(): Promise<void> {
    // Also on ^C nobody may go on working on a disk that is taken away.
    this.#rig.defer(() => this.#running.forEach((_, child) => child.kill("SIGKILL")));
    await once(this.#start("make"), "close");
    try {
      const roles = this.#plan.roles ?? [...ROLES, ...OTHER_ROLES, ...TOPIC_ROLES];
      for (const role of roles) this.#start(role);
      await this.#allAtWork();
      const endMs = performance.now() + this.#plan.seconds * 1000;
      while (this.#failures.length === 0 && !this.#isDone(endMs)) {
        await new Promise((resolve) => setTimeout(resolve, 500 + this.#random() * 1500));
        const all = [...this.#running];
        const [victim, role] = all[Math.floor(this.#random() * all.length)] ?? [];
        if (victim === undefined || role === undefined) continue;
        await this.#kill(victim);
        this.#start(role);
      }
    } finally {
      await Promise.all([...this.#running.keys()].map((child) => this.#kill(child)));
    }
    if (this.#failures.length > 0) throw new Error(this.#failures.join("\n"));
  }

  /** On a busy machine a short run would have done nothing. */
  #isDone(endMs: number): boolean {
    const nowMs = performance.now();
    if (nowMs < endMs) return false;
    const told = readJournals(this.#rig.journals).filter(({ okAt }) => okAt !== undefined);
    return told.length >= LEAST_CALLS || nowMs > endMs + LONGER_MS;
  }

  /** On a busy machine it takes them longer to start than a short run lasts. */
  async #allAtWork(): Promise<void> {
    const startMs = performance.now();
    while (readdirSync(this.#rig.journals).length < this.#started) {
      if (performance.now() - startMs > START_MS) throw new Error("the workload does not start");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  #start(role: string): ChildProcess {
    const who = `${role}-${++this.#started}`;
    const seed = this.#plan.seed * 1000 + this.#started;
    const words = [
      role,
      `${this.#rig.mnt}/spool`,
      `${this.#rig.journals}/${who}`,
      this.#rig.log,
      who,
    ];
    const { seconds, sync = "disk" } = this.#plan;
    const order = orderOf(this.#rig.name, this.#plan, this.#started % 2 === 0);
    const rest = [String(seconds + (START_MS + LONGER_MS) / 1000), String(seed), sync, order];
    const child = spawn(process.execPath, [`${import.meta.dirname}/role.ts`, ...words, ...rest], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.once("close", (code) => {
      this.#running.delete(child);
      if (code !== null && code !== 0) this.#failures.push(`${who}: exit ${code}: ${said}`);
    });
    this.#running.set(child, role);
    return child;
  }

  async #kill(child: ChildProcess): Promise<void> {
    const closed = child.exitCode === null && child.signalCode === null && once(child, "close");
    child.kill("SIGKILL");
    await closed;
  }
}

/**
 * On btrfs an fsync of a directory, which the careful order asks for, leaves files at two names: so the two
 * orders are not mixed there. Nobody does: all who use a spool are told the same of its disk.
 */
function orderOf(fs: FsName, plan: Plan, isCareful: boolean): Order {
  const { order = fs === "btrfs" ? "own" : "mixed" } = plan;
  if (order !== "mixed") return order;
  return isCareful ? "careful" : "own";
}

async function check(
  rig: Rig,
  entries: readonly Entry[],
  calls: readonly Known[],
  plan: Plan,
): Promise<Result> {
  const judge = new Judge(calls);
  const states = plan.again === undefined ? choose(entries, calls, plan) : [plan.again.state];
  const disk = new Disk(rig.base, entries);
  const file = `${rig.dir}/state`;
  writeFileSync(file, "");
  disk.write({ prefix: 0 }, file);
  const device = rig.device(file);
  const isKept = plan.again === undefined && plan.sync !== "none";
  const directory = plan.again?.directory ?? `${tmpdir()}/spool-power-${rig.name}-${plan.seed}`;
  const violations: Violation[] = [];
  let promises = 0;
  for (const [index, state] of states.entries()) {
    const at = entries[state.prefix - 1]!.end;
    disk.write(state, file);
    let wrong: string[];
    try {
      device.mount();
      try {
        const ways = {
          again: judge.worthRepeating(at),
          isAgainFirst: index % 2 === 1,
          isDrained: index % 4 === 0,
          order: orderOf(rig.name, plan, index % 3 === 2),
        };
        wrong = judge.violations(at, await observe(`${rig.mnt}/spool`, ways));
      } finally {
        device.unmount();
      }
    } catch (error) {
      // Neither a file system that cannot be mounted nor an engine that fails is an answer.
      wrong = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
    }
    promises += judge.promisesBy(at);
    if (wrong.length > 0) {
      violations.push({ state, wrong });
      // At once: who interrupts a long run has it all the same.
      if (violations.length === 1 && isKept) rig.save(directory);
      plan.onViolation?.({ state, wrong }, directory);
    }
    if (index % 50 === 49) {
      plan.onProgress?.(`${rig.name}: ${index + 1} of ${states.length}, ${violations.length} bad`);
    }
  }
  return {
    fs: rig.name,
    writes: entries.filter(({ isFlush }) => !isFlush).length,
    flushes: entries.filter(({ isFlush }) => isFlush).length,
    states: states.length,
    calls: calls.filter(({ okAt }) => okAt !== undefined).length,
    promises,
    violations,
  };
}

/**
 * All, or a sample: a third evenly along the log, a third where a call had just returned, a third of what a disk's cache
 * may leave at such places; in the order of the log, because the image only grows.
 */
function choose(entries: readonly Entry[], calls: readonly Known[], plan: Plan): CrashState[] {
  const random = chance(plan.seed + 1);
  // Two prefixes between which nothing was written are one state.
  const writes = entries.flatMap(({ isFlush }, index) => (isFlush ? [] : [index + 1]));
  const returns = calls.flatMap(({ okAt }) => (okAt === undefined ? [] : [okAt]));
  if (plan.isEvery) return writes.map((prefix) => ({ prefix }));
  const third = Math.ceil(plan.states / 3);
  const chosen = new Map<string, CrashState>();
  const add = (state: CrashState): void =>
    void chosen.set(`${state.prefix} ${state.seed ?? ""}`, state);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  const atReturn = (): number => prefixAt(entries, pick(returns));
  for (let count = 0; count < third; count++) {
    add({ prefix: writes[Math.floor((count * writes.length) / third)]! });
    add({ prefix: Math.max(1, atReturn()) });
    const prefix = random() < 0.5 ? pick(writes) : Math.max(1, atReturn());
    add({ prefix, seed: Math.floor(random() * 2 ** 31) });
  }
  return [...chosen.values()].toSorted((one, other) => one.prefix - other.prefix);
}

/** How many entries lie within a size of the log. */
function prefixAt(entries: readonly Entry[], size: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (entries[middle - 1]!.end <= size) low = middle;
    else high = middle - 1;
  }
  return low;
}
