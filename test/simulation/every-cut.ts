/**
 * A story, and the power goes at each of its instants that differ, leaving each of the things that it may leave.
 *
 * For every n the story is told anew, up to its n-th sync (between two syncs nothing becomes safer; what
 * could be left before is among what can be left then) or to its end; then for every choice of the disk. Where
 * somebody was at it before and died, that is tried for each of his calls, and the power goes at the end.
 * Then the next process takes what there is, and it is compared with what was promised.
 */
import { expect } from "vitest";

import type { Spool } from "../../src/spool.ts";
import type { Kind, Stop } from "./one-by-one.ts";
import { OneByOne } from "./one-by-one.ts";

const MUCH_LATER_MS = 3 * 24 * 3600_000;

/** What was begun and promised, of payloads that are all different. */
export class Promised {
  readonly #sent = new Map<string, { readonly places: readonly string[]; isTold: boolean }>();
  readonly #mayBeGone = new Set<string>();
  /** Payloads of which one at the most may be there; one must, once somebody was told so. */
  #rivals: readonly string[] = [];
  #isOneTold = false;
  #together: readonly string[] = [];
  #mayBeStrange = false;

  /** Into each of these queues, or into none. */
  begin(places: readonly string[], ...payloads: readonly string[]): void {
    for (const one of payloads) this.#sent.set(one, { places, isTold: false });
  }

  done(...payloads: readonly string[]): void {
    for (const one of payloads) this.#sent.get(one)!.isTold = true;
  }

  /** It may be acked from now on. */
  acking(payload: string): void {
    this.#mayBeGone.add(payload);
  }

  rivals(...payloads: readonly string[]): void {
    this.#rivals = payloads;
  }

  /** One of the rivals is there. */
  oneDone(): void {
    this.#isOneTold = true;
  }

  /** These are all there or none is. */
  together(...payloads: readonly string[]): void {
    this.#together = payloads;
  }

  /** Payloads that nobody has sent are no complaint. */
  allowStrangers(): void {
    this.#mayBeStrange = true;
  }

  /** Nothing was sent yet. */
  restart(): void {
    this.#sent.clear();
  }

  complaints(found: ReadonlyMap<string, readonly string[]>): string[] {
    const said: string[] = [];
    for (const [place, payloads] of found) {
      for (const one of new Set(payloads)) {
        const times = payloads.filter((other) => other === one).length;
        if (times > 1) said.push(`${place} has ${one} ${times} times`);
        if (!this.#sent.has(one) && !this.#mayBeStrange) said.push(`${place} has ${one}`);
      }
    }
    for (const [one, { places, isTold }] of this.#sent) {
      if (this.#mayBeGone.has(one)) continue;
      const has = places.filter((place) => found.get(place)?.includes(one));
      const isWhole = has.length === places.length || (has.length === 0 && !isTold);
      if (!isWhole) said.push(`${one} is in ${has.length} of ${places.length}, told: ${isTold}`);
    }
    const all = [...found.values()].flat();
    const there = this.#rivals.filter((one) => all.includes(one));
    if (there.length > 1) said.push(`${there.join(" and ")} are there`);
    if (this.#isOneTold && there.length === 0) said.push("none of the rivals is there");
    const together = this.#together.filter((one) => all.includes(one));
    if (together.length > 0 && together.length < this.#together.length) {
      said.push(`of ${this.#together.join(", ")} only ${together.join(", ")}`);
    }
    return said;
  }
}

export type Life = (spool: Spool, promised: Promised, machine: OneByOne) => Promise<unknown>;

export interface Story {
  /** Safe before anything happens. */
  readonly before: Life;
  /** Who dies at each of his calls in turn, before the life begins. */
  readonly dying?: Life;
  readonly life: Life;
  /** True: the power goes at each of the life's syncs also where somebody died before. */
  readonly isLong?: boolean;
  /** After the power came back. */
  readonly after?: Life;
  readonly maxLinks?: number;
  /** Default: all. */
  readonly kinds?: readonly Kind[];
}

const NEVER: Stop = () => false;
const at =
  (limit: number): Stop =>
  (_call, _paths, number) =>
    number === limit;

/** Returns how many power cuts there were. */
export async function everyCut(kind: Kind, story: Story): Promise<number> {
  const lucks = kind.model === "logged" ? [0.3, 0.7] : [0.25];
  let cuts = 0;
  for (const luck of lucks) {
    const deaths = story.dying ? await callsOf(kind, luck, story, story.dying) : [undefined];
    for (const death of deaths) {
      const isCutAnywhere = death === undefined || story.isLong;
      const syncs = isCutAnywhere ? await syncsOf(kind, luck, story, death) : [];
      for (const cut of [...syncs, undefined]) {
        let choices = 1;
        for (let choice = 0; choice < choices; choice++) {
          const told = new Told(kind, luck, story);
          await told.begin(death);
          await told.live(cut);
          ({ choices } = told.machine.disk);
          await told.conclude(choice, `death ${death}, cut ${cut}, choice ${choice}, luck ${luck}`);
          cuts++;
        }
      }
    }
  }
  return cuts;
}

/** The calls of a life that change something: whoever dies behind another one dies behind one of these. */
async function callsOf(kind: Kind, luck: number, story: Story, life: Life): Promise<number[]> {
  const { machine, promised } = await new Told(kind, luck, story).begin(undefined);
  await machine.begin(NEVER, (spool) => life(spool, promised, machine));
  return machine.changes;
}

/** The calls behind which a life's next one is a sync. */
async function syncsOf(
  kind: Kind,
  luck: number,
  story: Story,
  death: number | undefined,
): Promise<number[]> {
  const told = await new Told(kind, luck, story).begin(death);
  const syncs: number[] = [];
  await told.live(undefined, (call, _paths, number) => {
    if (call === "sync") syncs.push(number - 1);
    return false;
  });
  return syncs;
}

/** The story, told once. */
class Told {
  readonly machine: OneByOne;
  readonly promised = new Promised();
  readonly #story: Story;

  constructor(kind: Kind, luck: number, story: Story) {
    this.#story = story;
    this.machine = new OneByOne(kind, luck, story.maxLinks);
  }

  async begin(death: number | undefined): Promise<this> {
    const { machine, promised } = this;
    await this.#story.before(await machine.spool(), promised, machine);
    machine.syncAll("/");
    if (death === undefined) return this;
    await machine.begin(at(death), (spool) => this.#story.dying!(spool, promised, machine));
    return this;
  }

  async live(
    cut: number | undefined,
    stop: Stop = cut === undefined ? NEVER : at(cut),
  ): Promise<void> {
    const { machine, promised } = this;
    await machine.begin(stop, (spool) => this.#story.life(spool, promised, machine));
  }

  async conclude(choice: number, where: string): Promise<void> {
    const { machine, promised } = this;
    machine.powerCut(choice);
    await this.#story.after?.(await machine.spool(), promised, machine);
    machine.later(MUCH_LATER_MS);
    const spool = await machine.spool();
    for (const name of await spool.topicNames()) await (await spool.topic(name)).recover();
    const found = new Map<string, string[]>();
    const names = [...(await spool.queueNames()), ...(await spool.subscriptionNames())];
    for (const name of names) found.set(name, await machine.drain(name));
    expect(promised.complaints(found), where).toEqual([]);
  }
}
