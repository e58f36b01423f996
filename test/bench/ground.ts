/**
 * Where the benchmarks run: a scratch directory below TMPDIR, the command and the Node under test,
 * the floors, and how large everything is.
 */
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { Floors } from "./floors.ts";
import type { Row } from "./measure.ts";

export const ROOT = join(import.meta.dirname, "../..");
export const SPOOL = join(ROOT, "bin/spool");

/** What most messages of most benchmarks hold. */
export const PAYLOAD = Buffer.alloc(100, "x");

export interface Section {
  /** A word for --only. */
  readonly name: string;
  /** What it measures, for --list; --only looks here, too. */
  readonly about: string;
  readonly run: (ground: Ground) => Promise<readonly Row[]>;
}

/**
 * Has each directory that is made in this one go to a part of the disk of its own, as those at the root do.
 *
 * Where many files were removed lately, be it by others, ext4 without a journal makes new ones at a tenth of
 * its speed, for minutes. That would hit now the spool and now the floor, whoever comes to lie there.
 */
export function spreadOut(dir: string): void {
  spawnSync("chattr", ["+T", dir], { stdio: "ignore" });
}

export class Ground {
  readonly isQuick: boolean;
  readonly scratch: string;
  readonly floors: Floors;
  /** The Node that bin/spool runs; its start is the floor of all one-shot commands. */
  readonly node: string;
  readonly #env: NodeJS.ProcessEnv;
  #names = 0;

  constructor(options: { readonly isQuick: boolean }) {
    this.isQuick = options.isQuick;
    this.scratch = fs.mkdtempSync(join(tmpdir(), "spool-bench-"));
    // Gigabytes, and servers that run: nothing is to stay, also of a run that is stopped or fails.
    process.once("exit", () => this.remove(this.scratch));
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => process.exit(1));
    }
    spreadOut(this.scratch);
    this.floors = new Floors(this.scratch);
    const own = join(ROOT, "node_modules/node/bin/node");
    this.node = fs.existsSync(own) ? own : process.execPath;
    // Its own cache, too: what status leaves for its next look goes with all else.
    const cache = join(this.scratch, "cache");
    fs.mkdirSync(cache);
    this.#env = { ...process.env, SPOOL_DIR: this.spoolDir, XDG_CACHE_HOME: cache };
  }

  /** The spool of the commands that are run. */
  get spoolDir(): string {
    return join(this.scratch, "spool");
  }

  /** A count: the whole one, or with --quick a small one. */
  size(whole: number, quick: number): number {
    return this.isQuick ? quick : whole;
  }

  /** Rounds of what is cheap and of what is dear; always odd, so that there is a median. */
  rounds(whole = 5): number {
    return this.isQuick ? 3 : whole;
  }

  /** A name in the scratch directory that was not used before. */
  fresh(word: string): string {
    return join(this.scratch, `${word}${this.#names++}`);
  }

  /** A spool as a library user opens it. */
  open(dir: string = this.spoolDir): Promise<Spool> {
    return openSpool({ dir });
  }

  /** Milliseconds of a whole process. @throws where its exit code is another. */
  processMs(argv: readonly string[], options: { exit?: number; dir?: string } = {}): number {
    const [file = "", ...args] = argv;
    const { exit = 0, dir } = options;
    const env = dir === undefined ? this.#env : { ...this.#env, SPOOL_DIR: dir };
    const startMs = performance.now();
    // Pipes would cost as much as some of what is measured.
    const { status, signal } = spawnSync(file, args, {
      env,
      stdio: ["ignore", "ignore", exit === 0 ? "inherit" : "ignore"],
    });
    const tookMs = performance.now() - startMs;
    if (status !== exit) throw new Error(`${argv.join(" ")}: exit ${status ?? signal}`);
    return tookMs;
  }

  /** Milliseconds of a script of sh; `args` are $1, $2, … */
  shellMs(script: string, ...args: readonly string[]): number {
    return this.processMs(["sh", "-c", script, "sh", ...args]);
  }

  output(argv: readonly string[], dir?: string): string {
    const [file = "", ...args] = argv;
    const env = dir === undefined ? this.#env : { ...this.#env, SPOOL_DIR: dir };
    return execFileSync(file, args, { env, stdio: ["ignore", "pipe", "inherit"] }).toString();
  }

  /** MB that the command had at the most; undefined where nothing here can tell. */
  rssMB(
    argv: readonly string[],
    options: { exit?: number; dir?: string } = {},
  ): number | undefined {
    const file = this.fresh("rss");
    const prefix = this.floors.rssPrefix(file);
    if (prefix.length === 0) return undefined;
    this.processMs([...prefix, ...argv], options);
    return readRssMB(file);
  }

  remove(path: string): void {
    fs.rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  /** Brings what was made before onto the disk, so that it is not written while something is measured. */
  settle(): void {
    spawnSync("sync", ["-f", this.scratch]);
  }
}

export function readRssMB(file: string): number {
  return (Number(fs.readFileSync(file, "utf8")) * 1024) / 1e6;
}
