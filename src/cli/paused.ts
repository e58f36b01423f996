/** What is said of a queue that gives nothing out for now. */
import { SpoolError } from "../errors.ts";

/** For who waits for it. */
export const waitsPaused = (name: string): string =>
  `queue ${name} is paused: nothing comes before spool resume ${name}`;

export function paused(name: string): SpoolError {
  return new SpoolError("EMPTY", `queue ${name} is paused`, `Resume it: spool resume ${name}`);
}
