/**
 * What verify finds, and how it is put right.
 *
 * Looking and mending are apart. A look reads everything and changes nothing; what it finds may come
 * with a mend. A mend looks once more for itself and then moves names, so it may die anywhere, and run
 * beside producers, consumers and other repairs. After mends there is another look, until one finds
 * nothing that can be mended: what was hidden behind the first damage is found by the next look.
 *
 * No mend removes the last name of anything that may hold a message: what is in the way is set aside.
 */
import { dirname } from "node:path";

import type { FileSystem } from "../disk/file-system.ts";
import { fromErrno, isErrno, SpoolError } from "../errors.ts";
import type { Slice } from "../message/slice.ts";

export interface Finding {
  readonly path: string;
  readonly problem: string;
  /** What was done about it; missing where nothing was. */
  readonly repair?: string;
  /** Why it could not be repaired, where that was tried. */
  readonly left?: string;
}

export interface Verified {
  readonly findings: readonly Finding[];
  readonly messages: number;
  readonly bytes: number;
}

export interface VerifyOptions {
  /** Put right what is found. Default false. */
  readonly repair?: boolean;
  /** Told how many messages were read so far. */
  readonly onProgress?: (messages: number) => void;
  /** Where repairs of this run have moved things; for who verifies a whole spool. */
  readonly moved?: Set<string>;
}

/** Puts one thing right and says how; undefined where there was nothing to do (any more). */
export type Mend = () => Promise<string | undefined>;

/** Each needs that nothing is found any more that the ones before it could mend. */
export const FIRST = 0;
/** Messages that are in two places: when names and bytes are right. */
export const OVERLAPS = 1;
/** What moves messages by itself: when none is in two places, so that none replaces another. */
export const MOVES = 2;

interface Found extends Finding {
  readonly mend: Mend | undefined;
  readonly phase: number;
  /** One of these has to be there, too, where there are any. */
  readonly besides: readonly string[];
  /** True where its path cannot be looked at. */
  readonly isSure: boolean;
}

export const MISSING = "is missing";

/** What one look found. */
export class Findings {
  readonly #fs: FileSystem;
  readonly #onProgress: VerifyOptions["onProgress"];
  readonly #found: Found[] = [];
  messages = 0;
  bytes = 0;

  constructor(fs: FileSystem, { onProgress }: VerifyOptions = {}) {
    this.#fs = fs;
    this.#onProgress = onProgress;
  }

  /** What was read. */
  count({ count, bytes }: Slice): void {
    this.messages += count;
    this.bytes += bytes;
    this.#onProgress?.(this.messages);
  }

  /**
   * Without a mend it is for people.
   *
   * @param besides  one of these has to be there, too, or it was not wrong.
   */
  add(
    path: string,
    problem: string,
    mend?: Mend,
    phase = FIRST,
    besides: readonly string[] = [],
  ): void {
    this.#found.push({ path, problem, mend, phase, besides, isSure: false });
  }

  /** What cannot be looked at again: a name that no string can say. */
  addForSure(path: string, problem: string): void {
    this.#found.push({ path, problem, mend: undefined, phase: FIRST, besides: [], isSure: true });
  }

  /** A living spool moves while it is read: what is gone by now was not wrong. */
  async there(): Promise<Found[]> {
    const there: Found[] = [];
    for (const found of this.#found) {
      if (found.isSure || (await this.#isSo(found))) there.push(found);
    }
    return there;
  }

  async #isSo({ path, problem, besides }: Found): Promise<boolean> {
    const isThere = await this.#isThere(path);
    // What was removed as a whole misses nothing.
    if (problem === MISSING) return !isThere && (await this.#isThere(dirname(path)));
    if (!isThere || besides.length === 0) return isThere;
    for (const other of besides) if (await this.#isThere(other)) return true;
    return false;
  }

  async #isThere(path: string): Promise<boolean> {
    try {
      await this.#fs.lstat(path);
      return true;
    } catch (error) {
      // What cannot be looked at is there.
      return !isErrno(error, "ENOENT", "ENOTDIR");
    }
  }
}

/** So often may one damage hide another one. */
const LOOKS = 100;

/**
 * Looks; and, where that is asked, mends and looks again until nothing is left to be mended.
 *
 * @param moved  paths to which mends have moved things: that they are there is no finding of its own.
 */
export async function verifyAndRepair(
  { repair = false }: VerifyOptions,
  moved: ReadonlySet<string>,
  look: () => Promise<Findings>,
): Promise<Verified> {
  const repaired: Finding[] = [];
  const failures = new Map<string, string>();
  let isIdle = false;
  for (let looks = 1; ; looks++) {
    const findings = await look();
    const found = await findings.there();
    const left = found.filter(({ mend, path }) => mend !== undefined || !moved.has(path));
    const done = repair && looks < LOOKS ? await mendLowest(left, failures) : [];
    repaired.push(...done);
    // What a mend found to be right by then is looked at once more, before it is called left.
    const isDoubtful = ({ mend, path }: Found): boolean =>
      mend !== undefined && !failures.has(path);
    const isAgain = repair && !isIdle && left.some(isDoubtful);
    isIdle = done.length === 0;
    if (!isIdle || (isAgain && looks < LOOKS)) continue;
    const { messages, bytes } = findings;
    const rest = left.map(({ path, problem }) => {
      const failure = failures.get(path);
      return { path, problem, ...(failure !== undefined && { left: failure }) };
    });
    return { findings: [...repaired, ...rest], messages, bytes };
  }
}

/** Mends what is of the first phase in which something can be mended. */
async function mendLowest(
  left: readonly Found[],
  failures: Map<string, string>,
): Promise<Finding[]> {
  for (const phase of [FIRST, OVERLAPS, MOVES]) {
    const done: Finding[] = [];
    for (const found of left) {
      if (found.phase !== phase || found.mend === undefined) continue;
      const { path, problem, mend } = found;
      try {
        const repair = await mend();
        if (repair !== undefined) done.push({ path, problem, repair });
      } catch (thrown) {
        // One that cannot be mended does not keep us from the others.
        const error = fromErrno(thrown);
        if (!(error instanceof SpoolError)) throw thrown;
        failures.set(path, error.message);
      }
    }
    if (done.length > 0) return done;
  }
  return [];
}
