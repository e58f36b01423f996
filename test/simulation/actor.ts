/** One simulated process with the engine in it: it does jobs, and writes down what it was told. */
import { DiskClock } from "../../src/clock.ts";
import { listIfThere } from "../../src/disk/durable.ts";
import type { FileSystem } from "../../src/disk/file-system.ts";
import type { Processes } from "../../src/disk/processes.ts";
import { fromErrno, SpoolError } from "../../src/errors.ts";
import { TMP_SWEEP_MS } from "../../src/limits.ts";
import type { SpoolErrorCode } from "../../src/errors.ts";
import type { LeaseStyle } from "../../src/queue/lease.ts";
import type { Message } from "../../src/queue/message.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import type { Chance } from "./disk.ts";
import type { Handing, History, Hold, How, Sent, Settling } from "./history.ts";
import type { Machine } from "./machine.ts";

// Loaded now, all that is loaded late: a simulated process has no time for a real disk.
await Promise.all([
  import("../../src/topic/index.ts"),
  import("../../src/queue/verify.ts"),
  import("proper-lockfile"),
  import("chokidar"),
]);

/** A host of the simulation. It boots anew after each power cut. */
export interface Host {
  readonly name: string;
  boot: number;
  /** Its monotonic clock began then, in ms of true time. */
  bootedMs: number;
}

export interface ActorParts {
  readonly name: string;
  readonly number: number;
  readonly host: Host;
  readonly machine: Machine;
  readonly history: History;
  readonly random: Chance;
  /** Receipts that were handed out, and by which anybody may settle. */
  readonly receipts: { readonly text: string; readonly handing: Handing }[];
  /** It hands out receipts at the end, as `take --lease` does, and not one by one. */
  readonly isOrderly: boolean;
}

export class Actor {
  readonly name: string;
  readonly machine: Machine;
  readonly history: History;
  readonly random: Chance;
  readonly receipts: ActorParts["receipts"];
  readonly fs: FileSystem;
  readonly isOrderly: boolean;
  readonly #parts: ActorParts;
  #spool: Spool | undefined;

  constructor(parts: ActorParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.machine = parts.machine;
    this.history = parts.history;
    this.random = parts.random;
    this.receipts = parts.receipts;
    this.isOrderly = parts.isOrderly;
    this.fs = parts.machine.fileSystem(parts.name);
  }

  get spool(): Spool {
    return this.#spool!;
  }

  async open(): Promise<void> {
    const { machine, host, number, random } = this.#parts;
    const self = tokenOf(host, number);
    const processes: Processes = {
      self,
      host: host.name,
      isGone: (token) => {
        const [, theirHost, boot, theirNumber] = TOKEN.exec(token) ?? [];
        return theirHost === host.name && Number(boot) === host.boot
          ? machine.isDead(`p${theirNumber}`)
          : false;
      },
    };
    const clock = new DiskClock(() => machine.time.nowMs - host.bootedMs);
    this.#spool = await openSpool({
      dir: "/spool",
      parts: { fs: this.fs, processes, random, clock },
    });
  }

  get nowMs(): number {
    return this.machine.time.nowMs;
  }

  /** A number from 0 to below `limit`. */
  upTo(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.upTo(items.length)]!;
  }

  /** The names in a directory, or none where it is not there. */
  listed(path: string): Promise<string[]> {
    return listIfThere(this.fs, path);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** A payload that is there only once, of any length. */
  body(): string {
    const length = this.random() < 0.1 ? this.upTo(9000) : this.upTo(40);
    return `${this.name}.${this.history.name()} ${"x".repeat(length)}`;
  }

  /**
   * What a call returns, or the code of an error that it may fail with. The dead are told nothing.
   *
   * @throws all others.
   */
  async told<T>(act: () => Promise<T>, ...codes: SpoolErrorCode[]): Promise<T | SpoolErrorCode> {
    let told: T | SpoolErrorCode;
    try {
      told = await act();
    } catch (thrown) {
      const error = fromErrno(thrown);
      if (!(error instanceof SpoolError)) throw thrown;
      // Who was stopped for more than a day gives up: how much came of it is not told.
      const isLate = error.message.includes("took longer than a day");
      // It may have happened, as after any lost reply: who put it looks for its draft, and a consumer was faster. Or
      // it was stopped in its last call for so long that it was swept.
      const mayBeGone =
        this.machine.counts.lostReplies > 0 || this.machine.longestWaitMs(this.name) > TMP_SWEEP_MS;
      const isUnsure = mayBeGone && error.message.includes("removed by somebody");
      if (!codes.includes(error.code) && !isLate && !isUnsure) throw thrown;
      told = error.code;
    }
    if (this.machine.isDead(this.name)) return new Promise(() => {});
    return told;
  }

  /** Writes down what is about to be sent. */
  sending(to: string, bodies: readonly string[], more: Partial<Sent> = {}): Sent[] {
    const call = this.history.step();
    const sent = bodies.map((body): Sent => ({
      body,
      to,
      level: "info",
      key: undefined,
      began: call,
      call,
      process: this.name,
      beganMs: this.nowMs,
      ...more,
    }));
    this.history.sent.push(...sent);
    return sent;
  }

  /** A consumer begins. */
  holding(place: string, style: LeaseStyle, ttlMs: number, since = this.history.now): Hold {
    const { name: process, nowMs: sinceMs } = this;
    const isLoose = style === "handed out" && !this.isOrderly;
    const hold: Hold = { place, process, style, ttlMs, since, sinceMs, extensions: [], isLoose };
    this.history.holds.push(hold);
    return hold;
  }

  /** A consumer begins to end. What the dead come to after their last call counts for nothing. */
  ended(hold: Hold): void {
    if (!this.machine.isDead(this.name)) hold.endedMs = this.nowMs;
  }

  /** It has ended: what it had in hand was given back. */
  closed(hold: Hold): void {
    if (!this.machine.isDead(this.name)) hold.isClosed = true;
  }

  /** A consumer has this message now. */
  async handed(message: Message, hold: Hold): Promise<Handing> {
    const at = this.history.step();
    const atMs = this.nowMs;
    const isAlone = (message.held.slice?.count ?? 1) === 1;
    const body = (await message.body()).toString();
    const handing: Handing = {
      place: message.queue,
      body,
      replay: message.held.slice?.replay,
      id: message.id,
      process: this.name,
      since: hold.since,
      at,
      atMs,
      attempt: message.attempt,
      isAlone,
      hold,
      settlings: [],
    };
    if (!this.machine.isDead(this.name)) this.history.handings.push(handing);
    return handing;
  }

  async settle(handing: Handing, how: How, act: () => Promise<void>): Promise<void> {
    const settling: Settling = { how, began: this.history.step() };
    handing.settlings.push(settling);
    const told = await this.told(act, "LEASE_LOST", "NO_QUEUE", "IO");
    settling.ended = this.history.step();
    settling.endedMs = this.nowMs;
    settling.result = told ?? "ok";
  }
}

const TOKEN = /^b(h\d)(\d+)\.n1\.p(\d+)$/;

function tokenOf(host: Host, number: number): string {
  return `b${host.name}${host.boot}.n1.p${number}`;
}
