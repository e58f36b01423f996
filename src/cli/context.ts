/** What a command is given: the streams, the environment, and the way to the spool. */
import { isDevice, readUpTo, writeOut } from "../disk/stdio.ts";
import { SpoolError } from "../errors.ts";
import { openSpool } from "../spool.ts";
import type { Spool } from "../spool.ts";

declare const SPOOL_VERSION: string;

export type Output = "human" | "json" | "plain";

/** The options that every command takes. */
export interface GlobalOptions {
  readonly dir?: string;
  readonly output?: Output;
  readonly json?: boolean;
}

export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;

/** The reader of stdout went away: the command ends quietly. */
export class PipeClosed extends Error {}

export class Context {
  readonly env: NodeJS.ProcessEnv;
  /** What the process ends with where nothing failed. */
  exitCode = 0;

  readonly version = typeof SPOOL_VERSION === "string" ? SPOOL_VERSION : "0.0.0-source";

  /** Which of stdin (0) and stdout (1) were closed when we were started: the launcher says so. */
  readonly #closed: string;

  constructor({ SPOOL_CLOSED = "", ...env }: NodeJS.ProcessEnv) {
    this.env = env;
    this.#closed = SPOOL_CLOSED;
  }

  /** -C, else SPOOL_DIR, else XDG_STATE_HOME/spool, else ~/.local/state/spool. */
  dirOf(options: GlobalOptions): string {
    const { SPOOL_DIR, XDG_STATE_HOME, HOME } = this.env;
    const dir = options.dir ?? (SPOOL_DIR === "" ? undefined : SPOOL_DIR);
    if (dir !== undefined) {
      if (dir === "") throw new SpoolError("USAGE", "the spool's directory is empty", "Name one.");
      return dir.replace(/(.)\/+$/, "$1");
    }
    if (XDG_STATE_HOME) return `${XDG_STATE_HOME}/spool`;
    if (HOME) return `${HOME}/.local/state/spool`;
    throw new SpoolError("USAGE", "there is no home directory", "Name the spool with -C DIR.");
  }

  /** Where counts are kept for the next look: XDG_CACHE_HOME/spool, else ~/.cache/spool. */
  get cacheDir(): string | undefined {
    const { XDG_CACHE_HOME, HOME } = this.env;
    // As the specification has it: what is not absolute does not count.
    if (XDG_CACHE_HOME?.startsWith("/")) return `${XDG_CACHE_HOME}/spool`;
    return HOME?.startsWith("/") ? `${HOME}/.cache/spool` : undefined;
  }

  /** Opens the spool; makes it only for a command that adds something. */
  open(options: GlobalOptions, how: { create?: boolean; blocking?: boolean } = {}): Promise<Spool> {
    const { create = false, blocking = true } = how;
    return openSpool({ dir: this.dirOf(options), create, blocking, cacheDir: this.cacheDir });
  }

  outputOf(options: GlobalOptions): Output {
    if (options.json) return "json";
    return options.output ?? "human";
  }

  /** Data, to stdout. @throws PipeClosed; IO where what is behind it is full or broken. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    let taken: number;
    try {
      taken = await writeOut(STDOUT, bytes, true);
    } catch (error) {
      // Not the spool's disk: "disk full" would say that a put was refused.
      throw new SpoolError("IO", "stdout takes no more", "", { cause: error });
    }
    if (taken < bytes.length) throw new PipeClosed();
  }

  /** Everything that is not data, to stderr: one line. Never fails. */
  say = (line: string): void => {
    writeOut(STDERR, Buffer.from(`spool: ${line}\n`), true).catch(() => {});
  };

  /** Text to stderr as it is: progress, questions. */
  tell(text: string | Buffer): void {
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    writeOut(STDERR, bytes, true).catch(() => {});
  }

  /** @throws IO  where stdout was closed: a payload written there would be lost. */
  needStdout(): void {
    if (this.#closed.includes("1")) {
      throw new SpoolError("IO", "stdout is closed: nothing was taken", "Give it somewhere to go.");
    }
  }

  needStdin(): void {
    if (this.#closed.includes("0")) {
      throw new SpoolError("USAGE", "stdin is closed: nothing was put", "Pipe into it, or use -m.");
    }
  }

  /** True where a person can be asked. */
  async isTerminal(fd: number): Promise<boolean> {
    // node:tty brings sockets and streams; a file or a pipe can be told without it.
    if (!isDevice(fd)) return false;
    return process.getBuiltinModule("node:tty").isatty(fd);
  }

  /** Asks before messages are thrown away. @throws NEEDS_FORCE without a terminal, or on a no. */
  async confirm(question: string, isForced: boolean | undefined): Promise<void> {
    if (isForced) return;
    if (!(await this.isTerminal(STDIN)) || !(await this.isTerminal(STDERR))) {
      throw new SpoolError("NEEDS_FORCE", `${question}: not without -f`, "Add -f to do it.");
    }
    this.tell(`${question}? [y/N] `);
    const answer = (await readLine()).trim().toLowerCase();
    if (answer !== "y" && answer !== "yes") {
      throw new SpoolError("NEEDS_FORCE", "nothing was changed");
    }
  }
}

async function readLine(): Promise<string> {
  let line = "";
  while (!line.endsWith("\n")) {
    const byte = await readUpTo(STDIN, 1);
    if (byte.length === 0) break;
    line += byte.toString("latin1");
  }
  return line;
}
