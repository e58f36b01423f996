/** Runs `spool` for what was said yes to, and the editor and pager of the person, in a process each. */
import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";

import { makeEditFile } from "../disk/edit-file.ts";
import type { EditFile } from "../disk/edit-file.ts";
import type { Plan } from "./plans.ts";

const exec = promisify(execFile);

/** A dead letter that is larger is not for an editor. */
const EDIT_BYTES = 64 * 1024 * 1024;

export interface Program {
  /** A program for Node that is `spool`. */
  readonly path: string;
  /** What was given as -C; undefined: as the environment says. */
  readonly dir: string | undefined;
}

const PLAIN = { maxBuffer: 2 * EDIT_BYTES, encoding: "buffer" } as const;

export const withDir = ({ dir }: Program, args: readonly string[]): string[] =>
  dir === undefined ? [...args] : [args[0]!, ...restOf(args, dir)];

/** `dlq redrive -C DIR jobs`: behind the verb of a noun. */
function restOf([noun, ...rest]: readonly string[], dir: string): string[] {
  return noun === "dlq" ? [rest[0]!, "-C", dir, ...rest.slice(1)] : ["-C", dir, ...rest];
}

/** One after the other, until one fails; returns the last line that was said. Never throws. */
export async function runPlan(program: Program, { commands }: Plan): Promise<string> {
  let said = "";
  for (const args of commands) {
    try {
      const { stderr } = await exec(
        process.execPath,
        [program.path, ...withDir(program, args)],
        PLAIN,
      );
      said = lastLine(stderr) || said || "done";
    } catch (error) {
      const { stderr, message } = error as { stderr?: Buffer; message: string };
      return `! ${firstLine(stderr) || message}`;
    }
  }
  return said;
}

const linesOf = (stderr: Buffer | undefined): string[] =>
  (stderr?.toString() ?? "")
    .split("\n")
    .map((line) => line.replace(/^spool: /, "").trim())
    .filter(Boolean);

const lastLine = (stderr: Buffer): string => linesOf(stderr).at(-1) ?? "";
const firstLine = (stderr: Buffer | undefined): string => linesOf(stderr)[0] ?? "";

/** Shows a message's payload in $PAGER; the terminal is the pager's meanwhile. */
export async function showInPager(program: Program, peek: readonly string[]): Promise<string> {
  const command = '"$@" | ${PAGER:-less}';
  const words = [process.execPath, program.path, ...withDir(program, peek)];
  return inTerminal(command, words);
}

export interface Edited {
  readonly file: EditFile;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A dead letter in $VISUAL or $EDITOR, in a file that only its owner can read. Returns a line where there is nothing to
 * be put: it was not changed, it is not there.
 */
export async function edit(program: Program, queue: string, id: string): Promise<Edited | string> {
  let found: { headers: Record<string, string>; body?: string; body_base64?: string };
  try {
    const args = ["peek", queue, "--state", "dead", "--id", id, "--json"];
    const { stdout } = await exec(
      process.execPath,
      [program.path, ...withDir(program, args)],
      PLAIN,
    );
    found = JSON.parse(stdout.toString()) as typeof found;
  } catch (error) {
    return `! ${firstLine((error as { stderr?: Buffer }).stderr) || String(error)}`;
  }
  const before =
    found.body === undefined
      ? Buffer.from(found.body_base64 ?? "", "base64")
      : Buffer.from(found.body);
  let file: EditFile | undefined;
  try {
    file = makeEditFile(id, before);
    const failed = await inTerminal('${VISUAL:-${EDITOR:-vi}} "$1"', [file.path]);
    if (failed === "" && !file.read().equals(before)) return { file, headers: found.headers };
    file.remove();
    return failed || "not changed: nothing was done";
  } catch (error) {
    file?.remove();
    return `! ${(error as Error).message}`;
  }
}

/** Puts what was edited, and only then drops what it stands for. */
export function planOfEdited(queue: string, id: string, priority: number, edited: Edited): Plan {
  const headers = Object.entries(edited.headers).flatMap(([name, value]) => [
    "-H",
    `${name}: ${value}`,
  ]);
  return {
    question: `put what was edited into ${queue}, and drop the dead letter`,
    commands: [
      ["put", queue, edited.file.path, "-p", String(priority), ...headers],
      ["dlq", "drop", queue, id, "-f"],
    ],
  };
}

/** Runs a line of sh with the terminal; returns why it failed, or nothing. */
function inTerminal(command: string, words: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn("sh", ["-c", command, "sh", ...words], { stdio: "inherit" });
    // Its ^C is not ours.
    const ignore = (): void => {};
    process.on("SIGINT", ignore);
    const end = (said: string): void => {
      process.off("SIGINT", ignore);
      resolve(said);
    };
    child.once("error", ({ message }) => end(`! ${message}`));
    child.once("exit", (code, signal) =>
      end(code === 0 ? "" : `! ${command.split(" ")[0]!}: ${signal ?? `exit ${code}`}`),
    );
  });
}

/** For the terminal: put this on the clipboard (OSC 52, as xterm and tmux have it). */
export const clipboard = (text: string): string =>
  `\x1b]52;c;${Buffer.from(text).toString("base64")}\x07`;
