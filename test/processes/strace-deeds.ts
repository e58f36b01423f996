/** What a real `spool` does before it is killed, and what may be there afterwards. */
import type { Spool } from "../../src/spool.ts";
import type { Ended } from "../helpers/cli.ts";

/**
 * What is done wholly or not at all: then the places on the one side are filled, and those on the
 * other are not. A place is `queue: payload`, `queue dead: payload`, `topic log: payload` or
 * `is there: subscription`. What stays has the same on both sides.
 */
export interface Deed {
  readonly undone: readonly string[];
  readonly done: readonly string[];
  /** It may be done only where the outside has got this. */
  readonly needs?: string;
}

export interface Act {
  readonly name: string;
  readonly args: readonly string[];
  readonly input?: string;
  /** Makes what is there before, in this process. */
  readonly before?: (spool: Spool) => Promise<unknown>;
  /** Takes so many with a lease before; the first one's receipt is the last argument then. */
  readonly leased?: number;
  /** Others that die before it: their words, and the shape of the call. */
  readonly deaths?: readonly { readonly args: readonly string[]; readonly at: RegExp }[];
  readonly deeds: readonly Deed[];
  /** It has said that it is done: then all of its deeds are. */
  readonly isSaid?: (ended: Ended) => boolean;
  /** What may be wrong until its time has come: leases that were handed out, retries. */
  readonly lasting?: RegExp;
  /** The command that it runs dies at its own end as well, so it may be undone at the last call. */
  readonly hasChild?: boolean;
  /** It is done again after the death, which must make no second one. */
  readonly again?: boolean;
  /** Each of its calls on every run of the tests. */
  readonly always?: boolean;
}

export const appears = (...places: readonly string[]): Deed => ({ undone: [], done: places });
export const goes = (...places: readonly string[]): Deed => ({ undone: places, done: [] });
export const stays = (...places: readonly string[]): Deed => ({ undone: places, done: places });
export const moves = (from: string, to: string): Deed => ({ undone: [from], done: [to] });

/** What is wrong with what was found, a line each. */
export function complaintsOf(
  act: Act,
  found: readonly string[],
  ended: Ended,
  isLast: boolean,
): string[] {
  const left = [...found];
  const lines: string[] = [];
  const mustBe = act.isSaid?.(ended) === true || (isLast && act.hasChild !== true);
  for (const { undone, done, needs } of act.deeds) {
    const mine = takeFrom(left, new Set([...undone, ...done]));
    const isDone = same(mine, done);
    const mayBe = needs === undefined || ended.stdout.includes(needs);
    if (!isDone && !same(mine, undone)) lines.push(`by half: ${mine.join(", ") || "nothing"}`);
    else if (!isDone && mustBe) lines.push(`said, and not done: ${done.join(", ")}`);
    else if (isDone && !same(undone, done) && !mayBe) lines.push(`gone unheard: ${undone.join()}`);
  }
  return [...lines, ...left.map((place) => `what is that: ${place}`)];
}

/** Removes from the list what is wanted, and returns it. */
function takeFrom(list: string[], wanted: ReadonlySet<string>): string[] {
  const taken = list.filter((one) => wanted.has(one));
  list.splice(0, list.length, ...list.filter((one) => !wanted.has(one)));
  return taken;
}

const same = (one: readonly string[], other: readonly string[]): boolean =>
  one.toSorted().join("\n") === other.toSorted().join("\n");
