/** A command as a child of Node itself. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";

import { closeFd } from "../disk/stdio.ts";
import { STDERR_TAIL_BYTES } from "../limits.ts";
import { Tail } from "./command.ts";
import type { Command, Ended } from "./command.ts";

/** How long what a command left behind may hold its stderr open, in ms. */
const STDERR_GRACE_MS = 200;

export class ChildCommand {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;

  /**
   * @param env    all of its environment.
   * @param stdin  the open payload, which is closed here.
   */
  constructor(
    { argv: [file = "", ...args] }: Command,
    env: NodeJS.ProcessEnv,
    stdin: number,
    onStderr: (bytes: Buffer) => void,
  ) {
    try {
      const stdio = [stdin, "inherit", "pipe"] as const;
      this.#child = spawn(file, args, { stdio: [...stdio], detached: true, env });
    } finally {
      closeFd(stdin);
    }
    this.ended = endOf(this.#child, onStderr);
  }

  /** Signals the command and all that it has started. */
  kill(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // It has ended already.
    }
  }
}

function endOf(child: ChildProcess, onStderr: (bytes: Buffer) => void): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const tail = new Tail(STDERR_TAIL_BYTES);
  child.stderr?.on("data", (bytes: Buffer) => {
    tail.add(bytes);
    onStderr(bytes);
  });
  child.on("error", ({ code }: NodeJS.ErrnoException) => {
    if (child.pid !== undefined) return;
    resolve({ code: code === "ENOENT" ? 127 : 126, signal: null, stderr: "" });
  });
  child.on("exit", (code, signal) => {
    const end = (): void => {
      clearTimeout(timer);
      child.stderr?.destroy();
      resolve({ code, signal, stderr: tail.take() });
    };
    const timer = setTimeout(end, STDERR_GRACE_MS);
    child.on("close", end);
  });
  return promise;
}
