/** What becomes of messages whose time to live is over. */
import { isErrno } from "../errors.ts";
import type { Slice } from "../message/slice.ts";
import { setAside } from "./aside.ts";
import type { Warn } from "./aside.ts";
import { bury } from "./dead-letters.ts";
import type { Room } from "./room.ts";

/** What becomes of a slice whose time to live is over: as the queue is set. True where it went. */
export async function expire(room: Room, path: string, slice: Slice, warn: Warn): Promise<boolean> {
  const { expired } = await room.settings();
  if (expired === "dead") return bury(room, path, slice, { reason: "expired" });
  try {
    await room.fs.unlink(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    const isFile = isErrno(error, "EPERM") && (await room.fs.lstat(path)).kind === "file";
    if (isFile || !isErrno(error, "EISDIR", "EPERM")) throw error;
    await setAside(room, path, "a directory, not a file", warn);
    return false;
  }
}
