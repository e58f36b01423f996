/** What a process did, of which some failed: a process that meets an error goes on with what is next. */
import { fromErrno, SpoolError } from "../../src/errors.ts";

export class Tries {
  readonly errors: unknown[] = [];

  /** Does it; what it throws is kept. True where it went well. */
  async that(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.errors.push(error);
      return false;
    }
  }

  /** What it answers, or `instead` where it fails. */
  async value<T, U>(act: () => Promise<T>, instead: U): Promise<T | U> {
    let value: T | U = instead;
    await this.that(async () => {
      value = await act();
    });
    return value;
  }
}

/** With which exit code a command ends that meets this: as cli/fail.ts has it. */
export function exitCodeOf(thrown: unknown): number {
  const error = fromErrno(thrown);
  return error instanceof SpoolError ? error.exitCode : 70;
}

/** How that is told, in one line. */
export function lineOf(thrown: unknown): string {
  const error = fromErrno(thrown);
  if (!(error instanceof Error)) return String(error);
  return error instanceof SpoolError ? `${error.message} [${error.code}]` : (error.stack ?? "");
}
