/**
 * Time that a simulation moves: setTimeout, setInterval, Date.now and performance.now as the engine and
 * its libraries call them, while `install`ed; and Math.random and WeakRef, so that a seed decides what
 * chance and the garbage collector decide elsewhere. Each timer belongs to the process that set it.
 */
import { AsyncLocalStorage } from "node:async_hooks";

export interface Timer {
  readonly process: string;
  atMs: number;
  readonly everyMs: number | undefined;
  readonly act: () => void;
  /** Timers of the same instant go in the order in which they were set. */
  readonly order: number;
}

/** Never lets go: when memory is collected follows from the load, and what a queue remembers with it. */
class StrongRef<T> {
  readonly #target: T;

  constructor(target: T) {
    this.#target = target;
  }

  deref(): T {
    return this.#target;
  }
}

export class VirtualTime {
  /** True time in ms since the epoch; nobody but the simulation sees it. */
  nowMs = 1_767_225_600_000;
  /** How far the clock of who asks is off, in ms. */
  skewMs: (process: string) => number = () => 0;
  isDead: (process: string) => boolean = () => false;
  readonly who = new AsyncLocalStorage<string>();
  readonly #timers = new Set<Timer>();
  #order = 0;

  #set(act: () => void, ms: number, everyMs: number | undefined): object {
    const timer: Timer = {
      process: this.who.getStore() ?? "",
      atMs: this.nowMs + ms,
      everyMs,
      act: AsyncLocalStorage.bind(act),
      order: this.#order++,
    };
    if (!this.isDead(timer.process)) this.#timers.add(timer);
    const handle = { timer, ref: () => handle, unref: () => handle, hasRef: () => true };
    return handle;
  }

  #clear = (handle: unknown): void => {
    this.#timers.delete((handle as { timer?: Timer } | undefined)?.timer as Timer);
  };

  /** The timers of these processes, the next one first. */
  next(isOf: (process: string) => boolean): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (!isOf(timer.process)) continue;
      if (first === undefined || timer.atMs < first.atMs) first = timer;
    }
    return first;
  }

  fire(timer: Timer): void {
    if (timer.everyMs === undefined) this.#timers.delete(timer);
    else timer.atMs = Math.max(timer.atMs + timer.everyMs, this.nowMs);
    timer.act();
  }

  has(process: string): boolean {
    for (const timer of this.#timers) if (timer.process === process) return true;
    return false;
  }

  forget(process: string): void {
    for (const timer of this.#timers) if (timer.process === process) this.#timers.delete(timer);
  }

  /** @returns what puts everything back. */
  install(random: () => number): () => void {
    const { setTimeout, setInterval, clearTimeout, clearInterval, WeakRef } = globalThis;
    const dateNow = Date.now;
    const chance = Math.random;
    const performanceNow = performance.now.bind(performance);
    const asked = (): number => Math.floor(this.nowMs + this.skewMs(this.who.getStore() ?? ""));
    Object.assign(globalThis, {
      setTimeout: (act: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        this.#set(() => act(...args), ms, undefined),
      setInterval: (act: () => void, ms = 0) => this.#set(act, ms, ms),
      clearTimeout: this.#clear,
      clearInterval: this.#clear,
      WeakRef: StrongRef,
    });
    Date.now = asked;
    Math.random = random;
    performance.now = () => this.nowMs;
    const hrtime = process.hrtime;
    const seconds = (): [number, number] => {
      const whole = Math.floor(this.nowMs / 1000);
      return [whole, (this.nowMs - whole * 1000) * 1e6];
    };
    process.hrtime = Object.assign(seconds, { bigint: () => hrtime.bigint() });
    return () => {
      Object.assign(globalThis, { setTimeout, setInterval, clearTimeout, clearInterval, WeakRef });
      Date.now = dateNow;
      Math.random = chance;
      performance.now = performanceNow;
      process.hrtime = hrtime;
    };
  }
}
