/** A file system that needs one sync, one that needs each, and one that is shared as well. */
import { EXT4, NFS, ZFS } from "../crash/world.ts";

export const TYPES = [
  ["ext4", EXT4],
  ["zfs", ZFS],
  ["nfs", NFS],
] as const;
