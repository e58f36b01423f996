/**
 * A simulated machine, or several that share a disk: processes whose system calls take turns.
 *
 * Each call to the disk is one turn, or two: the path is looked up, and later the act is done. A timer
 * that fires is a turn, too. Who is next is drawn from the seed; before and after any turn a process
 * may be killed (with its call done or not), stopped for a while, or the power may go. What a run does
 * follows from its seed alone.
 */
import type { FileSystem } from "../../src/disk/file-system.ts";
import { hear } from "./bells.ts";
import { NO_DANGERS } from "./dangers.ts";
import type { Dangers, Pace } from "./dangers.ts";
import type { Chance, Half, SimulatedDisk } from "./disk.ts";
import { VirtualTime } from "./virtual-time.ts";

/** Turns after which a run counts as one that never ends. */
const TURNS = 200_000;

/** Turns of the event loop in which a process must come to its next call. */
const ROUNDS = 1000;

/** The same for a process that has a timer: then it may only wait for that. */
const QUIET_ROUNDS = 20;

/** Calls that change names. Death is tried there more often than elsewhere. */
const CHANGES = new Set(["open", "rename", "link", "unlink", "mkdir", "rmdir", "sync"]);

/** Calls that look a path up first. */
const HALVED = new Set(["open", "rename", "link", "unlink", "mkdir", "rmdir", "list"]);

/** Calls that a network repeats when the reply got lost, with another answer then. */
const REPEATED = new Set(["rename", "link", "unlink", "mkdir", "rmdir"]);

interface Call {
  readonly process: string;
  readonly name: string;
  readonly path: string;
  readonly sinceMs: number;
  readonly act: () => void;
}

export interface Counts {
  turns: number;
  kills: number;
  stops: number;
  powerCuts: number;
  jumps: number;
  lostReplies: number;
}

export class Machine {
  readonly time = new VirtualTime();
  readonly counts: Counts = {
    turns: 0,
    kills: 0,
    stops: 0,
    powerCuts: 0,
    jumps: 0,
    lostReplies: 0,
  };
  /** By how much the disk's clock is off, in ms. */
  diskSkewMs = 0;
  readonly pace: Pace;
  /** Told of each turn, for a trace. */
  onTurn: (line: string) => void = () => {};
  onPowerCut: () => void = () => {};
  onJump: () => void = () => {};
  /** Told of a process's end, and of the longest time that it waited for its turn. */
  onEnd: (process: string, longestWaitMs: number) => void = () => {};
  #dangers = NO_DANGERS;
  readonly #random: Chance;
  #disk: SimulatedDisk | undefined;
  #waiting: Call[] = [];
  readonly #running = new Set<string>();
  readonly #dead = new Set<string>();
  readonly #stoppedUntilMs = new Map<string, number>();
  readonly #longestWaitMs = new Map<string, number>();
  #failure: unknown;
  #last = "";

  constructor(pace: Pace, random: Chance) {
    this.pace = pace;
    this.#random = random;
    this.time.isDead = (process) => this.#dead.has(process);
  }

  use(disk: SimulatedDisk): void {
    this.#disk = disk;
  }

  /** The disk's clock, which ticks; a file's mtime. */
  diskNowMs(tickMs: number): number {
    return Math.floor((this.time.nowMs + this.diskSkewMs) / tickMs) * tickMs;
  }

  isDead(process: string): boolean {
    return this.#dead.has(process);
  }

  /** The disk as a process sees it; after its death no call of it returns. */
  fileSystem(process: string): FileSystem {
    return new Proxy(this.#disk!, {
      get: (_disk, name) => {
        if (typeof name !== "string" || name === "then") return undefined;
        return (...args: unknown[]): Promise<unknown> => this.#call(process, name, args);
      },
    }) as unknown as FileSystem;
  }

  async #call(process: string, name: string, args: readonly unknown[]): Promise<unknown> {
    const path = args.filter((arg) => typeof arg === "string").join(" -> ");
    if (!HALVED.has(name) || this.#random() >= this.#dangers.halves) {
      return this.#turn(process, name, path, () => this.#reply(name, args));
    }
    const half: Half<unknown> = await this.#turn(process, `look up for ${name}`, path, () =>
      this.#disk!.begin(name, args),
    );
    return this.#turn(process, name, path, half);
  }

  #reply(name: string, args: readonly unknown[]): unknown {
    const result = this.#disk!.begin(name, args)();
    // An event may get lost.
    if (name === "touch" && this.#random() < 0.8) hear(args[0] as string);
    if (REPEATED.has(name) && this.#random() < this.#dangers.lostReply) {
      this.counts.lostReplies++;
      return this.#disk!.begin(name, args)();
    }
    return result;
  }

  #turn<T>(process: string, name: string, path: string, act: () => T): Promise<T> {
    if (this.#dead.has(process)) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const take = (): void => {
        try {
          resolve(act());
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.push({ process, name, path, sinceMs: this.time.nowMs, act: take });
    });
  }

  /** Lets a process begin. Its failure fails the run; its death does not. */
  start(process: string, main: () => Promise<void>): void {
    this.#running.add(process);
    const go = async (): Promise<void> => {
      try {
        await this.#turn(process, "start", "", () => {});
        await main();
      } catch (error) {
        this.#failure ??= Object.assign(error as Error, { process });
      }
      this.#end(process);
    };
    void this.time.who.run(process, go);
  }

  #end(process: string): void {
    for (const call of this.#waiting) {
      if (call.process === process) this.#waited(process, call.sinceMs);
    }
    const timer = this.time.next((other) => other === process);
    if (timer !== undefined) this.#waited(process, timer.atMs);
    this.onEnd(process, this.longestWaitMs(process));
    this.#running.delete(process);
    this.#stoppedUntilMs.delete(process);
    this.#dead.add(process);
    this.#waiting = this.#waiting.filter((call) => call.process !== process);
    this.time.forget(process);
  }

  /** It wanted to go on since then. */
  /** The longest time that it wanted to go on and could not, in ms. */
  longestWaitMs(process: string): number {
    return this.#longestWaitMs.get(process) ?? 0;
  }

  #waited(process: string, sinceMs: number): void {
    const longestMs = this.#longestWaitMs.get(process) ?? 0;
    this.#longestWaitMs.set(process, Math.max(longestMs, this.time.nowMs - sinceMs));
  }

  kill(process: string): void {
    this.counts.kills++;
    this.onTurn(`${process} is killed`);
    this.#end(process);
  }

  powerCut(): void {
    this.counts.powerCuts++;
    this.onTurn("the power goes");
    for (const process of this.#running) this.#end(process);
    this.#disk!.powerCut();
    this.onPowerCut();
  }

  /** Runs until all are done or dead. @throws what any of them throws. */
  async run(dangers: Dangers): Promise<void> {
    this.#dangers = dangers;
    for (;;) {
      await this.#settled();
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#running.size === 0) return;
      if (++this.counts.turns > TURNS) throw new Error(`no end: ${[...this.#running].join(", ")}`);
      this.#step();
    }
  }

  #step(): void {
    const call = this.#pick();
    if (call === undefined) return;
    const { name, process } = call;
    this.#last = process;
    this.time.nowMs += this.#random() * 2 * this.pace.callMs;
    const risk = CHANGES.has(name) ? 1 : 0.2;
    const { kill, stop, powerCut, jump, writeBack } = this.#dangers;
    if (this.#random() < powerCut * risk) {
      // At its last instant the call may have been done.
      if (this.#random() < 0.5) this.#take(call);
      this.powerCut();
      return;
    }
    if (this.#random() < kill * risk) {
      if (this.#random() < 0.5) this.#take(call);
      this.kill(process);
      return;
    }
    if (this.#random() < writeBack) this.#disk!.writeBack();
    if (this.#random() < jump) {
      this.counts.jumps++;
      this.diskSkewMs += (this.#random() - 0.5) * 2 * 3600_000 * this.#random() ** 3;
      this.onJump();
      this.onTurn(`the disk's clock is off by ${Math.round(this.diskSkewMs)} ms`);
    }
    this.#take(call);
    if (this.#random() < stop * risk) this.#stop(process);
  }

  #take(call: Call): void {
    this.#waiting.splice(this.#waiting.indexOf(call), 1);
    this.#waited(call.process, call.sinceMs);
    this.onTurn(`${call.process} ${call.name} ${call.path}`);
    call.act();
  }

  /** For some calls, a lease, a publish's patience, hours. */
  #stop(process: string): void {
    const spans = [50, 1000, 8000, 8000, 40_000, 40_000, 200_000, 2 * 3600_000, 40 * 3600_000];
    const ms = spans[Math.floor(this.#random() * spans.length)]! * (0.5 + this.#random());
    this.counts.stops++;
    this.#stoppedUntilMs.set(process, this.time.nowMs + ms);
    this.#waited(process, this.time.nowMs - ms);
    this.onTurn(`${process} is stopped for ${Math.round(ms)} ms`);
  }

  #isStopped(process: string): boolean {
    return (this.#stoppedUntilMs.get(process) ?? 0) > this.time.nowMs;
  }

  /** The next call; undefined where a timer fired instead, or time had to pass. */
  #pick(): Call | undefined {
    const awake = this.#waiting.filter(({ process }) => !this.#isStopped(process));
    const timer = this.time.next((process) => !this.#isStopped(process));
    if (timer !== undefined && timer.atMs <= this.time.nowMs && this.#random() < 0.5) {
      this.#last = timer.process;
      this.onTurn(`${timer.process} wakes up`);
      this.#waited(timer.process, timer.atMs);
      this.time.fire(timer);
      return undefined;
    }
    if (awake.length === 0) {
      this.#pass(timer?.atMs);
      return undefined;
    }
    const mine = awake.filter(({ process }) => process === this.#last);
    const choice = mine.length > 0 && this.#random() >= this.pace.swap ? mine : awake;
    return choice[Math.floor(this.#random() * choice.length)];
  }

  /** Nobody can go on now: time flies to whatever is next. */
  #pass(timerMs = Number.POSITIVE_INFINITY): void {
    const wakes = [...this.#running].map(
      (process) => this.#stoppedUntilMs.get(process) ?? Number.POSITIVE_INFINITY,
    );
    const later = wakes.filter((ms) => ms > this.time.nowMs);
    const nextMs = Math.min(timerMs, ...later);
    if (nextMs === Number.POSITIVE_INFINITY) {
      throw new Error(`all wait for nothing: ${[...this.#running].join(", ")}`);
    }
    this.time.nowMs = Math.max(this.time.nowMs, nextMs);
  }

  /** All that follows from the last turn, up to the next call or timer of each process. */
  async #settled(): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#failure !== undefined) return;
      const busy = new Set(this.#waiting.map(({ process }) => process));
      const isBusy = (process: string): boolean =>
        busy.has(process) || (round >= QUIET_ROUNDS && this.time.has(process));
      if ([...this.#running].every(isBusy)) return;
    }
    throw new Error(`stuck: ${[...this.#running].join(", ")}`);
  }
}
