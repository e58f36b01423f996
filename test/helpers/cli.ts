/**
 * The built command line as real processes, in a spool of the test's own.
 *
 * Every process has an end: a time-out kills it, and at the end of the test whatever still lives of
 * what the test has started, the commands of workers included, is found by a mark in its environment
 * and killed.
 */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { dirname } from "node:path";

import { expect } from "vitest";

import { test as base } from "./fixtures.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** The launcher, as it lies in the checkout. */
export const SPOOL = `${ROOT}/bin/spool`;

export interface RunOptions {
  readonly input?: string | Uint8Array;
  /** Beside the test's own; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly stdio?: StdioOptions;
  /** It is killed after this long, and the test fails. */
  readonly timeoutMs?: number;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: Buffer;
  readonly stdout: string;
  readonly stderr: string;
}

/** One process, in a process group of its own. */
export class Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  #stdout: Buffer[] = [];
  #stderr: Buffer[] = [];

  constructor(child: ChildProcess, what: string, timeoutMs: number) {
    this.child = child;
    this.pid = child.pid ?? 0;
    child.stderr?.on("data", (bytes: Buffer) => this.#stderr.push(bytes));
    this.ended = new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.group("SIGKILL");
        reject(new Error(`not done in ${timeoutMs} ms: ${what}\n${this.stderr}`));
      }, timeoutMs);
      child.on("error", reject);
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        const out = Buffer.concat(this.#stdout);
        resolve({ code, signal, out, stdout: out.toString(), stderr: this.stderr });
      });
    });
    // Not every test waits for every process; the end of the test kills what is left.
    this.ended.catch(() => {});
  }

  /** Reads stdout from now on; before, a pipe that is full stays full. */
  read(): this {
    this.child.stdout?.on("data", (bytes: Buffer) => this.#stdout.push(bytes));
    return this;
  }

  get stdout(): string {
    return Buffer.concat(this.#stdout).toString();
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** As a terminal does it: to everything in the foreground. */
  group(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // It has ended.
    }
  }
}

/** What `status --json` says of one queue. */
export interface Status {
  readonly queue: string;
  readonly ready: number;
  readonly scheduled: number;
  readonly in_flight: number;
  readonly dead: number;
  readonly consumers: number;
}

export class Cli {
  readonly dir: string;
  /** The spool. */
  readonly spool: string;
  readonly env: Readonly<Record<string, string>>;

  constructor(dir: string) {
    this.dir = dir;
    this.spool = `${dir}/spool`;
    this.env = {
      PATH: `${dirname(SPOOL)}:${process.env["PATH"] ?? ""}`,
      HOME: dir,
      DIRSPOOL_TEST: dir,
      SPOOL_DIR: this.spool,
    };
  }

  /** Starts a program, with stdout unread. */
  launch(file: string, args: readonly string[], options: RunOptions = {}): Running {
    const { input, env, cwd = this.dir, timeoutMs = 20_000 } = options;
    const stdio = options.stdio ?? [input === undefined ? "ignore" : "pipe", "pipe", "pipe"];
    const child = spawn(file, args, { cwd, env: { ...this.env, ...env }, stdio, detached: true });
    if (input !== undefined) {
      // A program that does not want all of its input closes it.
      child.stdin?.on("error", () => {});
      child.stdin?.end(input);
    }
    return new Running(child, [file, ...args].join(" ").slice(0, 200), timeoutMs);
  }

  /** Starts `spool ARGS`. */
  start(args: readonly string[], options?: RunOptions): Running {
    return this.launch(SPOOL, args, options).read();
  }

  /** Runs `spool ARGS` to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Ended> {
    return this.start(args, options).ended;
  }

  /** The same; it must end with 0. Returns its stdout. */
  async ok(args: readonly string[], options?: RunOptions): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code !== 0) throw new Error(`spool ${args.join(" ")}: exit ${code}\n${stderr}`);
    return stdout;
  }

  /** Runs a script of sh in which `spool` is on the PATH. */
  sh(script: string, options?: RunOptions): Promise<Ended> {
    return this.launch("/bin/sh", ["-c", script], options).read().ended;
  }

  async status(queue = "q"): Promise<Status> {
    const said = JSON.parse(await this.ok(["status", queue, "--json"])) as { queues: [Status] };
    return said.queues[0];
  }

  /** Four numbers say where everything is. */
  async expectStatus(want: Partial<Status>, queue = "q"): Promise<void> {
    const all = { ready: 0, scheduled: 0, in_flight: 0, dead: 0, ...want };
    expect(await this.status(queue)).toMatchObject(all);
  }

  /** Objects from a verb that prints one a line. */
  async lines(args: readonly string[]): Promise<Record<string, unknown>[]> {
    const { stdout } = await this.run(args);
    return linesOf(stdout).map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** A path in the queue's directory. */
  path(inQueue: string, queue = "q"): string {
    return `${this.spool}/queues/${queue}/${inQueue}`;
  }

  /** The slices in a directory of the queue and below, as paths. */
  async slices(inQueue: string, queue = "q"): Promise<string[]> {
    const root = this.path(inQueue, queue);
    const names = await readdir(root, { recursive: true });
    return names
      .filter(
        (name) =>
          /\/\d-\d{13}-[0-9a-z]{26}-\d{7}-n[^/]+$/.test(`/${name}`) && !name.endsWith(".reason"),
      )
      .map((name) => `${root}/${name}`);
  }

  /** Every name in the spool, to see that nothing has changed. */
  async tree(): Promise<string[]> {
    return (await readdir(this.spool, { recursive: true })).toSorted();
  }

  /** Waits until something is claimed. */
  async claimed(count = 1, queue = "q"): Promise<void> {
    await until(`${count} claimed`, async () => {
      const held = await this.slices("leases", queue).catch(() => []);
      return held.length >= count;
    });
  }

  /** The processes that live of what this test has started and what that has started. */
  living(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((name) => isMarked(name, `DIRSPOOL_TEST=${this.dir}`))
      .map(Number);
  }

  /** Kills them. */
  end(): void {
    for (const pid of this.living()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
  }
}

/** True where this process has that mark in its environment. */
function isMarked(pid: string, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark);
  } catch {
    // It has ended, or is none of ours.
    return false;
  }
}

export const test = base
  .extend("cli", ({ dir }, { onCleanup }) => {
    const cli = new Cli(dir);
    onCleanup(() => cli.end());
    return cli;
  })
  // A file system in memory, with these mount options; undefined where this may not be mounted here.
  .extend("mount", ({ dir, cli }, { onCleanup }) => {
    const path = `${dir}/mnt`;
    onCleanup(() => {
      cli.end();
      runs("umount", "-l", path);
    });
    return async (options: string): Promise<string | undefined> => {
      await mkdir(path, { recursive: true });
      const isMounted = runs("mount", "-t", "tmpfs", "-o", options, "dirspool-test", path);
      return isMounted ? path : undefined;
    };
  });

/** True where this program of the system is there and ends well. */
export function runs(file: string, ...args: readonly string[]): boolean {
  return spawnSync(file, args, { stdio: "ignore" }).status === 0;
}

/** Why a test that needs a file system of its own does not run. */
export const NO_MOUNT = "mounting a tmpfs is not permitted here: run as root";

/** Polls until `probe` has something to say; a test never sleeps for a time that it has guessed. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = 15_000,
): Promise<Exclude<T, false | undefined>> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found) return found as Exclude<T, false | undefined>;
    if (performance.now() > endMs) throw new Error(`not in ${timeoutMs} ms: ${what}`);
    await pause(20);
  }
}

/** True where no such process runs; one that is dead and not yet waited for does not run. */
export function isGone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return "ZX".includes(stat[stat.lastIndexOf(")") + 2]!);
  } catch {
    return true;
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** The lines of a file that may not be there yet. */
export async function linesIn(path: string): Promise<string[]> {
  try {
    return linesOf(await readFile(path, "utf8"));
  } catch {
    return [];
  }
}

/** It ended with this code, having said one clear line (and perhaps a hint), and no stack. */
export function expectFailure(ended: Ended, code: number, line: RegExp): void {
  expect(ended.stderr).toMatch(line);
  expect({ code: ended.code, signal: ended.signal }).toEqual({ code, signal: null });
  const lines = linesOf(ended.stderr);
  expect(lines.filter((one) => one.startsWith("spool: "))).toHaveLength(1);
  expect(lines.length).toBeLessThanOrEqual(2);
  expect(ended.stderr).not.toMatch(/^\s+at /m);
}
