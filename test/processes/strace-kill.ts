/**
 * A real `spool` under strace: which system calls it makes, and its death at one of them.
 *
 * strace sends SIGKILL at the entry of a call: the call is not made. Between two calls that change
 * something nothing happens, so the death before a call is also the one after the call before it; the
 * last of them is the death before `exit_group`. (With --seccomp-bpf strace forgets the signal,
 * silently. So every call stops, which costs little.)
 *
 * A call is named by its ordinal among the calls of that name of one thread. Node's pool has one
 * thread here, so that it does not matter which of them syncs.
 */
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";

import { SPOOL } from "../helpers/cli.ts";
import type { Cli, Ended } from "../helpers/cli.ts";

/** One call that changes something on the disk or is heard outside. */
export interface Call {
  readonly name: string;
  readonly ordinal: number;
  /** What it is done to, without what is different each time. */
  readonly shape: string;
  /** Among the calls of this shape. */
  readonly nth: number;
}

export interface Killed {
  readonly ended: Ended;
  /** True where it died at the call that was meant. */
  readonly isThere: boolean;
  /** The ordinal at which that call is to be looked for next. */
  readonly next: number;
}

/** What is run: in which spool, `spool` with which words and which stdin. */
export interface Command {
  readonly spool: string;
  readonly args: readonly string[];
  readonly input?: string;
}

/** On some machines they are the `at` ones. */
const NAMES =
  "(rename|link|unlink|mkdir)(at2?)?|rmdir|f(data)?sync|utimensat|openat|p?write(64)?|ftruncate|exit_group";

/** Changes something through a file descriptor. Node's own start makes no such calls. */
const THROUGH_FD = /^(f(data)?sync|pwrite64|ftruncate)$/;

/** A name that is so long has an id in it. */
const ID_LENGTH = 15;

const FAILED = /= -1 E[A-Z]+ /;

/** Why there is no death by strace here, or undefined. */
export function whyNot(): string | undefined {
  const { error, status, stderr } = spawnSync("strace", ["-qq", "-o", "/dev/null", "true"], {
    encoding: "utf8",
  });
  if (error !== undefined) return "strace is not installed (apt install strace)";
  return status === 0 ? undefined : `strace may not trace here: ${stderr.trim()}`;
}

export class Tracer {
  readonly #cli: Cli;
  #runs = 0;

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  /** Lets it run to its end; returns each call that it can die at. */
  async calls(command: Command): Promise<Call[]> {
    const { ended, log } = await this.#run(command);
    if (ended.code !== 0) {
      throw new Error(`spool ${command.args.join(" ")}: exit ${ended.code}\n${ended.stderr}`);
    }
    return callsIn(log, command.spool).filter(({ changes }) => changes);
  }

  /** Kills it at that call, if it is where it was: a file is opened more or less, by chance. */
  async kill(command: Command, { name, ordinal, shape, nth }: Call): Promise<Killed> {
    const inject = `inject=${name}:signal=KILL:when=${ordinal}`;
    const { ended, log } = await this.#run(command, "-e", inject);
    const meant = callsIn(log, command.spool).find(
      (call) => call.shape === shape && call.nth === nth,
    );
    const isThere = meant?.ordinal === ordinal && ended.signal === "SIGKILL";
    // Where it was not met the death came before it.
    return { ended, isThere, next: meant?.ordinal ?? ordinal + 1 };
  }

  async #run(
    { spool, args, input }: Command,
    ...options: readonly string[]
  ): Promise<{ ended: Ended; log: string }> {
    const path = `${this.#cli.dir}/strace-${++this.#runs}`;
    const trace = ["-f", "-qq", "-s", "16", "-o", path, "-e", `trace=/^(${NAMES})$`, ...options];
    const ended = await this.#cli
      .launch("strace", [...trace, SPOOL, ...args], {
        env: { SPOOL_DIR: spool, UV_THREADPOOL_SIZE: "1" },
        ...(input !== undefined && { input }),
      })
      .read().ended;
    return { ended, log: await readFile(path, "utf8") };
  }
}

interface Seen extends Call {
  readonly changes: boolean;
}

function callsIn(log: string, spool: string): Seen[] {
  const counts = new Map<string, number>();
  const count = (key: string): number => {
    const counted = (counts.get(key) ?? 0) + 1;
    counts.set(key, counted);
    return counted;
  };
  const main = /^\d+/.exec(log)?.[0];
  const calls: Seen[] = [];
  for (const line of log.split("\n")) {
    const [, thread = "", name = "", rest = ""] = /^(\d+) +(\w+)\((.*)$/.exec(line) ?? [];
    if (name === "") continue;
    const shape = shapeOf(name, rest, spool);
    const ordinal = count(`${thread} ${name}`);
    // What Node's pool writes to stdout cannot be told by its ordinal; it changes nothing on the disk.
    const isOfMain = thread === main || !/^(exit_group|write)$/.test(name);
    const changes = isOfMain && isChange(name, rest, spool);
    calls.push({ name, ordinal, shape, nth: count(shape), changes });
  }
  return calls;
}

function isChange(name: string, rest: string, spool: string): boolean {
  if (FAILED.test(rest)) return false;
  if (name === "exit_group") return true;
  if (name === "write") return rest.startsWith("1, ");
  if (THROUGH_FD.test(name)) return true;
  if (!rest.includes(`"${spool}/`) && !rest.includes(`"${spool}"`)) return false;
  return name !== "openat" || /O_CREAT|O_TRUNC/.test(rest);
}

/** `rename queues/q/tmp/@ queues/q/ready/@/@`: an @ for each name that an id is in. */
function shapeOf(name: string, rest: string, spool: string): string {
  if (name === "write") return `write ${rest.slice(0, rest.indexOf(","))}`;
  const paths = [...rest.matchAll(/"([^"]*)"/g)].map(([, path = ""]) => path);
  const own = paths.filter((path) => path === spool || path.startsWith(`${spool}/`));
  const shapes = own.map((path) => {
    const parts = path.slice(spool.length + 1).split("/");
    return parts.map((part) => (part.length < ID_LENGTH ? part : "@")).join("/");
  });
  return [name, ...shapes].join(" ");
}
