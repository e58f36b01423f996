/**
 * Who this process is, and whether another one is plainly gone.
 *
 * A token names a process beyond reuse of its pid: boot id, pid namespace, pid and start time, all
 * from Linux's /proc (proc(5)). "Gone" is said only of a process of this very boot and namespace;
 * of any other nobody here can know, and its lease has to run out. Where there is no /proc the token
 * is `none`, of which nothing is ever known.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

export interface Processes {
  /** This process's token. */
  readonly self: string;
  /** This host's name, reduced to letters, digits and `-`: for people, never for decisions. */
  readonly host: string;
  /** True only where the process that the token names is certainly no more. */
  isGone(token: string): boolean;
}

export const UNKNOWN_PROCESS = "none";

const TOKEN = /^b([0-9a-f]{8})\.n(\d+)\.p(\d+)\.s(\d+)$/;

/** Field 22 of /proc/PID/stat, and field 3: counted from the end of the name, which may hold anything. */
function startOf(pid: number | "self"): { start: string; state: string } {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", start: fields[19] ?? "" };
}

function tokenOfSelf(): string {
  try {
    // A /proc of another pid namespace, as in some containers, would call the living gone.
    if (readlinkSync("/proc/self") !== String(process.pid)) return UNKNOWN_PROCESS;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 8);
    const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
    return `b${boot}.n${namespace}.p${process.pid}.s${startOf("self").start}`;
  } catch {
    return UNKNOWN_PROCESS;
  }
}

export class HostProcesses implements Processes {
  #self: string | undefined;

  get self(): string {
    this.#self ??= tokenOfSelf();
    return this.#self;
  }

  get host(): string {
    return (
      hostname()
        .replaceAll(/[^A-Za-z0-9-]/g, "-")
        .slice(0, 64) || "-"
    );
  }

  isGone(token: string): boolean {
    const theirs = TOKEN.exec(token);
    const ours = TOKEN.exec(this.self);
    if (!theirs || !ours || theirs[1] !== ours[1] || theirs[2] !== ours[2]) return false;
    const pid = Number(theirs[3]);
    try {
      process.kill(pid, 0);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ESRCH";
    }
    try {
      const { start, state } = startOf(pid);
      // A zombie runs no more: it waits only for its parent to ask how it ended.
      return start !== theirs[4] || state === "Z" || state === "X";
    } catch {
      // It ended between the two looks, or /proc hides it (hidepid): the next look will tell.
      return false;
    }
  }
}
