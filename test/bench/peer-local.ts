/** Peers without a server: nq, which runs commands one after the other, and CERN's dirq, a directory as ours is. */
import { spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { PAYLOAD, spreadOut } from "./ground.ts";
import type { Ground } from "./ground.ts";
import { LEAST } from "./peer-servers.ts";
import type { Peer } from "./peer-servers.ts";
import { atExit, start, stop } from "./peer-wire.ts";

/** Puts that are a process each, in a round; and commands that are run, so that the start of what runs them does not count. */
export const LEAST_COMMANDS = 16;
export const JOBS = 200;

/** Each put and each take in its own call, in the fastest way that its manual shows. */
const DIRQ = `
import sys
from dirq.QueueSimple import QueueSimple
queue = None
for line in sys.stdin:
    verb, count, path = line.split()
    if verb == "put":
        queue = QueueSimple(path)
        payload = b"x" * ${PAYLOAD.length}
        for _ in range(int(count)):
            queue.add(payload)
        done = int(count)
    else:
        done = 0
        for name in queue:
            if not queue.lock(name):
                continue
            queue.get(name)
            queue.remove(name)
            done += 1
    print(done, flush=True)
`;

/** The Python that has dirq: Debian puts it where only its own looks. */
export function pythonWithDirq(): string | undefined {
  return ["python3", "/usr/bin/python3"].find(
    (python) => spawnSync(python, ["-c", "import dirq.QueueSimple"]).status === 0,
  );
}

export async function dirq(dir: string): Promise<Peer> {
  mkdirSync(dir);
  // A queue of its own for each round, away from what was removed before.
  spreadOut(dir);
  const script = join(dir, "bench.py");
  writeFileSync(script, DIRQ);
  const child: ChildProcess = start([pythonWithDirq()!, script], { stdio: "pipe" });
  const lines = createInterface({ input: child.stdout! });
  let queues = 0;
  const run = async (verb: "put" | "take", count: number): Promise<void> => {
    if (verb === "put") queues++;
    const said = once(lines, "line", { signal: AbortSignal.timeout(120_000) });
    child.stdin!.write(`${verb} ${count} ${join(dir, `queue${queues}`)}\n`);
    const [done] = (await said) as [string];
    if (Number(done) !== count) throw new Error(`dirq: ${verb} of ${done}, not of ${count}`);
  };
  return {
    least: LEAST,
    put: (count) => run("put", count),
    take: (count) => run("take", count),
    close: () => {
      child.stdin!.end();
      return stop(child);
    },
  };
}

/**
 * A put is a process that makes a job, which then waits for those before it; a take is a job that runs. So that none
 * runs while they are put, the first one waits for a pipe.
 */
export async function nq(ground: Ground, dir: string): Promise<Peer> {
  mkdirSync(dir);
  const gate = join(dir, "gate");
  ground.shellMs('mkfifo "$1"', gate);
  const env = { ...process.env, NQDIR: dir };
  const inQueue = (script: string, ...args: readonly string[]): void => {
    const { status } = spawnSync("sh", ["-c", script, "sh", ...args], { env, stdio: "ignore" });
    if (status !== 0) throw new Error(`nq: exit ${status}`);
  };
  const closeGate = (): void => inQueue('nq -c cat "$1"', gate);
  const openGate = (): void => inQueue(': > "$1"', gate);
  // Whatever happens, none is to wait for ever.
  atExit(() => {
    try {
      closeSync(openSync(gate, constants.O_WRONLY | constants.O_NONBLOCK));
    } catch {
      // None waits.
    }
  });
  closeGate();
  const put = (count: number): void =>
    inQueue('for i in $(seq "$1"); do nq -c true || exit; done', String(count));
  return {
    least: LEAST_COMMANDS,
    put,
    fill: async () => {
      put(JOBS);
      return JOBS;
    },
    take: () => {
      openGate();
      inQueue("nq -w");
      closeGate();
    },
    close: openGate,
  };
}
