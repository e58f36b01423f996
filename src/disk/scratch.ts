/**
 * A directory for a while, on the disk that a spool is on, or would be; removed with all that is in it.
 *
 * Beside the spool, so that nothing is ever written into it. Where that cannot be (the spool is the root of
 * its disk, or what is around it is somebody else's) it lies in the spool's directory, under a name that
 * `verify` knows. Where there is no spool yet it lies in the nearest directory above.
 */
import * as fs from "node:fs";
import { dirname, join, resolve } from "node:path";

import { isErrno } from "../errors.ts";

const PREFIX = ".spool-bench-";

/** Tries to remove what another process, which is being killed, may still write into. */
const REMOVE_TRIES = 5;

export class Scratch {
  readonly path: string;
  /** The process may end in other ways than by going through `remove`. */
  readonly #onExit = (): void => this.remove();

  private constructor(path: string) {
    this.path = path;
    process.once("exit", this.#onExit);
  }

  /** @throws EACCES, EROFS, ENOTDIR, ENOSPC */
  static make(dir: string): Scratch {
    const there = nearest(resolve(dir));
    // What may not be written to would be measured in vain, also where there is room beside it.
    fs.accessSync(there, fs.constants.W_OK);
    if (fs.existsSync(join(there, "spool.json")) && isSameDisk(there, besides(there))) {
      try {
        return new Scratch(fs.mkdtempSync(join(besides(there), PREFIX)));
      } catch (error) {
        if (!isErrno(error, "EACCES", "EPERM", "EROFS")) throw error;
      }
    }
    return new Scratch(fs.mkdtempSync(join(there, PREFIX)));
  }

  /** The directory that it lies in. */
  get parent(): string {
    return dirname(this.path);
  }

  remove(): void {
    process.off("exit", this.#onExit);
    fs.rmSync(this.path, {
      recursive: true,
      force: true,
      maxRetries: REMOVE_TRIES,
      retryDelay: 20,
    });
  }
}

/** The directory, or the nearest one above that is there. */
function nearest(dir: string): string {
  for (let at = dir; ; at = dirname(at)) {
    if (fs.existsSync(at) || dirname(at) === at) return at;
  }
}

const besides = (dir: string): string => dirname(fs.realpathSync(dir));

const isSameDisk = (one: string, other: string): boolean =>
  fs.statSync(one).dev === fs.statSync(other).dev;
