/** Cost against backlog, and total rate against the number of consumers: a table, and a plot. */
import { backlog } from "./backlog.ts";
import { Consumers } from "./claims.ts";
import { PAYLOAD, SPOOL } from "./ground.ts";
import type { Ground } from "./ground.ts";
import { alternate, elapsedMs, spread } from "./measure.ts";
import type { Spread } from "./measure.ts";

/** One line of a plot, or one column of a table. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly { readonly at: number; readonly value: Spread }[];
}

export interface Scaling {
  readonly backlog: readonly Series[];
  readonly consumers: readonly Series[];
}

const CONSUMERS = [1, 2, 4, 8, 16] as const;

export async function scaling(ground: Ground): Promise<Scaling> {
  return { backlog: await againstBacklog(ground), consumers: await againstConsumers(ground) };
}

const COSTS = {
  "spool put, whole process": "ms",
  "spool take, whole process": "ms",
  "put in a library, not synced": "µs",
  "claim + ack in a library": "µs",
} as const;

type Cost = keyof typeof COSTS;

async function againstBacklog(ground: Ground): Promise<Series[]> {
  const counts = [1000, ground.size(100_000, 10_000), ground.size(1_000_000, 50_000)];
  const figures = new Map<number, Record<Cost, number[]>>();
  for (const count of counts) {
    const queue = await backlog(ground, "ready", count);
    figures.set(count, await alternate(ground.rounds(7), costsOf(ground, queue)));
  }
  return Object.entries(COSTS).map(([name, unit]) => ({
    name,
    unit,
    points: counts.map((at) => ({ at, value: spread(figures.get(at)![name as Cost]) })),
  }));
}

/** Each round takes what it has put, so a backlog keeps its depth. */
function costsOf(ground: Ground, name: string): Record<Cost, () => Promise<number> | number> {
  const many = ground.size(500, 50);
  const inLibrary = async (act: (at: number) => Promise<unknown>): Promise<number> => {
    const tookMs = await elapsedMs(async () => {
      for (let at = 0; at < many; at++) await act(at);
    });
    return (1000 * tookMs) / many;
  };
  return {
    "spool put, whole process": () => ground.processMs([SPOOL, "put", name, "-m", "payload"]),
    "spool take, whole process": () => ground.processMs([SPOOL, "take", name]),
    "put in a library, not synced": async () => {
      const queue = (await ground.open()).queue(name);
      return inLibrary(() => queue.put(PAYLOAD, { sync: "none" }));
    },
    "claim + ack in a library": async () => {
      const queue = (await ground.open()).queue(name);
      const messages = queue.messages({ untilEmpty: true });
      const us = await inLibrary(async () => {
        const { value } = await messages.next();
        if (!value) throw new Error(`${name} is empty`);
        await value.ack();
      });
      await messages.return(undefined);
      return us;
    },
  };
}

async function againstConsumers(ground: Ground): Promise<Series[]> {
  const count = ground.size(8000, 1000);
  const consumers = await Consumers.start(ground, Math.max(...CONSUMERS));
  const rates = new Map<number, number[]>();
  const wasted = new Map<number, number[]>();
  const rounds = ground.rounds(5);
  await consumers.prepare((rounds + 1) * CONSUMERS.length, count);
  for (let round = -1; round < rounds; round++) {
    for (const many of CONSUMERS) {
      const race = await consumers.race(many, count);
      if (round < 0) continue;
      rates.set(many, [...(rates.get(many) ?? []), race.rate]);
      wasted.set(many, [...(wasted.get(many) ?? []), race.wasted]);
    }
  }
  consumers.close();
  const series = (name: string, unit: string, of: Map<number, number[]>): Series => ({
    name,
    unit,
    points: CONSUMERS.map((at) => ({ at, value: spread(of.get(at)!) })),
  });
  return [
    series("messages a second, all together", "per s", rates),
    series("claims lost to others", "%", wasted),
  ];
}
