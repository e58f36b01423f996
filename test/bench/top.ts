/**
 * What `spool top` costs on a large spool that changes all the while: CPU and memory of its two processes, and
 * how soon a key is answered. Prints a line for each.
 *
 *   node test/bench/top.ts [--queues 1000] [--topics 200] [--messages 1000000] [--changes 5000] [--seconds 30]
 *
 * Needs `npm run build`, Linux and tmux. Of the messages a fifth are files of their own, the rest lie in batches
 * of up to a thousand; each of twenty subscriptions of a topic has one more. Changes are puts and acks by two processes,
 * each with twenty-five workers.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import { openSpool } from "../../src/spool.ts";

const SPOOL = new URL("../../bin/spool", import.meta.url).pathname;
const SUBSCRIPTIONS = 20;

const PATIENCE_MS = 60_000;

/** As Linux has it everywhere. */
const TICKS_PER_S = 100;

const { values } = parseArgs({
  options: {
    queues: { type: "string", default: "1000" },
    topics: { type: "string", default: "200" },
    messages: { type: "string", default: "1000000" },
    changes: { type: "string", default: "5000" },
    seconds: { type: "string", default: "30" },
    churn: { type: "string" },
    /** Of a child: its first queue. */
    first: { type: "string", default: "0" },
  },
});
const [queues, topics, messages, changes, seconds] = [
  values.queues,
  values.topics,
  values.messages,
  values.changes,
  values.seconds,
].map(Number) as [number, number, number, number, number];

const nameOf = (index: number): string => `queue-${String(index).padStart(4, "0")}`;

async function* lines(count: number): AsyncGenerator<Buffer> {
  for (let left = count; left > 0; left -= 1000)
    yield Buffer.from("x\n".repeat(Math.min(left, 1000)));
}

async function fill(dir: string): Promise<void> {
  const spool = await openSpool({ dir, tellsFlow: false });
  const each = Math.ceil(messages / queues);
  const alone = Math.ceil(each / 5);
  for (let index = 0; index < queues; index++) {
    const queue = spool.queue(nameOf(index));
    await queue.putMany({ sync: "none" }).run(lines(each - alone));
    for (let n = 0; n < alone; n++) await queue.put("x", { sync: "none" });
  }
  for (let index = 0; index < topics; index++) {
    const topic = await spool.topic(`topic-${index}`);
    for (let n = 0; n < SUBSCRIPTIONS; n++) await topic.subscribe(`sub-${n}`);
    await topic.publish("x", { sync: "none" });
  }
}

/** Half of the workers. */
const WORKERS = 25;

/**
 * Puts and acks by turns, so many a second: each of 25 workers has a queue of its own, in which there is always
 * something because as much is put into it; and each fifth change is a put into any queue.
 */
async function churn(dir: string, perS: number, first: number): Promise<void> {
  const spool = await openSpool({ dir });
  const startMs = Date.now();
  const all = Array.from({ length: queues }, (_, index) => spool.queue(nameOf(index)));
  const own = Array.from({ length: WORKERS }, (_, index) => {
    const queue = all[(first + 2 * index * Math.floor(queues / (2 * WORKERS))) % queues]!;
    return { queue, messages: queue.messages() };
  });
  for (let done = 0, turn = 0; ; turn++) {
    const due = ((Date.now() - startMs) / 1000) * perS;
    while (done < due) {
      const { queue, messages: stream } = own[turn++ % WORKERS]!;
      await queue.put("x", { sync: "none" });
      const { value } = await stream.next();
      await value!.ack();
      done += 2;
      if (turn % 2 > 0) continue;
      await all[Math.floor(Math.random() * queues)]!.put("x", { sync: "none" });
      done++;
    }
    process.send?.(done);
    await sleep(20);
  }
}

interface Usage {
  readonly cpuS: number;
  readonly rssMb: number;
}

function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return {
    cpuS: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S,
    rssMb: Number(rss) / 1024,
  };
}

function pidsOf(dir: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
        const isOurs = readFileSync(`/proc/${pid}/environ`, "latin1").includes(
          `SPOOL_DIR=${dir}\0`,
        );
        const isTop = words.includes("top") || words.includes("__sample");
        return isOurs && isTop && words.some((word) => word.endsWith("spool.cjs"))
          ? [Number(pid)]
          : [];
      } catch {
        return [];
      }
    });
}

async function measure(dir: string, socket: string): Promise<void> {
  const tmux = (...args: string[]): string =>
    execFileSync("tmux", ["-S", socket, "-f", "/dev/null", "-u", ...args], { encoding: "utf8" });
  const command = `exec ${SPOOL} top`;
  const env = ["-e", `SPOOL_DIR=${dir}`, "-e", "LANG=C.UTF-8", "-e", `HOME=${dir}`];
  const startMs = performance.now();
  tmux("new-session", "-d", "-x", "160", "-y", "50", ...env, command);
  const screen = (): string => tmux("capture-pane", "-p");
  const shows = async (what: RegExp, everyMs: number): Promise<void> => {
    const endMs = performance.now() + PATIENCE_MS;
    while (!what.test(screen())) {
      if (performance.now() > endMs) throw new Error(`never on the screen: ${what}\n${screen()}`);
      await sleep(everyMs);
    }
  };
  await shows(/all looked at/, 100);
  console.log(`first complete look after ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
  const pids = pidsOf(dir);
  const before = pids.map(usageOf);
  const fromMs = performance.now();
  const keysMs: number[] = [];
  for (let key = 0; performance.now() - fromMs < seconds * 1000; key++) {
    const line = (key % 40) + 2;
    const sentMs = performance.now();
    tmux("send-keys", "j");
    await shows(new RegExp(`^${line}/`, "m"), 0);
    keysMs.push(performance.now() - sentMs);
    if (line === 41) {
      tmux("send-keys", "g");
      await shows(/^1\//m, 0);
    }
    await sleep(500);
  }
  const spanS = (performance.now() - fromMs) / 1000;
  const after = pids.map(usageOf);
  const cpu = after.map((usage, index) => (100 * (usage.cpuS - before[index]!.cpuS)) / spanS);
  const rss = after.map(({ rssMb }) => rssMb);
  const sum = (figures: readonly number[]): string =>
    figures.reduce((total, one) => total + one, 0).toFixed(0);
  keysMs.sort((one, other) => one - other);
  const at = (share: number): string => keysMs[Math.floor(share * (keysMs.length - 1))]!.toFixed(0);
  console.log(screen().split("\n").slice(0, 3).join("\n"));
  console.log(`cpu ${sum(cpu)} % of one core (${cpu.map((one) => one.toFixed(1)).join(" + ")})`);
  console.log(`rss ${sum(rss)} MB (${rss.map((one) => one.toFixed(0)).join(" + ")})`);
  console.log(
    `key to screen, tmux included: median ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(1)} ms, of ${keysMs.length}`,
  );
  const tmuxMs: number[] = [];
  for (let times = 0; times < 20; times++) {
    const sentMs = performance.now();
    tmux("send-keys", "Up");
    screen();
    tmuxMs.push(performance.now() - sentMs);
  }
  tmuxMs.sort((one, other) => one - other);
  console.log(`of that tmux alone: median ${tmuxMs[10]!.toFixed(0)} ms`);
}

if (values.churn === undefined) {
  const dir = mkdtempSync(`${tmpdir()}/spool-top-`);
  const spool = `${dir}/spool`;
  const loads = [];
  try {
    const startMs = performance.now();
    await fill(spool);
    console.log(
      `made in ${((performance.now() - startMs) / 1000).toFixed(0)} s: ${queues} queues, ${topics} topics with ${SUBSCRIPTIONS} subscriptions each, ${messages} messages`,
    );
    const done = [0, 0];
    for (const index of [0, 1]) {
      const args = [
        import.meta.filename,
        "--churn",
        spool,
        "--changes",
        String(changes / 2),
        "--queues",
        String(queues),
        "--first",
        String(index),
      ];
      const load = spawn(process.execPath, args, {
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      });
      load.on("message", (count) => {
        done[index] = Number(count);
      });
      loads.push(load);
    }
    await sleep(3000);
    const [from, fromMs] = [done[0]! + done[1]!, performance.now()];
    await measure(spool, `${dir}/tmux`);
    const perS = (1000 * (done[0]! + done[1]! - from)) / (performance.now() - fromMs);
    console.log(`changes ${perS.toFixed(0)} a second`);
  } finally {
    spawnSync("tmux", ["-S", `${dir}/tmux`, "kill-server"]);
    for (const load of loads) {
      const over = once(load, "exit");
      if (load.kill("SIGKILL")) await over;
    }
    rmSync(dir, { recursive: true, force: true });
  }
} else {
  await churn(values.churn, changes, Number(values.first));
}
