/**
 * Making some messages of a slice that waits slices of their own, so that one rename or unlink acts on them alone.
 *
 * As a consumer would who takes the messages up to them: claims the slice, gives back what follows, gives back the
 * ones that are wanted, gives back what stands before them. A crash in between is a consumer's crash; and who competes for
 * the messages meanwhile may be faster.
 */
import { renameOnce } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { DamagedError } from "../message/batch.ts";
import { formatSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { Found } from "./browse.ts";
import { parseBucket } from "./buckets.ts";
import type { Buckets } from "./buckets.ts";
import { Held } from "./held.ts";
import { Lease } from "./lease.ts";
import { ForeignError, openBatch } from "./open-batch.ts";
import type { Room } from "./room.ts";

/**
 * What was found, claimed into a lease that ends with `use`; undefined where somebody else was faster, or has taken the lease
 * over because we stood still.
 */
export async function claiming<T>(
  room: Room,
  buckets: Buckets,
  { path, slice }: Found,
  use: (held: Held) => Promise<T>,
): Promise<T | undefined> {
  const { leaseMs } = await room.settings();
  const lease = await Lease.open(room, leaseMs, "brief");
  try {
    const claimed = `${lease.path}/${formatSlice(slice)}`;
    if (!(await renameOnce(room.disk, path, claimed))) return undefined;
    const held = new Held(room, buckets, lease.path, slice, bucketOf(path));
    return await use(held);
  } catch (error) {
    if (error instanceof SpoolError && error.code === "LEASE_LOST") return undefined;
    throw error;
  } finally {
    await lease.close();
  }
}

/** Where messages of its batch begin, by their indices in rising order; undefined where it is gone, or cannot be cut. */
export async function offsetsIn(
  room: Room,
  { slice, path }: Found,
  ...indices: readonly number[]
): Promise<number[] | undefined> {
  try {
    const file = await openBatch(room.fs, path, slice);
    try {
      const end = slice.offset + slice.bytes;
      const offsets: number[] = [];
      let [at, offset] = [slice.first, slice.offset];
      for (const index of indices) {
        offset = await file.skip(offset, end, index - at);
        at = index;
        offsets.push(offset);
      }
      return offsets;
    } finally {
      await file.close();
    }
  } catch (error) {
    // Whoever claims it says what is wrong with it.
    const isUncuttable = error instanceof DamagedError || error instanceof ForeignError;
    if (isUncuttable || isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Runs of neighbours that are cut out under one claim: a brief lease has no heartbeat. */
const CUTS = 32;

/** Neighbours: from the first index to before the end. */
interface Run {
  readonly first: number;
  readonly end: number;
}

/**
 * The messages with these indices, each run of neighbours as a slice of its own that waits where they were. Ends early
 * where somebody else is faster, or the batch cannot be cut.
 *
 * @param indices  in rising order, all of them in the slice, and not all that it holds.
 */
export async function* cutOut(
  room: Room,
  buckets: Buckets,
  found: Found,
  indices: readonly number[],
): AsyncGenerator<Found> {
  const runs = runsOf(indices);
  for (let rest: Found | undefined = found; rest !== undefined && runs.length > 0;) {
    const cut: Cut | undefined = await cutRuns(room, buckets, rest, runs.splice(-CUTS));
    if (cut === undefined) return;
    yield* cut.alone;
    rest = cut.front;
  }
}

interface Cut {
  readonly alone: readonly Found[];
  /** What stands before all of them; undefined where nothing does. */
  readonly front: Found | undefined;
}

/** From the last one to the first, because what is cut off goes back and the front stays in hand. */
async function cutRuns(
  room: Room,
  buckets: Buckets,
  found: Found,
  runs: readonly Run[],
): Promise<Cut | undefined> {
  const edges = runs.flatMap(({ first, end }) => [first, end]);
  const offsets = await offsetsIn(room, found, ...edges);
  if (offsets === undefined) return undefined;
  const asFound = (slice: Slice): Found => beside(found, slice);
  return claiming(room, buckets, found, async (held): Promise<Cut> => {
    const alone: Found[] = [];
    for (let at = runs.length - 1; at >= 0; at--) {
      const { first, end } = runs[at]!;
      const from = held.slice!.first;
      if (end < from + held.slice!.count) await held.split(end - from, offsets[2 * at + 1]!);
      if (first === from) alone.push(asFound(held.slice!));
      else alone.push(asFound(await held.split(first - from, offsets[2 * at]!)));
    }
    const front = runs[0]!.first === held.slice!.first ? undefined : asFound(held.slice!);
    await held.giveBack();
    return { alone, front };
  });
}

/** A slice that waits where this one did. */
export function beside(found: Found, slice: Slice): Found {
  const name = formatSlice(slice);
  return { ...found, name, slice, path: found.path.slice(0, -found.name.length) + name };
}

function runsOf(indices: readonly number[]): Run[] {
  const runs: { first: number; end: number }[] = [];
  for (const index of indices) {
    const last = runs.at(-1);
    if (last?.end === index) last.end++;
    else runs.push({ first: index, end: index + 1 });
  }
  return runs;
}

/** The bucket of ready/ that a slice lies in; undefined where it lies elsewhere: then one is chosen. */
function bucketOf(path: string): string | undefined {
  const name = path.split("/").at(-2)!;
  return parseBucket(name) === undefined ? undefined : name;
}
