/**
 * A spool with something in every place, made from a seed; and outside of it what nobody may touch.
 *
 * Each payload has a token, `<m000017>`: so it can be found again in whatever file it ends. What its
 * producer was promised has one of these; what nobody was promised (drafts of the dead, fan-outs that
 * were never committed) has `<u000017>` and may go. What is outside has `<canary>`.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";

import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { HostProcesses } from "../../src/disk/processes.ts";
import { IdSource } from "../../src/message/id.ts";
import { formatSlice, parseSlice } from "../../src/message/slice.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool, SpoolParts } from "../../src/spool.ts";
import { formatTicket } from "../../src/topic/ticket.ts";
import { chance } from "../helpers/model-chance.ts";

/** Of this host and boot, and beyond any pid. */
export const DEAD_PROCESS = new HostProcesses().self.replace(/\.p\d+\./, ".p999999999.");

/** Nobody cuts the power here. */
class UnsyncedFileSystem extends NodeFileSystem {
  override async sync(): Promise<void> {}
}

/** So long ago it was that the dead have died. */
export const LONG_MS = 2 * 3600_000;

export class Tree {
  /** The spool, and beside it what is outside. */
  readonly dir: string;
  readonly outside: string;
  readonly random: () => number;
  /** What was put, by its token. */
  readonly bodies = new Map<string, string>();
  readonly #engineRandom: () => number;
  #tokens = 0;

  constructor(root: string, seed: number) {
    this.dir = `${root}/spool`;
    this.outside = `${root}/outside`;
    this.random = chance(seed);
    // How often the engine draws depends on the time.
    this.#engineRandom = chance(seed + 1);
  }

  /** A whole number below `end`. */
  below(end: number): number {
    return Math.floor(this.random() * end);
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from[this.below(from.length)];
  }

  /** A payload; `u` for one that nobody is promised. */
  body(kind: "m" | "u" = "m"): string {
    const token = `<${kind}${String(this.#tokens++).padStart(6, "0")}>`;
    const body = `${token}${"x".repeat(this.below(40))}`;
    if (kind === "m") this.bodies.set(token, body);
    return body;
  }

  open(): Promise<Spool> {
    return openSpool({ dir: this.dir, create: false, parts: this.#parts() });
  }

  #parts(): SpoolParts {
    return { random: this.#engineRandom, fs: new UnsyncedFileSystem() };
  }

  async build(): Promise<void> {
    this.#buildOutside();
    const processes = { self: DEAD_PROCESS, host: "gone", isGone: () => false };
    const spool = await openSpool({ dir: this.dir, parts: { ...this.#parts(), processes } });
    await this.#fill(spool.queue("jobs"));
    await this.#fill(spool.queue("other"));
    const topic = await spool.topic("logs");
    await topic.create({ ...(await defaults(topic)), retentionMs: Number.POSITIVE_INFINITY });
    const settings = { ...DEFAULT_SETTINGS, maxAttempts: 0 };
    await topic.subscribe("a", { settings });
    await topic.subscribe("b", { settings });
    await (await spool.topic("#")).subscribe("all", { settings });
    for (let left = 1 + this.below(4); left > 0; left--) await topic.publish(this.body());
    await topic.publishMany().run(lines([this.body(), this.body(), this.body()]));
    await this.#fill(topic.subscription("a"));
    await this.#halfDone(spool);
  }

  #buildOutside(): void {
    fs.mkdirSync(`${this.outside}/directory/ready`, { recursive: true });
    fs.writeFileSync(`${this.outside}/secret`, "<canary>\n");
    fs.writeFileSync(`${this.outside}/directory/secret`, "<canary>\n");
    fs.writeFileSync(`${this.outside}/directory/queue.json`, "{}\n");
    // Whoever opens it without O_NONBLOCK waits for ever.
    execFileSync("mkfifo", [`${this.outside}/fifo`]);
  }

  /** Something in each state that a message of a queue can have. */
  async #fill(queue: Queue): Promise<void> {
    const isQueue = !queue.name.includes("/");
    if (isQueue) {
      await queue.create({ ...DEFAULT_SETTINGS, maxAttempts: 0 });
      for (let left = 2 + this.below(5); left > 0; left--) await queue.put(this.body());
      for (let left = 1 + this.below(3); left > 0; left--) {
        const many = Array.from({ length: 2 + this.below(9) }, () => this.body());
        await queue.putMany().run(lines(many));
      }
      await queue.put(this.body(), { delayMs: 1 });
      await queue.put(this.body(), { dedupKey: `key ${this.below(9)}` });
      await Promise.all([
        queue.put(this.body(), { headers: { k: "v" } }),
        queue.put(this.body(), { priority: 9 }),
      ]);
    }
    await this.#claimSome(queue);
    fs.writeFileSync(`${queue.room.layout.drop}/dropped`, this.body());
    fs.writeFileSync(queue.room.draft(), this.body("u"));
  }

  /** Leases of the dead, and one that was handed out and is long over; and a dead letter. */
  async #claimSome(queue: Queue): Promise<void> {
    for (const style of ["brief", "handed out"] as const) {
      const consumer = queue.consumer(style, { leaseMs: 1000 });
      await consumer.claim(1 + this.below(3));
      if (this.below(2) === 0) await consumer.claim(1 + this.below(20));
      await consumer.leave();
    }
    for await (const message of queue.messages()) {
      await message.reject({ reason: "it is said to be bad" });
      break;
    }
  }

  /** What publishers and subscribers leave who die in the middle. */
  async #halfDone(spool: Spool): Promise<void> {
    const topic = await spool.topic("logs");
    const { staging, committed, subscriptions, filling, tmp } = topic.room.layout;
    const ids = new IdSource(this.random);
    for (const [directory, kind] of [
      [staging, "u"],
      [committed, "m"],
    ] as const) {
      await spool.queue("scratch").put(this.body(kind));
      const [path = ""] = slicesIn(`${this.dir}/queues/scratch/ready`);
      const slice = parseSlice(path.slice(path.lastIndexOf("/") + 1))!;
      const tag = ids.next(Date.now() - LONG_MS);
      const ticket = formatTicket("publish", slice, tag, DEAD_PROCESS);
      fs.linkSync(path, `${subscriptions}/a/incoming/${formatSlice(slice)}.${tag}`);
      fs.linkSync(path, `${subscriptions}/b/incoming/${formatSlice(slice)}.${tag}`);
      fs.renameSync(path, `${directory}/${ticket.name}`);
    }
    await spool.queue("scratch").remove();
    const half = `${filling}/c~${ids.next(Date.now() - LONG_MS)}_${DEAD_PROCESS}`;
    fs.mkdirSync(`${half}/ready`, { recursive: true });
    fs.mkdirSync(`${tmp}/sub-abc.0_${DEAD_PROCESS}/ready`, { recursive: true });
    fs.mkdirSync(`${this.dir}/queues/.removed-abc`);
    fs.writeFileSync(`${this.dir}/queues/.removed-abc/x`, this.body("u"));
    fs.writeFileSync(`${this.dir}/.spool.json.${ids.next(Date.now())}`, "{");
  }

  /** Lets time pass for everything that is there. */
  age(): void {
    const then = (Date.now() - LONG_MS) / 1000;
    for (const path of pathsIn(this.dir)) fs.lutimesSync(path, then, then);
  }
}

async function defaults(topic: Awaited<ReturnType<Spool["topic"]>>) {
  await topic.create();
  return topic.settings();
}

async function* lines(bodies: readonly string[]): AsyncGenerator<Buffer> {
  for (const body of bodies) yield Buffer.from(`${body}\n`);
}

/** Every path below, no link followed; a directory comes before what is in it. */
export function pathsIn(directory: string): string[] {
  const paths: string[] = [];
  const entries = fs.readdirSync(directory, { withFileTypes: true });
  for (const entry of entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
    const path = `${directory}/${entry.name}`;
    if (!fs.lstatSync(path, { throwIfNoEntry: false })) continue;
    paths.push(path);
    if (entry.isDirectory()) paths.push(...pathsIn(path));
  }
  return paths;
}

/** The paths below that have the name of a slice and are files. */
export function slicesIn(directory: string): string[] {
  return pathsIn(directory).filter((path) => {
    const name = path.slice(path.lastIndexOf("/") + 1).replace(/^~/, "");
    return parseSlice(name) !== undefined && fs.lstatSync(path).isFile();
  });
}
