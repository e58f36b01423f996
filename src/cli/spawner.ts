/**
 * A spawner: a small process that runs commands for us, one after the other.
 *
 * Node forks: that copies the page tables of a large process, and then the pages that it goes on to write. A command
 * that does nothing takes 1.2 ms from here, and 0.6 from a process that can spawn without a copy. What is said
 * between us: spawner-script.ts.
 *
 * For a command its spawner is `work`, because it is its parent. So whoever tells the one to stop has told the
 * other; and whoever kills the one has killed both.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { Duplex } from "node:stream";

import { STDERR_TAIL_BYTES } from "../limits.ts";
import { Tail } from "./command.ts";
import type { Command, Ended } from "./command.ts";
import { SCRIPT } from "./spawner-script.ts";

export interface SpawnerEvents {
  readonly onReady: () => void;
  readonly onStderr: (bytes: Buffer) => void;
  /** It was asked to stop, as if it were us. */
  readonly onAsked: () => void;
  /** It is gone, and was not told to go. */
  readonly onGone: (isRunning: boolean) => void;
}

/** The usual one of two names is the first. */
const SIGNALS = new Map(
  Object.entries(constants.signals)
    .toReversed()
    .map(([name, number]) => [number, name as NodeJS.Signals]),
);

export class Spawner {
  readonly #child: ChildProcess;
  readonly #channel: Duplex | undefined;
  readonly #events: SpawnerEvents;
  #isClosed = false;
  #received: Buffer = Buffer.alloc(0);
  readonly #tail = new Tail(STDERR_TAIL_BYTES);
  /** Of the command that runs. */
  #ended: ((ended: Ended | undefined) => void) | undefined;

  /**
   * @param python  the path of one.
   * @param env     the environment of all commands.
   */
  constructor(python: string, env: NodeJS.ProcessEnv, events: SpawnerEvents) {
    this.#events = events;
    this.#child = spawn(python, ["-I", "-S", "-c", SCRIPT], {
      stdio: ["ignore", "inherit", "ignore", "pipe"],
      // In a session of its own no terminal reaches it.
      detached: true,
      // Nothing that Python, or the linker, would take for itself; and where it looks for commands.
      env: env["PATH"] === undefined ? {} : { PATH: env["PATH"] },
    });
    this.#child.on("error", () => this.#gone());
    this.#child.on("exit", () => this.#gone());
    // There is none where there are too many open files.
    this.#channel = this.#child.stdio?.[3] as Duplex | undefined;
    this.#channel?.on("data", (bytes: Buffer) => this.#receive(bytes));
    // What cannot be written is told by its end.
    this.#channel?.on("error", () => {});
    const words = Object.entries(env).flatMap(([name, value]) => [name, value ?? ""]);
    this.#channel?.write(frameOf(words));
  }

  /** What `run` takes; undefined where a word has a NUL in it, which would end it: that is for Node to refuse. */
  static requestFor({ argv, env, payload }: Command): Buffer | undefined {
    const words = ["run", payload, String(argv.length), ...argv];
    for (const name in env) words.push(name, env[name]!);
    return words.some((word) => word.includes("\0")) ? undefined : frameOf(words);
  }

  /** Runs a command to its end; undefined where it could not be run from there. */
  run(request: Buffer): Promise<Ended | undefined> {
    this.#channel?.write(request);
    return new Promise((resolve) => {
      this.#ended = resolve;
    });
  }

  /** Signals the command that was run last, and all that it has started. */
  kill(signal: NodeJS.Signals): void {
    this.#channel?.write(frameOf(["kill", String(constants.signals[signal])]));
  }

  /** Ends it, where nothing runs. If we die it ends by itself, and what runs goes on. */
  close(): void {
    this.#isClosed = true;
    this.#channel?.destroy();
    this.#child.kill("SIGKILL");
  }

  #receive(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 5) {
      const end = 5 + this.#received.readUInt32BE(1);
      if (this.#received.length < end) return;
      const letter = String.fromCharCode(this.#received[0]!);
      const body = this.#received.subarray(5, end);
      this.#received = this.#received.subarray(end);
      this.#hear(letter, body);
    }
  }

  #hear(letter: string, body: Buffer): void {
    if (letter === "E") {
      this.#tail.add(body);
      this.#events.onStderr(body);
    } else if (letter === "X") {
      this.#end({ ...endOf(body.readUInt32BE()), stderr: this.#tail.take() });
    } else if (letter === "N") this.#end(undefined);
    else if (letter === "H") this.#events.onReady();
    else this.#events.onAsked();
  }

  #end(ended: Ended | undefined): void {
    const resolve = this.#ended;
    this.#ended = undefined;
    resolve?.(ended);
  }

  #gone(): void {
    if (this.#isClosed) return;
    this.close();
    this.#events.onGone(this.#ended !== undefined);
  }
}

function frameOf(words: readonly string[]): Buffer {
  const body = words.join("\0");
  const frame = Buffer.allocUnsafe(4 + Buffer.byteLength(body));
  frame.writeUInt32BE(frame.length - 4);
  frame.write(body, 4);
  return frame;
}

/** What wait(2) says of how a process ended. */
function endOf(status: number): Omit<Ended, "stderr"> {
  const number = status & 0x7f;
  if (number === 0) return { code: status >> 8, signal: null };
  return { code: null, signal: SIGNALS.get(number) ?? (`SIG${number}` as NodeJS.Signals) };
}
