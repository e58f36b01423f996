/** Consumers with several messages of one claim in hand, for the runs that have them (variants.ts). */
import type { LeaseStyle } from "../../src/queue/lease.ts";
import type { Message } from "../../src/queue/message.ts";
import { Slot } from "../../src/queue/slot.ts";
import type { Actor } from "./actor.ts";
import type { Handing, Hold } from "./history.ts";
import { anyPlace, noting, quietly, settleOne } from "./jobs.ts";
import type { Job } from "./jobs.ts";

/** What a consumer has in hand, and those on which it does not wait. */
class Hands {
  readonly #actor: Actor;
  readonly #all: { readonly message: Message; readonly handing: Handing }[] = [];
  readonly #settling: Promise<void>[] = [];

  constructor(actor: Actor) {
    this.#actor = actor;
  }

  async take(message: Message, hold: Hold): Promise<void> {
    this.#all.push({ message, handing: await this.#actor.handed(message, hold) });
  }

  /** Settles some, any of them first; acks that are not awaited share a rename. */
  async settleSome(): Promise<void> {
    const { random } = this.#actor;
    while (this.#all.length > 0 && random() < 0.5) {
      const at = random() < 0.5 ? 0 : this.#actor.upTo(this.#all.length);
      const { message, handing } = this.#all[at]!;
      const settling = settleOne(this.#actor, handing, message);
      // Or left in hand for now.
      if (message.isSettled) this.#all.splice(at, 1);
      if (random() < 0.3) await settling;
      else this.#settling.push(settling);
    }
  }

  /** Resolves when nothing is on its way any more. @throws what the first that failed threw. */
  async settled(): Promise<void> {
    await Promise.all(this.#settling.splice(0));
  }

  async giveBackAll(): Promise<void> {
    for (const { message, handing } of this.#all.splice(0)) {
      if (message.isSettled) continue;
      await this.#actor.settle(handing, "give back", () => message.giveBack());
    }
  }

  /** Its consumer ends, which gives back what it has. */
  leaveAll(): void {
    for (const { message, handing } of this.#all.splice(0)) {
      if (message.isSettled) continue;
      handing.settlings.push({ how: "give back", began: this.#actor.history.now });
    }
  }
}

/**
 * As a program that has its messages from `messages({ prefetch })`, settles them as it likes, and ends at
 * some time: not when it is empty, since then what is in hand would go back unseen.
 */
async function loop(actor: Actor): Promise<void> {
  const name = anyPlace(actor);
  const hold = actor.holding(name, "beating", actor.history.leaseMs);
  hold.isMany = true;
  const hands = new Hands(actor);
  const stopping = new AbortController();
  const stop = (): void => {
    actor.ended(hold);
    hands.leaveAll();
    stopping.abort();
  };
  const timer = setTimeout(stop, actor.upTo(8000));
  const { signal } = stopping;
  const options = { prefetch: 2 + actor.upTo(8), leaseMs: hold.ttlMs, signal };
  let left = 1 + actor.upTo(20);
  await quietly(actor, name, async () => {
    for await (const message of actor.spool.queue(name).messages(options)) {
      await hands.take(message, hold);
      if (actor.random() < 0.1) await actor.sleep(actor.upTo(hold.ttlMs * 1.5));
      await hands.settleSome();
      if (--left > 0 && !signal.aborted) continue;
      stop();
      break;
    }
    clearTimeout(timer);
    await hands.settled();
    actor.closed(hold);
  });
}

/** By the slot itself: claims of any size, and a lease that ends by itself, or with something in it. */
async function slotOfMany(actor: Actor): Promise<void> {
  const name = anyPlace(actor);
  await quietly(actor, name, async () => {
    const queue = actor.spool.queue(name);
    const style = actor.pick<LeaseStyle>(["brief", "beating"]);
    const { leaseMs } = await queue.settings();
    const hold = actor.holding(name, style, leaseMs, actor.history.step());
    hold.isMany = true;
    await noting(actor, hold, async () => {
      const hands = new Hands(actor);
      const consumer = queue.consumer(style, { leaseMs });
      const slot = new Slot(consumer, queue.room, 1 + actor.upTo(12), 2 + actor.upTo(8));
      try {
        for (let left = 1 + actor.upTo(16); left > 0; left--) {
          const message = await slot.next(left);
          if (message === undefined) break;
          await hands.take(message, hold);
          if (actor.random() < 0.1) await actor.sleep(actor.upTo(leaseMs * 1.5));
          await hands.settleSome();
        }
      } finally {
        await hands.settled();
      }
      const isLeft = actor.random() < 0.2;
      if (!isLeft && actor.random() < 0.5) await hands.giveBackAll();
      actor.ended(hold);
      await slot.close();
      if (!isLeft) await hands.giveBackAll();
      await consumer.close();
      actor.closed(hold);
    });
  });
}

export const MANY_IN_HAND: readonly Job[] = [loop, loop, slotOfMany, slotOfMany];
