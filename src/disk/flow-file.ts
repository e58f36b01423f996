/**
 * The files in which it is told what flows: appended to by those who make it flow, read by those who look.
 * Past the seam of the disk, because no message depends on it.
 */
import * as fs from "node:fs";

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;

/** What one file is for, in s. */
export const WINDOW_S = 900;

/** Windows that began longer ago than this are removed, in s: an hour can be looked back. */
const KEPT_S = 3600 + WINDOW_S;

/** When its window began, in s since the epoch, and whose it is. */
export const FLOW_NAME = /^(\d{10})-[A-Za-z0-9-]{1,64}$/;

/** Read at once at the most, in bytes. */
const BLOCK_BYTES = 64 * 1024;

/** Longer than any line, in bytes: what has no end after so much has none. */
const LINE_BYTES = 1000;

/** What to leave out of what was told before the first look: for who has many to look at, and asks for now. */
export interface Recent {
  /** Windows that began before this, in s since the epoch. */
  readonly fromS: number;
  /** What is further from the end of a file than this, in bytes. */
  readonly tailBytes: number;
}

/** Appends to the file of a window and host. @throws what the system says. */
export function appendFlow(directory: string, fromS: number, host: string, line: string): void {
  const path = `${directory}/${fromS}-${host}`;
  const flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
  let fd: number;
  try {
    fd = fs.openSync(path, flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    if (!begin(directory, fromS)) return;
    fd = fs.openSync(path, flags | O_CREAT, 0o666);
  }
  try {
    fs.writeSync(fd, line);
  } finally {
    fs.closeSync(fd);
  }
}

/** Before the first line of a window: the directory, without what is old in it; false where it is none. */
function begin(directory: string, fromS: number): boolean {
  try {
    fs.mkdirSync(directory);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  // A link is not followed out of the spool.
  if (!fs.lstatSync(directory).isDirectory()) return false;
  for (const name of fs.readdirSync(directory)) {
    const began = FLOW_NAME.exec(name)?.[1];
    if (began !== undefined && Number(began) < fromS - KEPT_S) {
      fs.rmSync(`${directory}/${name}`, { force: true });
    }
  }
  return true;
}

interface Window {
  /** What was read of it. */
  bytes: number;
  /** A line that is not there as a whole. */
  rest: string;
}

/** The lines of all windows in a directory, each once. */
export class FlowFiles {
  readonly #directory: string;
  readonly #recent: Recent | undefined;
  readonly #windows = new Map<string, Window>();

  constructor(directory: string, recent?: Recent) {
    this.#directory = directory;
    this.#recent = recent;
  }

  /** True where there was a window, however old, at the last look. */
  get hasAny(): boolean {
    return this.#windows.size > 0;
  }

  /** Tells each line that came since the last time, and when its window began, in ms. Never fails. */
  read(tell: (line: string, fromMs: number) => void): void {
    let names: string[];
    try {
      names = fs.readdirSync(this.#directory);
    } catch {
      return;
    }
    for (const name of names) {
      const from = FLOW_NAME.exec(name)?.[1];
      if (from === undefined) continue;
      try {
        this.#readFile(name, Number(from), (line) => tell(line, Number(from) * 1000));
      } catch {
        // Removed since it was listed, or not ours to read.
      }
    }
    for (const name of this.#windows.keys()) if (!names.includes(name)) this.#windows.delete(name);
  }

  #readFile(name: string, fromS: number, tell: (line: string) => void): void {
    let window = this.#windows.get(name);
    const isNew = window === undefined;
    window ??= { bytes: 0, rest: "" };
    this.#windows.set(name, window);
    const isOld = this.#recent !== undefined && fromS < this.#recent.fromS;
    if (isOld) return;
    const path = `${this.#directory}/${name}`;
    const stat = fs.lstatSync(path);
    if (!stat.isFile() || stat.size <= window.bytes) return;
    if (isNew && this.#recent !== undefined && stat.size > this.#recent.tailBytes) {
      window.bytes = stat.size - this.#recent.tailBytes;
      // It begins within a line, whose rest is none.
      window.rest = "-";
    }
    const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, stat.size - window.bytes));
      while (window.bytes < stat.size) {
        const count = fs.readSync(fd, block, 0, block.length, window.bytes);
        if (count === 0) return;
        window.bytes += count;
        const lines = (window.rest + block.toString("latin1", 0, count)).split("\n");
        window.rest = lines.pop()!.slice(0, LINE_BYTES);
        for (const line of lines) tell(line);
      }
    } finally {
      fs.closeSync(fd);
    }
  }
}
