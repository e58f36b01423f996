/**
 * What is preloaded into a real `spool` (`node --import`), so that something befalls it at a system
 * call of the test's choice: it kills itself, or stops until somebody continues it; its disk's clock
 * is late; its file system knows only so many names of a file. The program itself is the built one.
 *
 * A call is written `name path`, or `name from -> to`, and only calls on the spool count; `ask pid` is
 * the look whether a process is gone.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

export interface Fate {
  /** What befalls it before the `nth` call that this expression matches. */
  readonly signal?: "SIGKILL" | "SIGSTOP";
  readonly match?: string;
  readonly nth?: number;
  /** The disk's clock, as this process reads it, is so late: what it begins looks old to others. */
  readonly behindMs?: number;
  /** Names that a file may have: a further link fails with EMLINK. */
  readonly maxLinks?: number;
}

/** The environment in which a `spool` meets its fate. */
export function fated(fate: Fate): Record<string, string> {
  return { FATE: JSON.stringify(fate), NODE_OPTIONS: `--import=${import.meta.url}` };
}

type Call = (...args: never[]) => unknown;

function meet({ signal, match, nth = 1, behindMs = 0, maxLinks }: Fate): void {
  const spool = `${process.env["SPOOL_DIR"]}/`;
  const wanted = new RegExp(match ?? "$never");
  const kill = process.kill.bind(process);
  let met = 0;
  const before = (line: string): void => {
    if (signal !== undefined && wanted.test(line) && ++met === nth) kill(process.pid, signal);
  };
  const beforeCall = (line: string): void => {
    if (line.includes(spool)) before(line);
  };
  process.kill = (pid, asked) => {
    if (asked === 0) before(`ask ${pid}`);
    return kill(pid, asked);
  };
  const table = fs as unknown as Record<string, Call>;
  const wrap = (name: string, guard: (...args: string[]) => void): void => {
    const real = table[`${name}Sync`]!;
    table[`${name}Sync`] = (...args) => {
      guard(...(args as string[]));
      return real(...args);
    };
  };
  for (const name of ["unlink", "mkdir", "rmdir", "utimes"]) {
    wrap(name, (path) => beforeCall(`${name} ${path}`));
  }
  wrap("rename", (from, to) => beforeCall(`rename ${from} -> ${to}`));
  wrap("link", (from, to) => {
    beforeCall(`link ${from} -> ${to}`);
    if (maxLinks === undefined || fs.statSync(from).nlink < maxLinks) return;
    throw Object.assign(new Error(`EMLINK: too many links, link '${from}'`), { code: "EMLINK" });
  });
  const { fstatSync } = fs;
  table["fstatSync"] = (...args) => {
    const stats = (fstatSync as Call)(...args) as fs.Stats;
    stats.mtimeMs -= behindMs;
    return stats;
  };
  syncBuiltinESMExports();
}

if (process.env["FATE"] !== undefined) meet(JSON.parse(process.env["FATE"]) as Fate);
