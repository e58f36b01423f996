/**
 * The errors that each call can give, as Node words them.
 *
 * Most happen instead of the call. Of some the call has happened, and only its reply was lost: a
 * network file system sends such a call again, and the answer to the second one is that the name
 * is there already, or not there any more. A transfer may be short. A failed fsync loses what was
 * not on the disk yet: the kernel takes those pages for clean, so a later fsync has nothing to do.
 */
import { constants } from "node:os";

import type { FileSystem, OpenMode } from "../../src/disk/file-system.ts";

/** A call of the seam; of `open`, by what it is for. */
export type CallKind = Exclude<keyof FileSystem, "open"> | OpenMode;

export interface Fault {
  readonly code: string;
  /**
   * - `before`: it has not happened (default);
   * - `after`: it has happened, and its reply was lost;
   * - `short`: a part of the transfer has happened, and that is no error;
   * - `nothing`: not a byte was written, and that is no error either;
   * - `zeroed`: of an fsync, what was lost is seen to be lost at once.
   */
  readonly how?: "before" | "after" | "short" | "nothing" | "zeroed";
}

const of = (codes: string): Fault[] => codes.split(" ").map((code) => ({ code }));

const FULL = of("ENOSPC EDQUOT");
const BROKEN = of("EIO ESTALE EINTR");
const REFUSED = of("EACCES EPERM EROFS");
const TOO_MANY = of("EMFILE ENFILE");
const TOO_LONG = of("ENAMETOOLONG");
const CHANGE = [...FULL, ...BROKEN, ...REFUSED];

const FAULTS: Readonly<Record<CallKind, readonly Fault[]>> = {
  create: [...CHANGE, ...TOO_MANY, ...TOO_LONG],
  read: [...BROKEN, ...of("EAGAIN"), { code: "short", how: "short" }],
  directory: [...BROKEN, ...of("EACCES"), ...TOO_MANY],
  truncate: [...BROKEN, ...REFUSED, ...TOO_MANY],
  write: [
    ...FULL,
    ...BROKEN,
    ...of("EAGAIN EFBIG"),
    { code: "short", how: "short" },
    { code: "nothing", how: "nothing" },
  ],
  sync: [...FULL, ...BROKEN, { code: "EIO", how: "zeroed" }],
  // Also with an error the descriptor is closed.
  close: of("EIO EDQUOT EINTR"),
  stat: of("EIO ESTALE"),
  lstat: [...BROKEN, ...of("EACCES"), ...TOO_LONG],
  list: [...BROKEN, ...of("EACCES"), ...TOO_MANY],
  rename: [...CHANGE, ...TOO_LONG],
  link: [...CHANGE, ...TOO_LONG, ...of("EMLINK")],
  unlink: [...BROKEN, ...REFUSED, ...of("EBUSY")],
  mkdir: [...CHANGE, ...TOO_LONG, ...of("EMLINK")],
  rmdir: [...BROKEN, ...REFUSED, ...of("EBUSY")],
  touch: [...BROKEN, ...REFUSED],
  space: of("EIO EACCES ESTALE"),
};

/** What an existing file answers when it is opened to be read. */
const OPEN_TO_READ = [...BROKEN, ...REFUSED.slice(0, 2), ...TOO_MANY];

/** The answer to a call that is sent again because its first reply was lost. */
const LOST_REPLIES: Readonly<Partial<Record<CallKind, string>>> = {
  create: "EEXIST",
  link: "EEXIST",
  mkdir: "EEXIST",
  rename: "ENOENT",
  unlink: "ENOENT",
  rmdir: "ENOENT",
};

const cache = new Map<string, readonly Fault[]>();

/** All that can happen to such a call; replies get lost where the disk is shared. */
export function faultsOf(kind: CallKind | "open", isShared: boolean): readonly Fault[] {
  const key = `${kind} ${isShared}`;
  let faults = cache.get(key);
  if (faults === undefined) {
    const lost = isShared && kind !== "open" ? LOST_REPLIES[kind] : undefined;
    const own = kind === "open" ? OPEN_TO_READ : FAULTS[kind];
    faults = lost === undefined ? own : [...own, { code: lost, how: "after" }];
    cache.set(key, faults);
  }
  return faults;
}

/** Errors that libuv has no name for. */
const NAMELESS: readonly string[] = ["EDQUOT", "ESTALE"];

/** As Node makes it: `path` is "from -> to" of two names, and empty of a descriptor. */
export function errnoError(code: string, syscall: string, path: string): Error {
  const errno = -(constants.errno as Readonly<Record<string, number>>)[code]!;
  // Two ways to say the same, both seen.
  const nameless = syscall === "write" ? "UNKNOWN" : `Unknown system error ${errno}`;
  const named = NAMELESS.includes(code) ? nameless : code;
  const error = new Error(`${named}: injected, ${syscall} '${path}'`);
  const [from, dest] = path.split(" -> ");
  const paths = { ...(path !== "" && { path: from }), ...(dest !== undefined && { dest }) };
  return Object.assign(error, { code: named, errno, syscall, ...paths });
}

/** Exit codes with which a command may end that met this error; 0: it has got over it. */
export function exitCodesOf({ code }: Fault): readonly number[] {
  if (["ENOSPC", "EDQUOT", "EFBIG"].includes(code)) return [0, 73];
  if (REFUSED.some((refused) => refused.code === code)) return [0, 77];
  if (TOO_MANY.some((many) => many.code === code)) return [0, 75];
  if (code === "ENAMETOOLONG") return [0, 64];
  return [0, 74];
}
