/**
 * The other end of sampler-process.ts: what it has told, how long it has been silent, and another one where
 * it dies. Never waits for it, and never touches the spool.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";

import { monotonicMs } from "../clock.ts";
import { isSameAsk } from "./detail.ts";
import type { Ask } from "./detail.ts";
import { Told } from "./told.ts";
import type { Source } from "./told.ts";
import type { FromSampler, Task, ToSampler } from "./sampler-messages.ts";

/** After the death of one, the next begins after so long, in ms. */
const AGAIN_MS = 1000;

/** What it says when it dies is kept up to this, in characters. */
const LAST_WORDS = 300;

export interface RemoteOptions extends Task {
  /** A program for Node, and its arguments, that calls `runSamplerProcess`. */
  readonly program: readonly string[];
  readonly onNews: () => void;
  /** Is given all that is told. */
  readonly record?: (message: FromSampler) => void;
}

export class RemoteSampler implements Source {
  readonly told = new Told();
  readonly isRecorded = false;
  readonly #options: RemoteOptions;
  #child: ChildProcess | undefined;
  #heardMs = monotonicMs();
  #intervalMs: number;
  #wanted: readonly string[] = [];
  #ask: Ask | undefined;
  #again: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(options: RemoteOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs;
    this.#start();
  }

  get silentMs(): number {
    return monotonicMs() - this.#heardMs;
  }

  get nowMs(): number {
    return Date.now();
  }

  seek(): void {}

  pause(): void {}

  forgive(): void {
    this.#heardMs = monotonicMs();
  }

  want(keys: readonly string[]): void {
    if (keys.join("\n") === this.#wanted.join("\n")) return;
    this.#wanted = keys;
    this.#say({ kind: "wanted", names: keys });
  }

  ask(ask: Ask | undefined): void {
    if (ask === this.#ask || (ask && this.#ask && isSameAsk(ask, this.#ask))) return;
    this.#ask = ask;
    this.#say({ kind: "ask", ask });
  }

  askAgain(): void {
    this.#say({ kind: "ask", ask: this.#ask });
  }

  setInterval(ms: number): void {
    if (ms === this.#intervalMs) return;
    this.#intervalMs = ms;
    this.#say({ kind: "interval", ms });
  }

  /** Leaves it: one that answers saves its counts and ends, one that does not is killed, if it can be. */
  end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#again);
    const child = this.#child;
    if (child === undefined) return;
    if (child.connected) child.disconnect();
    if (this.silentMs > 1500) child.kill("SIGKILL");
    child.unref();
  }

  #start(): void {
    const [program = "", ...args] = this.#options.program;
    const child = fork(program, args, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.#child = child;
    this.#heardMs = monotonicMs();
    let words = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      words = (words + text).slice(-LAST_WORDS);
    });
    child.on("message", (message: FromSampler) => this.#hear(message));
    child.once("error", ({ message }) => this.#lost(child, message));
    child.once("exit", (code, signal) => this.#lost(child, `${signal ?? `exit ${code}`} ${words}`));
    const { dir, cacheDir, names } = this.#options;
    this.#say({ kind: "task", task: { dir, cacheDir, names, intervalMs: this.#intervalMs } });
    if (this.#wanted.length > 0) this.#say({ kind: "wanted", names: this.#wanted });
    if (this.#ask !== undefined) this.#say({ kind: "ask", ask: this.#ask });
  }

  #say(message: ToSampler): void {
    const child = this.#child;
    // What cannot be said to one that dies is said to the next one.
    if (child?.connected) child.send(message, () => {});
  }

  #hear(message: FromSampler): void {
    this.#heardMs = monotonicMs();
    if (message.kind === "beat") return;
    this.told.take(message);
    this.#options.record?.(message);
    this.#options.onNews();
  }

  #lost(child: ChildProcess, why: string): void {
    if (this.#hasEnded || child !== this.#child) return;
    this.#child = undefined;
    const message = `the process that looks at the spool ended: ${why.replaceAll(/\s+/g, " ").trim()}`;
    this.told.failure = { code: "BUG", message, hint: "" };
    this.#again = setTimeout(() => this.#start(), AGAIN_MS);
    this.#options.onNews();
  }
}
