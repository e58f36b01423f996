/** How a command ends when it fails: one clear line, a way out, and the exit code. */
import { EXIT_CODES, fromErrno, SpoolError } from "../errors.ts";
import type { Context } from "./context.ts";
import { PipeClosed } from "./context.ts";

/** Says what went wrong, and returns the exit code. */
export function fail(context: Context, thrown: unknown): number {
  const error = fromErrno(thrown);
  if (error instanceof PipeClosed) return 0;
  if (error instanceof SpoolError) {
    context.say(`${error.message}  [${error.code}]`);
    if (error.hint !== "") context.tell(`  ${error.hint}\n`);
    return error.exitCode;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  context.say(`this is a bug of dirspool; nothing was accepted that was not said to be\n${stack}`);
  return EXIT_CODES.BUG;
}
