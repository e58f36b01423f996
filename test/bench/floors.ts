/**
 * The floors of floors.c, compiled into the scratch directory; where there is no C compiler the same
 * calls are made from Node, and the table says so.
 */
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";

const PAYLOAD = Buffer.alloc(1 << 20, "x");

export class Floors {
  readonly #scratch: string;
  readonly #program: string | undefined;
  #runs = 0;

  constructor(scratch: string) {
    this.#scratch = scratch;
    this.#program = compile(scratch);
  }

  /** Said behind a floor's name. */
  get language(): string {
    return this.#program === undefined ? "Node (no C compiler here)" : "C";
  }

  /** Seconds of `open write fsync rename fsync(dir)`, so many times. */
  put(count: number, bytes: number): number {
    return this.#run("put", count, [bytes], (dir) => nodePut(dir, count, bytes));
  }

  /** Seconds of `open write rename fsync`, so many times: all that a put needs on some file systems. */
  putOneSync(count: number, bytes: number): number {
    return this.#run("putonce", count, [bytes], (dir) => nodePutOneSync(dir, count, bytes));
  }

  /**
   * Makes so many files; what is returned takes the seconds of `rename, open read close, unlink` of them.
   *
   * Apart, so that all are made before any is removed: ext4 is slow to make files where many were
   * removed lately, because it passes over their inodes.
   */
  prepareClaims(count: number, bytes: number): () => number {
    const dir = this.#fresh();
    const args = [dir, String(count), String(bytes)];
    const program = this.#program;
    if (program === undefined) makeFiles(dir, count, bytes);
    else execFileSync(program, ["files", ...args]);
    return () => {
      if (program === undefined) return nodeClaim(dir, count, bytes);
      return Number(execFileSync(program, ["claim", ...args]).toString());
    };
  }

  /** Seconds of so many renames of one file. */
  rename(count: number): number {
    return this.#run("rename", count, [], (dir) => nodeRename(dir, count));
  }

  /** Seconds of so many files, each linked and then renamed in all of the directories, and synced. */
  fanOut(count: number, directories: number, bytes: number): number {
    return this.#run("fanout", count, [directories, bytes], (dir) =>
      nodeFanOut(dir, count, directories, bytes),
    );
  }

  /** What to put before a command so that its most memory, in KiB, is written to a file; [] where nothing can. */
  rssPrefix(file: string): readonly string[] {
    if (this.#program !== undefined) return [this.#program, "rss", file];
    const time = "/usr/bin/time";
    return fs.existsSync(time) ? [time, "-q", "-f", "%M", "-o", file] : [];
  }

  #fresh(): string {
    const dir = join(this.#scratch, `floor${this.#runs++}`);
    fs.mkdirSync(dir);
    return dir;
  }

  /** What was made stays until the end: those who make files after a removal would pay for it. */
  #run(what: string, count: number, more: readonly number[], act: (dir: string) => number): number {
    const dir = this.#fresh();
    if (this.#program === undefined) return act(dir);
    const args = [what, dir, String(count), ...more.map(String)];
    return Number(execFileSync(this.#program, args).toString());
  }
}

function compile(scratch: string): string | undefined {
  const program = join(scratch, "floors");
  const source = join(import.meta.dirname, "floors.c");
  for (const compiler of ["cc", "gcc", "clang"]) {
    const { error, status, stderr } = spawnSync(compiler, ["-O2", "-o", program, source]);
    if (error === undefined && status === 0) return program;
    if (error === undefined) throw new Error(`${compiler}: ${stderr.toString()}`);
  }
  return undefined;
}

function seconds(act: () => void): number {
  const startMs = performance.now();
  act();
  return (performance.now() - startMs) / 1000;
}

function makeFile(path: string, bytes: number): number {
  const fd = fs.openSync(path, "wx");
  fs.writeSync(fd, PAYLOAD, 0, bytes);
  return fd;
}

function twoIn(dir: string): readonly [string, string] {
  const pair = [join(dir, "from"), join(dir, "to")] as const;
  for (const path of pair) fs.mkdirSync(path);
  return pair;
}

function nodePut(dir: string, count: number, bytes: number): number {
  const [from, to] = twoIn(dir);
  const directory = fs.openSync(to, "r");
  const tookS = seconds(() => {
    for (let at = 0; at < count; at++) {
      const fd = makeFile(`${from}/${at}`, bytes);
      fs.fsyncSync(fd);
      fs.closeSync(fd);
      fs.renameSync(`${from}/${at}`, `${to}/${at}`);
      fs.fsyncSync(directory);
    }
  });
  fs.closeSync(directory);
  return tookS;
}

function nodePutOneSync(dir: string, count: number, bytes: number): number {
  const [from, to] = twoIn(dir);
  return seconds(() => {
    for (let at = 0; at < count; at++) {
      const fd = makeFile(`${from}/${at}`, bytes);
      fs.renameSync(`${from}/${at}`, `${to}/${at}`);
      fs.fsyncSync(fd);
      fs.closeSync(fd);
    }
  });
}

function makeFiles(dir: string, count: number, bytes: number): void {
  const [from] = twoIn(dir);
  for (let at = 0; at < count; at++) fs.closeSync(makeFile(`${from}/${at}`, bytes));
}

function nodeClaim(dir: string, count: number, bytes: number): number {
  const [from, to] = [`${dir}/from`, `${dir}/to`];
  const into = Buffer.alloc(bytes);
  return seconds(() => {
    for (let at = 0; at < count; at++) {
      fs.renameSync(`${from}/${at}`, `${to}/${at}`);
      const fd = fs.openSync(`${to}/${at}`, "r");
      fs.readSync(fd, into);
      fs.closeSync(fd);
      fs.unlinkSync(`${to}/${at}`);
    }
  });
}

function nodeRename(dir: string, count: number): number {
  const [, to] = twoIn(dir);
  const names = [`${to}/0000000000000`, `${to}/0000000000001`] as const;
  fs.closeSync(makeFile(names[0], 100));
  return seconds(() => {
    for (let at = 0; at < count; at++) {
      fs.renameSync(at % 2 === 0 ? names[0] : names[1], at % 2 === 0 ? names[1] : names[0]);
    }
  });
}

function nodeFanOut(dir: string, count: number, directories: number, bytes: number): number {
  const [from, to] = twoIn(dir);
  for (let at = 0; at < directories; at++) {
    for (const part of ["incoming", "ready"]) {
      fs.mkdirSync(`${to}/${at}/${part}`, { recursive: true });
    }
  }
  return seconds(() => {
    for (let at = 0; at < count; at++) {
      const fd = makeFile(`${from}/${at}`, bytes);
      for (let sub = 0; sub < directories; sub++) {
        fs.linkSync(`${from}/${at}`, `${to}/${sub}/incoming/${at}`);
      }
      for (let sub = 0; sub < directories; sub++) {
        fs.renameSync(`${to}/${sub}/incoming/${at}`, `${to}/${sub}/ready/${at}`);
      }
      fs.fsyncSync(fd);
      fs.closeSync(fd);
      fs.unlinkSync(`${from}/${at}`);
    }
  });
}
