/** What is said of a queue that gives nothing out for now. */
import { SpoolError } from "../errors.ts";

export function paused(name: string): SpoolError {
  return new SpoolError("EMPTY", `queue ${name} is paused`, `Resume it: spool resume ${name}`);
}
