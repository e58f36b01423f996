/** A real file system that lets a test act just before a chosen call, or instead of it. */
import { closeSync } from "node:fs";

import { DiskClock } from "../../src/clock.ts";
import type { FileSystem } from "../../src/disk/file-system.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";

/** Magic numbers: the engine takes the disk for one of these. */
export const EXT4 = 0xef53;
export const NFS = 0x6969;
export const ZFS = 0x2fc12fc1;

/** Told of each call before it is done; what it returns, but undefined, is the call's result. */
export type Hook = (name: keyof FileSystem, path: string, to: string) => unknown;

export function hooked(type: number, hook: Hook): FileSystem {
  const below = new NodeFileSystem({ blocking: true });
  return new Proxy<FileSystem>(below, {
    get:
      (_, name: keyof FileSystem) =>
      async (...args: unknown[]): Promise<unknown> => {
        const given = await hook(name, String(args[0]), String(args[1]));
        if (given !== undefined) return given;
        const result: unknown = await Reflect.apply(below[name], below, args);
        return name === "space" ? { ...(result as object), type } : result;
      },
  });
}

/** A clock that is ahead of the disk's by so much, whenever it is read. */
export class AheadClock extends DiskClock {
  readonly #aheadMs: number;

  constructor(aheadMs: number) {
    super();
    this.#aheadMs = aheadMs;
  }

  override observe(mtimeMs: number): void {
    super.observe(mtimeMs + this.#aheadMs);
  }
}

/** A server that finds only as a file is closed that it has no room for what was written. */
export function fullAtClose(): Hook {
  const written = new Set<string>();
  return (name, fd) => {
    if (name === "write") written.add(fd);
    if (name !== "close" || !written.delete(fd)) return;
    closeSync(Number(fd));
    throw Object.assign(new Error("ENOSPC: no space left on device, close"), {
      code: "ENOSPC",
      syscall: "close",
    });
  };
}
