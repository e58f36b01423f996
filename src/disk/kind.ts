/**
 * What this file system can be trusted with, told by its magic number (statfs(2)).
 *
 * An unknown one gets the careful treatment: every sync that POSIX asks for, no trust in a reply
 * that may have been lost, no trust in events. The magic numbers are Linux's (include/uapi/linux/magic.h).
 */
export interface FileSystemKind {
  readonly name: string;
  /** After rename or link, one fsync of the file makes its data and all its names durable. */
  readonly oneSync: boolean;
  /**
   * An fsync of anything keeps every name change that came before it. Where that is not so, a directory is
   * made safe before something is renamed into it; and on btrfs none that holds files is synced: see syncNames.
   */
  readonly ordered: boolean;
  /** Several hosts may share it: replies get lost, listings may skip, events do not travel. */
  readonly shared: boolean;
}

const KINDS: Readonly<Record<number, FileSystemKind>> = {
  0xef53: { name: "ext4", oneSync: true, ordered: true, shared: false },
  0x58465342: { name: "xfs", oneSync: true, ordered: true, shared: false },
  0x9123683e: { name: "btrfs", oneSync: true, ordered: false, shared: false },
  0x01021994: { name: "tmpfs", oneSync: true, ordered: true, shared: false },
  0x2fc12fc1: { name: "zfs", oneSync: false, ordered: false, shared: false },
  0xf2f52010: { name: "f2fs", oneSync: false, ordered: false, shared: false },
  0x794c7630: { name: "overlay", oneSync: false, ordered: false, shared: false },
  0x6969: { name: "nfs", oneSync: false, ordered: false, shared: true },
  0x65735546: { name: "fuse", oneSync: false, ordered: false, shared: true },
  0xff534d42: { name: "cifs", oneSync: false, ordered: false, shared: true },
  0xfe534d42: { name: "smb2", oneSync: false, ordered: false, shared: true },
  0x517b: { name: "smb", oneSync: false, ordered: false, shared: true },
  0x01021997: { name: "9p", oneSync: false, ordered: false, shared: true },
  0x00c36400: { name: "ceph", oneSync: false, ordered: false, shared: true },
  0x0bd00bd0: { name: "lustre", oneSync: false, ordered: false, shared: true },
  0x7461636f: { name: "ocfs2", oneSync: false, ordered: false, shared: true },
  0x01161970: { name: "gfs2", oneSync: false, ordered: false, shared: true },
};

export function kindOf(type: number): FileSystemKind {
  const name = `unknown (0x${type.toString(16)})`;
  return KINDS[type] ?? { name, oneSync: false, ordered: false, shared: true };
}

/**
 * True of a name under which NFS keeps a file that was removed while a program on some host has it open. No
 * one has given it that name, and it goes by itself: nothing is there.
 */
export const isRemovedOpen = (name: string): boolean => name.startsWith(".nfs");
