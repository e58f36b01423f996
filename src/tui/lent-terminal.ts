/**
 * The terminal while the editor, the pager or the shell has it. One at a time, and whole: what is typed meanwhile is
 * theirs, and so are ^C and ^Z.
 *
 * Ink takes its hands off the screen, but goes on reading: a key that both wait for is whose it happens to be, and a
 * read that comes too late blocks everything, because the descriptor does. So we end the reading itself, and throw away
 * what was typed and not taken before we read again: nobody has meant it for us.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { setImmediate as turn } from "node:timers/promises";

/** A program that is told to end has so long before it is killed, in ms. */
const PATIENCE_MS = 2000;

export class LentTerminal {
  readonly #stdin: NodeJS.ReadStream;
  #isLent = false;
  #isOver = false;
  #onStop = (): void => {};
  #child: ChildProcess | undefined;
  #giveUp = (): void => {};

  constructor(stdin: NodeJS.ReadStream) {
    this.#stdin = stdin;
    process.on("SIGTSTP", this.#stop);
  }

  get isLent(): boolean {
    return this.#isLent;
  }

  /** True when we were told to end while it was lent. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** What to do where we are told to stop; while it is lent we are stopped, as everything is that has it. */
  onStop(onStop: () => void): void {
    this.#onStop = onStop;
  }

  readonly #stop = (): void => this.#onStop();

  end(): void {
    process.off("SIGTSTP", this.#stop);
  }

  /**
   * @param suspend  has the screen left while what it is given runs, and drawn again behind it.
   * @param use      what is done meanwhile.
   * @param end      what is done behind it where we were told to end; the screen is not drawn then.
   */
  async lend(
    suspend: (use: () => Promise<void>) => Promise<void>,
    use: () => Promise<void>,
    end: () => Promise<void>,
  ): Promise<void> {
    if (this.#isLent) return;
    this.#isLent = true;
    process.off("SIGTSTP", this.#stop);
    try {
      await suspend(async () => {
        await this.#stopReading();
        await use();
        if (!this.#isOver) await this.#dropTyped();
        if (this.#isOver) {
          await end();
          return;
        }
        // Here and not behind the draw, which takes a turn in which keys may come.
        this.#takeBack();
      });
    } finally {
      this.#takeBack();
    }
  }

  #takeBack(): void {
    if (this.#isLent) process.on("SIGTSTP", this.#stop);
    this.#isLent = false;
  }

  /**
   * A signal that would end us; true where it is not ours alone. ^C is the program's; any other ends that first, and
   * then us.
   */
  signalled(signal: NodeJS.Signals): boolean {
    if (!this.#isLent) return false;
    this.#giveUp();
    if (signal === "SIGINT") return true;
    this.#isOver = true;
    const child = this.#child;
    child?.kill(signal);
    child?.kill("SIGCONT");
    setTimeout(() => child?.kill("SIGKILL"), PATIENCE_MS).unref();
    return true;
  }

  /** Waits for it as long as nobody presses ^C: what hangs on a dead disk cannot be ended. */
  async unlessInterrupted<T>(child: ChildProcess, ended: Promise<T>): Promise<T | undefined> {
    const isGivenUp = new Promise<undefined>((resolve) => {
      this.#giveUp = () => {
        child.kill();
        resolve(undefined);
      };
    });
    if (this.#isOver) this.#giveUp();
    const outcome = await Promise.race([ended, isGivenUp]);
    this.#giveUp = () => {};
    return this.#isOver ? undefined : outcome;
  }

  /** Runs a line of sh with the terminal, and with this as its stdin; returns how it failed, or nothing. */
  run(command: string, words: readonly string[], input?: Uint8Array): Promise<string> {
    return new Promise((resolve) => {
      const stdin = input === undefined ? "inherit" : "pipe";
      const child = spawn("sh", ["-c", command, "sh", ...words], {
        stdio: [stdin, "inherit", "inherit"],
      });
      this.#child = child;
      const end = (how: string): void => {
        this.#child = undefined;
        resolve(how);
      };
      // A pager need not read all of it.
      child.stdin?.on("error", () => {});
      child.stdin?.end(input);
      child.once("error", ({ message }) => end(message));
      child.once("exit", (code, signal) => end(code === 0 ? "" : (signal ?? `exit ${code}`)));
    });
  }

  async #stopReading(): Promise<void> {
    // Ink's listener is gone; a stream knows that one turn later, and only then pauses what it reads from.
    await turn();
    this.#stdin.pause();
    await turn();
  }

  async #dropTyped(): Promise<void> {
    // A line that was not ended is kept back by a terminal that is not raw.
    this.#stdin.setRawMode(true);
    const drop = (): void => {};
    this.#stdin.on("data", drop);
    this.#stdin.resume();
    // One to begin, one to read.
    await turn();
    await turn();
    this.#stdin.off("data", drop);
    await this.#stopReading();
  }
}
