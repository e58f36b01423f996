/** One-message slices, each a file of its own: claimed and acked by one consumer, and by several that compete. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { fillFiles } from "./backlog.ts";
import type { Report } from "./claims-child.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { drain } from "./durable.ts";
import { PAYLOAD } from "./ground.ts";
import type { Ground, Section } from "./ground.ts";
import { alternate, atLeast, atMost, rate } from "./measure.ts";
import type { Row } from "./measure.ts";

async function claims(ground: Ground): Promise<Row[]> {
  const count = ground.size(20_000, 2000);
  const spool = await ground.open(ground.fresh("claims"));
  const rounds = ground.rounds(5);
  const queues: Queue[] = [];
  const floors: (() => number)[] = [];
  // All of them before any is removed: see Floors.prepareClaims. One more, for the warm-up.
  for (let round = 0; round <= rounds; round++) {
    const queue = spool.queue(`q${round}`);
    await queue.create();
    const fileBytes = fillFiles(queue.room.layout.root, count, PAYLOAD);
    queues.push(queue);
    floors.push(ground.floors.prepareClaims(count, fileBytes));
  }
  const figures = await alternate(rounds, {
    spool: () =>
      rate(count, async () => {
        const taken = await drain(queues.pop()!);
        if (taken !== count) throw new Error(`${taken} of ${count} messages were taken`);
      }),
    floor: () => count / floors.pop()!(),
  });
  return [
    {
      what: "claim + ack, one-message slices",
      unit: "per s",
      ours: figures.spool,
      floor: `rename, open read close, unlink, ${ground.floors.language}`,
      theirs: figures.floor,
      measure: "ratio",
      target: atLeast(0.5),
    },
  ];
}

/** What so many consumers did together. */
export interface Race {
  readonly rate: number;
  /** Percent of the renames that came too late. */
  readonly wasted: number;
}

/** Consumers in processes of their own, which live as long as the benchmark: nobody is measured cold. */
export class Consumers {
  readonly #children: ChildProcess[] = [];
  readonly #ground: Ground;
  readonly #dir: string;
  readonly #queues: string[] = [];

  private constructor(ground: Ground) {
    this.#ground = ground;
    this.#dir = ground.fresh("race");
  }

  /** Each of them has emptied a queue alone: of many that race from the start, none does enough to be compiled. */
  static async start(ground: Ground, most: number): Promise<Consumers> {
    const consumers = new Consumers(ground);
    await ground.open(consumers.#dir);
    for (let at = 0; at < most; at++) {
      const child = fork(join(import.meta.dirname, "claims-child.ts"), [consumers.#dir], {
        execPath: ground.node,
      });
      consumers.#children.push(child);
      await once(child, "message");
    }
    const count = ground.size(4000, 500);
    await consumers.prepare(most, count);
    for (const child of consumers.#children) await consumers.#race([child], count);
    return consumers;
  }

  /** Fills so many queues of `count` messages: one is emptied in each race. */
  async prepare(races: number, count: number): Promise<void> {
    const spool = await this.#ground.open(this.#dir);
    for (let at = 0; at < races; at++) {
      const queue = spool.queue(`q${this.#queues.length}`);
      await queue.create();
      fillFiles(queue.room.layout.root, count, PAYLOAD);
      this.#queues.push(queue.name);
    }
  }

  /** Has the first `many` of them empty the next queue of `count` messages. */
  race(many: number, count: number): Promise<Race> {
    return this.#race(this.#children.slice(0, many), count);
  }

  async #race(children: readonly ChildProcess[], count: number): Promise<Race> {
    const queue = this.#queues.pop()!;
    const reports = await Promise.all(
      children.map(async (child) => {
        const answer = once(child, "message");
        child.send(queue);
        const [report] = (await answer) as [Report];
        return report;
      }),
    );
    const sum = (of: (report: Report) => number): number =>
      reports.reduce((total, report) => total + of(report), 0);
    if (sum(({ acked }) => acked) !== count) throw new Error("not all messages were acked, once");
    const startMs = Math.min(...reports.map((report) => report.startMs));
    const endMs = Math.max(...reports.map((report) => report.endMs));
    const lost = sum((report) => report.lost);
    return {
      rate: (1000 * count) / (endMs - startMs),
      wasted: (100 * lost) / (lost + sum((report) => report.won)),
    };
  }

  close(): void {
    for (const child of this.#children) child.disconnect();
    this.#ground.remove(this.#dir);
  }
}

async function competing(ground: Ground): Promise<Row[]> {
  const count = ground.size(8000, 1000);
  const consumers = await Consumers.start(ground, 8);
  const wasted = new Map<number, number[]>([1, 2, 4, 8].map((many) => [many, []]));
  const race = async (many: number): Promise<number> => {
    const result = await consumers.race(many, count);
    wasted.get(many)!.push(result.wasted);
    return result.rate;
  };
  const rounds = ground.rounds(5);
  await consumers.prepare(4 * (rounds + 1), count);
  const figures = await alternate(rounds, {
    1: () => race(1),
    2: () => race(2),
    4: () => race(4),
    8: () => race(8),
  });
  consumers.close();
  const rows: Row[] = [];
  for (const many of [2, 4, 8] as const) {
    rows.push({
      what: `${many} competing consumers, total rate`,
      unit: "per s",
      ours: figures[many]!,
      floor: "1 consumer",
      theirs: figures[1]!,
      measure: "ratio",
      ...(many === 8 && { target: atLeast(1.2) }),
    });
  }
  for (const many of [2, 4, 8] as const) {
    rows.push({
      what: `${many} competing consumers, claims lost to others`,
      unit: "%",
      // The first is the warm-up's.
      ours: wasted.get(many)!.slice(1),
      floor: "",
      theirs: [],
      measure: "alone",
      ...(many === 8 && { target: atMost(20) }),
    });
  }
  return rows;
}

export const claimRows: readonly Section[] = [
  { name: "claim", about: "claim + ack of one-message slices", run: claims },
  { name: "compete", about: "1, 2, 4, 8 competing consumers", run: competing },
];
