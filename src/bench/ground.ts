/** Where a run happens: a spool of its own, plain calls of their own, on the disk in question. */
import type { FileSystemKind } from "../disk/kind.ts";
import { PlainCalls } from "../disk/plain-calls.ts";
import type { Scratch } from "../disk/scratch.ts";
import { openSpool } from "../spool.ts";
import type { Spool } from "../spool.ts";
import type { Measured } from "./figures.ts";
import type { Begin } from "./pace.ts";

/** What a message holds. */
export const PAYLOAD = Buffer.alloc(100, "x");

/** Blocks as `putMany` wants them. */
// oxlint-disable-next-line require-await
export async function* asStream(blocks: Iterable<Buffer>): AsyncGenerator<Buffer> {
  yield* blocks;
}

export interface GroundOptions {
  /** The command that runs `waitAndTell` with two more arguments. */
  readonly waiter: readonly string[];
  readonly signal: AbortSignal;
}

export class Ground {
  readonly scratch: Scratch;
  readonly spool: Spool;
  readonly waiter: readonly string[];
  readonly signal: AbortSignal;
  #names = 0;

  private constructor(scratch: Scratch, spool: Spool, { waiter, signal }: GroundOptions) {
    this.scratch = scratch;
    this.spool = spool;
    this.waiter = waiter;
    this.signal = signal;
  }

  static async open(scratch: Scratch, options: GroundOptions): Promise<Ground> {
    // As programs and workers have it: an fsync leaves the event loop to others.
    return new Ground(scratch, await openSpool({ dir: `${scratch.path}/spool` }), options);
  }

  get kind(): FileSystemKind {
    return this.spool.disk.kind;
  }

  /** A path that was not used before. */
  fresh(word: string): string {
    return `${this.scratch.path}/${word}${this.#names++}`;
  }

  plain(): PlainCalls {
    return new PlainCalls(this.fresh("plain"), this.kind);
  }
}

export interface Part {
  readonly what: string;
  /** Its share of the time, to those of the others. */
  readonly weight: number;
  readonly run: (ground: Ground, begin: Begin) => Promise<readonly Measured[]>;
}
