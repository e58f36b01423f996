/** What the process that looks has told so far: what is to be drawn. */
import type { Answered, Ask } from "./detail.ts";
import { rowKey } from "./sample.ts";
import type { Head, Sample } from "./sample.ts";
import type { Failure, FromSampler } from "./sampler-messages.ts";

export class Told {
  /** By `rowKey`. */
  readonly samples = new Map<string, Sample>();
  head: Head | undefined;
  /** How many rounds there have been. */
  rounds = 0;
  /** Why nothing could be looked at, of late. */
  failure: Failure | undefined;
  /** True where there is no use in trying again. */
  isOver = false;
  /** The last answer to what was asked. */
  answered: Answered | undefined;

  take(message: FromSampler): void {
    switch (message.kind) {
      case "failed":
        this.failure = message.failure;
        this.isOver = message.isOver;
        break;
      case "samples":
        for (const sample of message.samples) this.samples.set(rowKey(sample), sample);
        break;
      case "gone":
        for (const key of message.keys) this.samples.delete(key);
        break;
      case "answered":
        this.answered = message.answered;
        break;
      case "round":
        this.head = message.head;
        this.failure = undefined;
        this.rounds++;
        break;
      default:
    }
  }

  forget(): void {
    this.samples.clear();
    this.head = undefined;
    this.failure = undefined;
    this.answered = undefined;
  }
}

/** Where a screen has its figures from: a spool as it is now, or a recording. */
export interface Source {
  readonly told: Told;
  /** Nothing but what was recorded: it answers no questions, and has more than a now. */
  readonly isRecorded: boolean;
  /** How long nothing was heard, in ms: so long has the disk not answered. */
  readonly silentMs: number;
  /** The time of what is told, in ms since the epoch of the host's clock. */
  readonly nowMs: number;
  /** We ourselves were stopped: silence until now says nothing. */
  forgive(): void;
  /** What somebody sees goes first. */
  want(keys: readonly string[]): void;
  /** A closer look at one queue, now and in each round; undefined: no more. */
  ask(ask: Ask | undefined): void;
  /** Something has just been changed: now. */
  askAgain(): void;
  setInterval(ms: number): void;
  /** Of a recording: so far on, or back. */
  seek(byMs: number): void;
  /** Of a recording: it stands still. */
  pause(isPaused: boolean): void;
  end(): void;
}
