/** Somebody in the soak: one process at a time, which may be killed, stopped and continued. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { nowMs } from "./journal.ts";
import type { Journal } from "./journal.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where everything of one soak is. */
export interface Stage {
  readonly spool: string;
  /** What everybody writes down. */
  readonly notes: string;
  readonly env: Readonly<Record<string, string>>;
  readonly journal: Journal;
  readonly random: () => number;
  isOver: boolean;
  /** Processes that were started. */
  started: number;
}

export interface RunOptions {
  /** Sent to stdin piece by piece, so many ms apart. */
  readonly input?: readonly string[];
  readonly everyMs?: number;
  /** Told of each line of stdout as it comes. */
  readonly onLine?: (line: string) => void;
  /** Exit codes that say that something is as it may be. */
  readonly also?: readonly number[];
}

export class Actor {
  readonly name: string;
  /** It is stopped now and then, and never killed: its memory is looked at. */
  readonly isSteady: boolean;
  /** From when to when it stood still, in ms. */
  readonly stops: [number, number][] = [];
  readonly #stage: Stage;
  #child: ChildProcess | undefined;
  #isStopped = false;
  #turns = 0;

  constructor(stage: Stage, name: string, isSteady = false) {
    this.#stage = stage;
    this.name = name;
    this.isSteady = isSteady;
  }

  /** A name for the next thing that it does. */
  turn(): string {
    return `${this.name}.${++this.#turns}`;
  }

  get pid(): number | undefined {
    const { exitCode = 0, signalCode, pid } = this.#child ?? {};
    return exitCode === null && signalCode === null ? pid : undefined;
  }

  /** Runs `spool ARGS`; whatever ends badly without having been killed is a complaint. */
  spool(who: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return this.#run(`${ROOT}/bin/spool`, args, who, options);
  }

  /** Runs player.ts. */
  player(who: string, role: string): Promise<Ended> {
    const { notes } = this.#stage;
    const args = [`${ROOT}/test/soak/player.ts`, `${ROOT}/dist/lib/index.js`, role, who, notes];
    return this.#run(process.execPath, args, who, {});
  }

  kill(signal: NodeJS.Signals): void {
    if (this.pid !== undefined) this.#child!.kill(signal);
  }

  /** Stands still for so long, unless it has nothing to stand still with. */
  async stop(forMs: number): Promise<boolean> {
    if (this.pid === undefined || this.#isStopped) return false;
    const child = this.#child!;
    const window: [number, number] = [nowMs(), Number.POSITIVE_INFINITY];
    this.#isStopped = true;
    this.stops.push(window);
    child.kill("SIGSTOP");
    await pause(forMs);
    child.kill("SIGCONT");
    window[1] = nowMs();
    this.#isStopped = false;
    return true;
  }

  #run(
    file: string,
    args: readonly string[],
    who: string,
    { input, everyMs = 0, onLine, also = [] }: RunOptions,
  ): Promise<Ended> {
    const stage = this.#stage;
    const env = { ...stage.env, WHO: who, NOTES: `${stage.notes}/${this.name}` };
    const child = spawn(file, args, {
      env,
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    this.#child = child;
    stage.started++;
    // Who is killed does not read on.
    child.stdin?.on("error", () => {});
    if (input !== undefined) void feed(child, input, everyMs);
    let [stdout, stderr, rest] = ["", "", ""];
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      if (onLine === undefined) {
        stdout += text;
        return;
      }
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-4096);
    });
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (_, signal) => {
        if (signal === "SIGKILL") stage.journal.say("killed", "", "", undefined, who);
      });
      child.on("close", (code, signal) => {
        const isFine = signal === "SIGKILL" || code === 0 || also.includes(code ?? -1);
        if (!isFine) {
          const words = args.slice(0, 3).join(" ");
          stage.journal.say("wrong", "", `${who}: ${words}: exit ${code} ${signal}: ${stderr}`);
        }
        resolve({ code, signal, stdout, stderr });
      });
    });
  }
}

async function feed(
  child: ChildProcess,
  pieces: readonly string[],
  everyMs: number,
): Promise<void> {
  for (const piece of pieces) {
    child.stdin!.write(piece);
    await pause(everyMs);
  }
  child.stdin!.end();
}

export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

/** Processes that have this in their environment: commands that have outlived their worker. */
export function living(mark: string): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
    try {
      return readFileSync(`/proc/${name}/environ`, "latin1").split("\0").includes(mark);
    } catch {
      return false;
    }
  });
}
