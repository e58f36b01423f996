/** A command for one message: its words, its environment, its payload's file. */
import type { Upcoming } from "../queue/upcoming.ts";

export interface Command {
  readonly argv: readonly string[];
  /** Beside what is the same for all messages. */
  readonly env: Readonly<Record<string, string>>;
  /** The path of the file that holds the payload. */
  readonly payload: string;
}

/** How it ended. */
export interface Ended {
  /** The exit code; 126 or 127 where it could not be run; null where a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
}

export interface Outcome extends Ended {
  readonly hasTimedOut: boolean;
}

export function commandFor(argv: readonly string[], message: Upcoming, payload: string): Command {
  const env: Record<string, string> = {
    SPOOL_ID: message.id,
    SPOOL_ATTEMPT: String(message.attempt),
    SPOOL_ENQUEUED_AT: message.enqueuedAt.toISOString(),
    SPOOL_FILE: payload,
  };
  for (const [name, value] of Object.entries(message.headers)) {
    env[`SPOOL_H_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`] = value;
  }
  return { argv: argv.map((word) => word.replaceAll("{}", payload)), env, payload };
}

/** The last bytes of a stream. */
export class Tail {
  readonly #limit: number;
  #bytes: Buffer | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(bytes: Buffer): void {
    const all = this.#bytes === undefined ? bytes : Buffer.concat([this.#bytes, bytes]);
    this.#bytes = all.subarray(-this.#limit);
  }

  /** What it has, which it forgets. */
  take(): string {
    const text = this.#bytes?.toString() ?? "";
    this.#bytes = undefined;
    return text;
  }
}
