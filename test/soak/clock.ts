/**
 * What is preloaded into every process of the soak (`node --import`): the disk's clock as a file says.
 *
 * The spool's time is the mtime of a file just made. So what a process makes gets an mtime that is off
 * by SOAK_CLOCK's milliseconds, the same for all processes at the same time: to them the disk's clock
 * was set. The machine's clock is left alone.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const { SOAK_CLOCK: clock, SPOOL_DIR: spool } = process.env;

type Call = (...args: unknown[]) => unknown;

function offsetSeconds(path: string): number {
  try {
    return Number(fs.readFileSync(path, "latin1")) / 1000;
  } catch {
    return 0;
  }
}

function set(clockPath: string, spoolPath: string): void {
  const table = fs as unknown as Record<string, Call>;
  const { openSync, mkdirSync } = table as { openSync: Call; mkdirSync: Call };
  const isOurs = (path: unknown): boolean =>
    typeof path === "string" && path.startsWith(`${spoolPath}/`);
  const now = (): number => Date.now() / 1000 + offsetSeconds(clockPath);
  table["openSync"] = (path, flags, ...rest) => {
    const fd = openSync(path, flags, ...rest) as number;
    const isMade = typeof flags === "number" && (flags & fs.constants.O_CREAT) !== 0;
    if (isMade && isOurs(path)) fs.futimesSync(fd, now(), now());
    return fd;
  };
  table["mkdirSync"] = (path, ...rest) => {
    const made = mkdirSync(path, ...rest);
    if (isOurs(path)) {
      try {
        fs.utimesSync(path as string, now(), now());
      } catch {
        // Somebody was faster to take it away.
      }
    }
    return made;
  };
  syncBuiltinESMExports();
}

if (clock !== undefined && spool !== undefined) set(clock, spool);
