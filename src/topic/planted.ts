/** Links that a fan-out has made, and where they are. */
import { ignore } from "../disk/durable.ts";
import type { Slice } from "../message/slice.ts";
import type { Member } from "./audience.ts";

/** One link in one subscription. */
export interface Planted {
  readonly member: Member;
  readonly slice: Slice;
  readonly path: string;
}

/** Where a link is, and where it is if its subscription was filled meanwhile. */
export function placesOf({ member, slice, path }: Planted): Planted[] {
  const here = { member, slice, path };
  if (member.live === undefined) return [here];
  const name = path.slice(path.lastIndexOf("/") + 1);
  return [here, { member: member.live, slice, path: `${member.live.incoming}/${name}` }];
}

/** The directories of all buckets of a subscription. */
export async function bucketsOf({ queue: { buckets, room } }: Member): Promise<string[]> {
  let names: string[] = [];
  await ignore(async () => {
    names = await buckets.list();
  }, "ENOENT");
  return names.map((bucket) => room.layout.bucket(bucket));
}
