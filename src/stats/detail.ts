/**
 * What a closer look at one queue asks for, and what it finds: plain data, which crosses from the process that
 * looks (sampler-process.ts) to the one that draws.
 */
import type { State } from "../queue/browse.ts";

export type { State } from "../queue/browse.ts";

export type Ask =
  | {
      readonly kind: "messages";
      readonly queue: string;
      readonly state: State;
      /** So many at the most, in the order of delivery. */
      readonly max: number;
      /** Of dead letters: only those with this reason. */
      readonly reason?: string;
    }
  | {
      readonly kind: "message";
      readonly queue: string;
      readonly state: State;
      readonly id: string;
    }
  | { readonly kind: "workers"; readonly queue: string }
  | { readonly kind: "reasons"; readonly queue: string }
  | { readonly kind: "ages"; readonly queue: string }
  | {
      readonly kind: "graphs";
      readonly queue: string;
      readonly spanMs: number;
      /** Points of each graph. */
      readonly parts: number;
    };

export interface MessageRow {
  readonly id: string;
  /** When it was put, and when it is visible, in ms since the epoch of the disk's clock. */
  readonly enqueuedMs: number;
  readonly visibleMs: number;
  readonly attempts: number;
  readonly priority: number;
  readonly bytes: number;
  /** How the payload begins, or why it was not read. */
  readonly preview: string;
  /** In flight: pid@host, and since when. */
  readonly holder?: string;
  readonly heldSinceMs?: number;
  readonly reason?: string;
  /** Of a dead letter of several messages: its file's name, and how many. What is done to one is done to all. */
  readonly letter?: { readonly name: string; readonly messages: number };
}

export interface MessageDetail extends MessageRow {
  readonly headers: Readonly<Record<string, string>>;
  /** The first bytes of the payload, in base 64. */
  readonly payload: string;
  readonly lease?: string;
  /** Until others may take over, in ms; 0 and below: they may. */
  readonly leaseLeftMs?: number;
  readonly diedMs?: number;
  /** What its consumer said last. */
  readonly stderr?: string;
  readonly exitCode?: number;
  /** The file that it is in, and which message of how many of the batch's slice. */
  readonly file: string;
}

export interface WorkerRow {
  readonly lease: string;
  /** pid@host; of what was handed out by `take --lease` nobody: `lease@host`. */
  readonly holder: string;
  readonly sinceMs: number;
  /** Until others may take over, in ms; below 0: it is over. */
  readonly leftMs: number;
  readonly messages: number;
  /** Of the first that it holds. */
  readonly attempts: number;
  /** The process is plainly no more. */
  readonly isGone: boolean;
  /** Done in the last minute, messages a second; undefined: nobody knows whose they were. */
  readonly outPerS?: number;
}

export interface ReasonRow {
  readonly reason: string;
  readonly messages: number;
  /** When the first and the last of them died, in ms since the epoch; 0: not known. */
  readonly firstMs: number;
  readonly lastMs: number;
}

/** So many messages are younger than `upToMs` and not than the one before. */
export interface AgeRow {
  readonly upToMs: number;
  readonly messages: number;
}

export interface Graphs {
  readonly spanMs: number;
  /** Messages there at the end of each part, made of what is there now and of what flowed since. */
  readonly depth: readonly number[];
  /** Messages a second in each part; empty where nobody tells. */
  readonly in: readonly number[];
  readonly out: readonly number[];
}

export type Detail =
  | {
      readonly kind: "messages";
      readonly rows: readonly MessageRow[];
      /** There are more of them. */
      readonly isCut: boolean;
    }
  | { readonly kind: "message"; readonly message: MessageDetail | undefined }
  | { readonly kind: "workers"; readonly rows: readonly WorkerRow[] }
  | { readonly kind: "reasons"; readonly rows: readonly ReasonRow[]; readonly isCut: boolean }
  | { readonly kind: "ages"; readonly rows: readonly AgeRow[]; readonly isCut: boolean }
  | { readonly kind: "graphs"; readonly graphs: Graphs }
  | { readonly kind: "failed"; readonly message: string };

/** An answer to this very question. */
export interface Answered {
  readonly ask: Ask;
  /** By this host's clock, and how far the disk's is ahead of it. */
  readonly atMs: number;
  readonly diskNowMs: number;
  readonly detail: Detail;
}

/** True where this answers what is asked now, if for fewer messages or another width. */
export const isAnswerTo = (answered: Ask, now: Ask): boolean =>
  isSameAsk({ ...answered, ...ANY }, { ...now, ...ANY });

const ANY = { max: 0, parts: 0 };

export const isSameAsk = (one: Ask, other: Ask): boolean =>
  JSON.stringify(one) === JSON.stringify(other);
