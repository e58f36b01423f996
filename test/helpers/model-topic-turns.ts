/**
 * Processes that take turns: `Interleaved` (model-race.ts) for long lives.
 *
 * Each call to the disk is a turn, and so is each sleep; who is next is decided by chance, in bursts. A
 * process can be killed, or stand still while time jumps ahead, at any of its calls that change a
 * name. A `link` is two turns, as in a kernel: first its source is looked up, then the name is made,
 * also where the source has been renamed in between.
 */
import { AsyncLocalStorage } from "node:async_hooks";

import type { FileSystem } from "../../src/disk/file-system.ts";
import { Crash } from "./crashing-file-system.ts";
import { chance } from "./model-chance.ts";
import { MemoryDisk, ModelTime } from "./model-disk.ts";

/** A file system's clock moves in ticks of so many ms; processes know the time between. */
const TICK_MS = 4;
/** What is done when all sleep: time flies. */
const LONG_SLEEP_MS = 5000;
/** Calls after which a race counts as one that never ends. */
const CALLS = 60_000;

/** Where links are between their two turns. */
const UNDER_WAY = "/under-way";

export interface Pace {
  readonly seed: number;
  /** The chance that after a call another process goes on. */
  readonly swap: number;
  /** How long a call takes, in ms, about. */
  readonly callMs: number;
  /** The chance that a call that needs space finds none. */
  readonly full: number;
}

/** What happens to a process at its n-th call that changes a name. */
export interface Fate {
  readonly process: number;
  /** Only calls of a fan-out count. */
  readonly isFanOut: boolean;
  readonly move: number;
  /** By how much time jumps ahead, in ms; undefined: it dies. */
  readonly jumpMs: number | undefined;
  /** For so many calls of others it stands still. */
  readonly calls: number;
}

interface Call {
  readonly process: string;
  readonly isSleep: boolean;
  readonly act: () => void;
  readonly refuse: (error: Error) => void;
}

const MOVES = new Set(["link", "land", "rename", "unlink", "mkdir", "rmdir"]);
const FAN_OUT = /\/(staging|committed|incoming)\//;
const NEED_SPACE = new Set(["link", "rename", "mkdir", "write"]);

export function errno(code: string, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path });
}

export class Turns {
  /** What processes take for the time; the disk's is a tick of it. */
  readonly time = new ModelTime();
  readonly #diskTime = new ModelTime();
  readonly disk = new MemoryDisk(this.#diskTime);
  readonly #pace: Pace;
  readonly #random: () => number;
  readonly #who = new AsyncLocalStorage<string>();
  readonly #waiting: Call[] = [];
  readonly #running = new Set<string>();
  readonly #failures: unknown[] = [];
  readonly #dead = new Set<string>();
  readonly #stalls = new Map<string, number>();
  readonly #fates = new Map<string, Fate>();
  readonly #moves = new Map<string, number>();
  #last = "";
  #links = 0;
  #isRacing = false;
  calls = 0;
  /** Told before each call that changes a name, and after it where it worked. */
  before: (process: string, name: string, from: string, to: string) => void = () => {};
  after: (process: string, name: string, from: string, to: string) => void = () => {};
  onFate: (process: string, fate: Fate) => void = () => {};

  constructor(pace: Pace, fates: readonly Fate[]) {
    this.#pace = pace;
    this.#random = chance(pace.seed);
    for (const fate of fates) {
      this.#fates.set(`p${fate.process} ${fate.isFanOut} ${fate.move}`, fate);
    }
    this.disk.mkdir(UNDER_WAY);
    this.advance(0);
  }

  advance(ms: number): void {
    this.time.advance(ms);
    this.#diskTime.nowMs = Math.floor(this.time.nowMs / TICK_MS) * TICK_MS;
  }

  isDead(process: string): boolean {
    return this.#dead.has(process);
  }

  /** The disk as a process sees it. */
  process(process: string): FileSystem {
    return new Proxy<FileSystem>(this.disk, {
      get: (disk, name) => {
        const method: unknown = disk[name as keyof FileSystem];
        if (typeof method !== "function") return method;
        const syscall = String(name);
        if (syscall === "link") {
          return (from: string, to: string) => this.#link(process, from, to);
        }
        return (...args: unknown[]): unknown =>
          this.#call(process, syscall, args, () => Reflect.apply(method, disk, args) as unknown);
      },
    });
  }

  async #link(process: string, from: string, to: string): Promise<void> {
    const held = `${UNDER_WAY}/${this.#links++}`;
    await this.#call(process, "link", [from, to], () => this.disk.link(from, held));
    await this.#call(process, "land", [from, to], () => {
      try {
        // The last name of it went meanwhile: there is nothing to link any more.
        if (this.disk.lstat(held).links === 1) throw errno("ENOENT", "link", from);
        this.disk.link(held, to);
      } finally {
        this.disk.unlink(held);
      }
    });
  }

  #call(process: string, name: string, args: unknown[], act: () => unknown): unknown {
    const [from, to] = [String(args[0]), String(args[1])];
    const told = (): unknown => {
      const needsSpace = NEED_SPACE.has(name) || (name === "open" && to === "create");
      const { full } = this.#pace;
      if (this.#isRacing && full > 0 && needsSpace && this.#random() < full) {
        throw errno("ENOSPC", name, from);
      }
      if (MOVES.has(name)) this.before(process, name, from, to);
      const result = act();
      if (MOVES.has(name)) this.after(process, name, from, to);
      return result;
    };
    if (this.#isRacing) {
      if (MOVES.has(name)) this.#move(process, FAN_OUT.test(from) || FAN_OUT.test(to));
      return this.#turn(process, name, told);
    }
    this.#count();
    return told();
  }

  #turn(process: string, name: string, act: () => unknown): Promise<unknown> {
    if (this.#dead.has(process)) return Promise.reject(new Crash(`${process} is dead`));
    return new Promise((resolve, reject) => {
      const take = (): void => {
        try {
          resolve(act());
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.push({ process, isSleep: name === "sleep", act: take, refuse: reject });
    });
  }

  /** Before its call, so that whatever it did before has happened. */
  #move(process: string, isFanOut: boolean): void {
    for (const kind of isFanOut ? [true, false] : [false]) {
      const key = `${process} ${kind}`;
      const move = (this.#moves.get(key) ?? 0) + 1;
      this.#moves.set(key, move);
      this.#meet(process, this.#fates.get(`${key} ${move}`));
    }
  }

  #meet(process: string, fate: Fate | undefined): void {
    if (fate === undefined || this.#dead.has(process)) return;
    this.onFate(process, fate);
    if (fate.jumpMs === undefined) {
      this.#dead.add(process);
      const mine = this.#waiting.filter((call) => call.process === process);
      for (const call of mine) {
        this.#waiting.splice(this.#waiting.indexOf(call), 1);
        call.refuse(new Crash(`${process} is dead`));
      }
    } else {
      this.advance(fate.jumpMs);
      this.#stalls.set(process, this.calls + fate.calls);
    }
  }

  /** In place of setTimeout. */
  sleep = (wake: () => void, ms: number): void => {
    const process = this.#who.getStore() ?? "";
    const act = (): void => {
      this.advance(ms);
      wake();
    };
    this.#turn(process, "sleep", act).catch(() => {});
  };

  /** Lets a process do something once the race begins. Its failure fails the race, its death does not. */
  start(process: string, act: () => Promise<void>): void {
    this.#running.add(process);
    const go = async (): Promise<void> => {
      try {
        await this.#turn(process, "start", () => {});
        await act();
      } catch (error) {
        if (!(error instanceof Crash)) this.#failures.push(error);
      }
      this.#running.delete(process);
    };
    void this.#who.run(process, go);
    this.#isRacing = true;
  }

  /** Runs until all are done or dead. @throws what any of them throws. */
  async run(): Promise<void> {
    for (;;) {
      await this.#settled();
      if (this.#failures.length > 0) throw this.#failures[0];
      if (this.#waiting.length === 0) break;
      const call = this.#pick();
      this.#last = call.process;
      this.#count();
      this.advance(this.#random() * 2 * this.#pace.callMs);
      call.act();
    }
    this.#isRacing = false;
  }

  #count(): void {
    if (++this.calls > CALLS) throw new Error(`no end: ${[...this.#running].join(", ")}`);
  }

  /** All that follows from the last call, up to the next one of each process. */
  async #settled(): Promise<void> {
    for (let tries = 0; tries < 1000; tries++) {
      await new Promise((resolve) => setImmediate(resolve));
      const busy = new Set(this.#waiting.map(({ process }) => process));
      if ([...this.#running].every((process) => busy.has(process))) return;
    }
    throw new Error(`stuck: ${[...this.#running].join(", ")}`);
  }

  #pick(): Call {
    let free = this.#waiting.filter(
      ({ process }) => (this.#stalls.get(process) ?? 0) <= this.calls,
    );
    // Who stands still goes on where nobody else can.
    if (free.length === 0) free = this.#waiting;
    const awake = free.filter(({ isSleep }) => !isSleep);
    if (awake.length === 0) this.advance(LONG_SLEEP_MS);
    const mine = awake.filter(({ process }) => process === this.#last);
    const isBurst = mine.length > 0 && this.#random() >= this.#pace.swap;
    // A sleeper wakes up now and then, and at the latest when all sleep.
    const isForAll = awake.length === 0 || this.#random() < 0.2;
    const choice = isBurst ? mine : isForAll ? free : awake;
    const call = choice[Math.floor(this.#random() * choice.length)]!;
    this.#waiting.splice(this.#waiting.indexOf(call), 1);
    return call;
  }
}
