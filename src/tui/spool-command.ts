/** One command line of `spool` in a process of its own, and what it said. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";

import { inDir } from "./plans.ts";

/** What is larger is neither for a pager nor for an editor, and not for our memory; base64 and JSON included. */
const OUTPUT_BYTES = 128 * 1024 * 1024;

export interface Program {
  /** A program for Node that is `spool`. */
  readonly path: string;
  /** What was given as -C; undefined: as the environment says. */
  readonly dir: string | undefined;
}

export interface Called {
  readonly isDone: boolean;
  readonly stdout: Buffer;
  /** What it said to people, a line each. */
  readonly lines: readonly string[];
  /** Where it failed: why. */
  readonly why: string;
}

/**
 * Starts it with nothing of the terminal: a Node that has it as stdin or stderr sets its modes as it ends, also those
 * that a pager has made its own meanwhile.
 *
 * @param isApart  ^C and ^Z, which are another program's while it has the terminal, do not reach it.
 */
export function callSpool(
  { path, dir }: Program,
  args: readonly string[],
  isApart: boolean,
): { readonly child: ChildProcess; readonly ended: Promise<Called> } {
  const words = [...process.execArgv, path, ...inDir(dir, args)];
  const stdio = ["ignore", "pipe", "pipe"] as const;
  const child = spawn(process.execPath, words, { stdio: [...stdio], detached: isApart });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let bytesLeft = OUTPUT_BYTES;
  child.stdout.on("data", (bytes: Buffer) => {
    bytesLeft -= bytes.length;
    if (bytesLeft >= 0) stdout.push(bytes);
    else child.kill();
  });
  child.stderr.on("data", (bytes: Buffer) => stderr.push(bytes));
  const ended = new Promise<Called>((resolve) => {
    const end = (isDone: boolean, how: string): void => {
      const lines = linesOf(Buffer.concat(stderr));
      resolve({ isDone, stdout: Buffer.concat(stdout), lines, why: lines[0] ?? how });
    };
    child.once("error", ({ message }) => end(false, message));
    child.once("close", (code, signal) => {
      if (bytesLeft < 0) end(false, "more than 128 MiB: too large to be shown from here");
      else end(code === 0, signal === null ? `exit ${code}` : `ended by ${signal}`);
    });
  });
  return { child, ended };
}

const linesOf = (stderr: Buffer): string[] =>
  stderr
    .toString()
    .split("\n")
    .map((line) => line.replace(/^spool: /, "").trim())
    .filter(Boolean);
