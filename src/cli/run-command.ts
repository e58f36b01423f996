/**
 * Running a command for a message: payload on stdin, its path in `{}` and SPOOL_FILE.
 *
 * The command gets a process group of its own, so that ^C in a terminal reaches the worker alone,
 * and so that a time-out ends everything that the command has started.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";

import { dropPayload, writePayload } from "../disk/payload-file.ts";
import { STDERR_TAIL_BYTES } from "../limits.ts";
import type { Message } from "../queue/message.ts";

/** From the first, polite signal to the last one, in ms. */
const KILL_AFTER_MS = 5000;

/** How long what a command left behind may hold its stderr open, in ms. */
const STDERR_GRACE_MS = 200;

export interface RunOptions {
  readonly argv: readonly string[];
  readonly timeoutMs: number | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** A fresh path for the payload. */
  readonly path: string;
  readonly onStderr: (bytes: Buffer) => void;
  /** Told of the child, so that it can be killed; and again when it has ended. */
  readonly onStart: (child: ChildProcess) => void;
  readonly onEnd: (child: ChildProcess) => void;
}

export interface Outcome {
  /** The exit code; 126 or 127 where it could not be run; null where a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly hasTimedOut: boolean;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
}

/** The payload could not be written for the command: that is no attempt of the message. */
export class NoPayload extends Error {}

/** @throws NoPayload */
export async function runCommand(message: Message, options: RunOptions): Promise<Outcome> {
  let fd: number;
  try {
    fd = await writePayload(options.path, message.stream());
  } catch (cause) {
    throw new NoPayload("no payload file", { cause });
  }
  try {
    return await run(message, fd, options);
  } finally {
    dropPayload(options.path, fd);
  }
}

/** Signals the command and all that it has started. */
export function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}

function run(message: Message, fd: number, options: RunOptions): Promise<Outcome> {
  const [file = "", ...args] = options.argv.map((word) => word.replaceAll("{}", options.path));
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const child = spawn(file, args, {
    stdio: [fd, "inherit", "pipe"],
    detached: true,
    env: options.env,
  });
  const tail = new Tail(STDERR_TAIL_BYTES);
  const timers: NodeJS.Timeout[] = [];
  let hasTimedOut = false;
  const end = (): void => {
    killGroup(child, "SIGTERM");
    timers.push(setTimeout(() => killGroup(child, "SIGKILL"), KILL_AFTER_MS));
  };
  // Another consumer has the message now: what this command does further is in vain.
  message.lost.addEventListener("abort", end, { once: true });
  if (options.timeoutMs !== undefined) {
    timers.push(
      setTimeout(() => {
        hasTimedOut = true;
        end();
      }, options.timeoutMs),
    );
  }
  const settle = (code: number | null, signal: NodeJS.Signals | null): void => {
    for (const timer of timers) clearTimeout(timer);
    // What it has started and left behind has had its time, too.
    if (hasTimedOut || message.lost.aborted) killGroup(child, "SIGKILL");
    message.lost.removeEventListener("abort", end);
    child.stderr?.destroy();
    options.onEnd(child);
    resolve({ code, signal, hasTimedOut, stderr: tail.text() });
  };
  child.stderr?.on("data", (bytes: Buffer) => {
    tail.add(bytes);
    options.onStderr(bytes);
  });
  child.on("error", (error: NodeJS.ErrnoException) => {
    if (child.pid === undefined) settle(error.code === "ENOENT" ? 127 : 126, null);
  });
  child.on("exit", (code, signal) => {
    const done = (): void => settle(code, signal);
    timers.push(setTimeout(done, STDERR_GRACE_MS));
    child.on("close", done);
  });
  options.onStart(child);
  return promise;
}

/** The last bytes of a stream. */
class Tail {
  readonly #limit: number;
  #bytes = Buffer.alloc(0);

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]).subarray(-this.#limit);
  }

  text(): string {
    return this.#bytes.toString();
  }
}
