/**
 * The engine's careful order, for a disk of its own kind: every sync that POSIX asks for.
 *
 * It is made for disks that this rig cannot cut (ZFS, overlay, what nobody knows), and asks less of a disk
 * than the short order does; so what it promises must hold on these as well.
 */
import type { DiskSpace } from "../../src/disk/file-system.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";

const ZFS = 0x2fc12fc1;

export class CarefulFileSystem extends NodeFileSystem {
  override space(path: string): DiskSpace {
    return { ...super.space(path), type: ZFS };
  }
}

/** How a process of the workload, or who recovers, syncs: as the disk's kind says, or carefully. */
export type Order = "own" | "careful";
