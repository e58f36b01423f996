/**
 * Making one message of a slice that waits a slice of its own, so that one rename or unlink acts on it alone.
 *
 * As a consumer would who takes the messages up to it: claims the slice, gives back what follows, gives back the
 * one, gives back what stands before it. A crash in between is a consumer's crash; and who competes for the
 * message meanwhile may be faster.
 */
import { ignore } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
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

/** What was found, claimed into a lease that ends with `use`; undefined where somebody else was faster. */
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
    if (!(await ignore(() => room.fs.rename(path, claimed), "ENOENT"))) return undefined;
    const held = new Held(room, buckets, lease.path, slice, bucketOf(path));
    return await use(held);
  } finally {
    await lease.close();
  }
}

/** Where messages of its batch begin, by their indices; undefined where it is gone, or cannot be cut. */
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
      for (const index of indices) {
        offsets.push(await file.skip(slice.offset, end, index - slice.first));
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

/** The message with this index as a slice of its own; undefined where that cannot be. */
export async function isolate(
  room: Room,
  buckets: Buckets,
  found: Found,
  index: number,
): Promise<Found | undefined> {
  const { slice, path } = found;
  const offsets = await offsetsIn(room, found, index, index + 1);
  if (offsets === undefined) return undefined;
  const [start, next] = offsets as [number, number];
  const alone = await claiming(room, buckets, found, async (held): Promise<Slice> => {
    if (index + 1 < slice.first + slice.count) await held.split(index + 1 - slice.first, next);
    const one = index === slice.first ? held.slice! : await held.split(index - slice.first, start);
    await held.giveBack();
    return one;
  });
  if (alone === undefined) return undefined;
  const name = formatSlice(alone);
  return { ...found, name, slice: alone, path: path.slice(0, -found.name.length) + name };
}

/** The bucket of ready/ that a slice lies in; undefined where it lies elsewhere: then one is chosen. */
function bucketOf(path: string): string | undefined {
  const name = path.split("/").at(-2)!;
  return parseBucket(name) === undefined ? undefined : name;
}
