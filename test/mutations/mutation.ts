/** A planted bug: one place of the engine, changed so that it breaks one promise. */

export interface Mutation {
  readonly name: string;
  /** Below src/. */
  readonly file: string;
  /** Stands in the file exactly once; several lines as a list. */
  readonly find: string | readonly string[];
  readonly replace: string | readonly string[];
  /** What is wrong then, in one sentence. */
  readonly breaks: string;
  /** The tests that may see it, where that is not all that there are for its room. */
  readonly catchers?: readonly string[];
  /** Why nothing that looks for it sees it: what makes it harmless, or who did see it. */
  readonly survives?: string;
}

/** Beside the simulation, for what is not synced: who only dies loses nothing that the kernel has. */
export const POWER: readonly string[] = [
  "test/simulation/every-cut",
  "test/simulation/half-made",
  "test/crash/torn.test.ts",
  "test/errors/put",
  "test/errors/held",
  "test/errors/topic",
  "test/errors/consume",
  "test/errors/manage",
];

/** For a fan-out. */
export const FANNING: readonly string[] = [
  "test/topic/races",
  "test/topic",
  "test/model/topic",
  "test/errors/topic",
  "test/crash/topic-recover.test.ts",
  "test/crash/topic-publish.test.ts",
  "test/crash/topic-pause.test.ts",
];

/** Lines of a file as its text has them. */
export const textOf = (lines: string | readonly string[]): string =>
  typeof lines === "string" ? lines : lines.join("\n");

/** How often `part` stands in `text`. */
export const timesIn = (text: string, part: string): number => text.split(part).length - 1;

/** The text with the bug in it. @throws where it does not fit any more. */
export function mutated(text: string, { name, file, find, replace }: Mutation): string {
  const part = textOf(find);
  const times = timesIn(text, part);
  if (times !== 1) throw new Error(`${name}: found ${times} times in src/${file}`);
  // A function, because `$` in the replacement is to stand for itself.
  return text.replace(part, () => textOf(replace));
}
