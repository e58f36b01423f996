/**
 * A command that runs, with all that it has started: a process group of its own.
 *
 * So ^C in a terminal reaches `work` alone, and what ends a command before its time, the time-out or the
 * loss of its lease, ends everything that it has started.
 */

/** From the first, polite signal to the last one, in ms. */
const KILL_AFTER_MS = 5000;

export class CommandGroup {
  hasTimedOut = false;
  /** Signals all of it, if it is there (still). */
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Aborts when another consumer has the message: what this command does further is in vain. */
  readonly #lost: AbortSignal;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(
    kill: (signal: NodeJS.Signals) => void,
    lost: AbortSignal,
    timeoutMs: number | undefined,
  ) {
    this.kill = kill;
    this.#lost = lost;
    if (timeoutMs !== undefined) {
      const end = (): void => {
        this.hasTimedOut = true;
        this.#end();
      };
      this.#timers.push(setTimeout(end, timeoutMs));
    }
  }

  /** Ends it where its message is lost. */
  endIfLost(): void {
    if (this.#lost.aborted) this.#end();
  }

  /** The command has ended; what it left behind has had its time, too, where it was made to end. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.hasTimedOut || this.#lost.aborted) this.kill("SIGKILL");
  }

  #end(): void {
    this.kill("SIGTERM");
    this.#timers.push(setTimeout(() => this.kill("SIGKILL"), KILL_AFTER_MS));
  }
}
