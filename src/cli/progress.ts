/** A line on stderr that says how far a long task is, where stderr is a terminal. */
import { monotonicMs } from "../clock.ts";
import { STDERR } from "./context.ts";
import type { Context } from "./context.ts";

/** How often the line is written, in ms; a task that is shorter shows none. */
const EVERY_MS = 500;

export class Progress {
  readonly #context: Context;
  readonly #isShown: boolean;
  #shownMs = monotonicMs();
  #isDirty = false;

  private constructor(context: Context, isShown: boolean) {
    this.#context = context;
    this.#isShown = isShown;
  }

  static async on(context: Context): Promise<Progress> {
    return new Progress(context, await context.isTerminal(STDERR));
  }

  /** Shows what `line` says, not more often than is useful. */
  show(line: () => string): void {
    if (!this.#isShown || monotonicMs() - this.#shownMs < EVERY_MS) return;
    this.#shownMs = monotonicMs();
    this.#isDirty = true;
    this.#context.tell(`\r${line()}\x1b[K`);
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#isDirty) this.#context.tell("\r\x1b[K");
    this.#isDirty = false;
  }
}
