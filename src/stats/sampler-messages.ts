/** What the process that looks and the one that draws say to each other. */
import type { Answered, Ask } from "./detail.ts";
import type { Head, Sample } from "./sample.ts";

/** What to look at; said once. */
export interface Task {
  readonly dir: string;
  readonly cacheDir: string | undefined;
  readonly names: readonly string[];
  readonly intervalMs: number;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export type ToSampler =
  | { readonly kind: "task"; readonly task: Task }
  | { readonly kind: "wanted"; readonly names: readonly string[] }
  | { readonly kind: "interval"; readonly ms: number }
  /** A closer look, in each round from now on; nothing: no more. */
  | { readonly kind: "ask"; readonly ask: Ask | undefined };

export type FromSampler =
  | { readonly kind: "samples"; readonly samples: readonly Sample[] }
  | { readonly kind: "gone"; readonly keys: readonly string[] }
  | { readonly kind: "round"; readonly head: Head }
  | { readonly kind: "answered"; readonly answered: Answered }
  /** It is alive, and the disk answers. */
  | { readonly kind: "beat" }
  /** Nothing could be looked at; it will try again, unless it is over. */
  | { readonly kind: "failed"; readonly failure: Failure; readonly isOver: boolean };
