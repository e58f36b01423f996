/**
 * Wake-up: from the moment at which a put begins until a consumer of another process, which waited, has the payload.
 *
 * The spool and the floor take turns message by message, so that each rests while the other one works. Not
 * synced, because what an fsync takes is measured elsewhere.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import type { Measured } from "./figures.ts";
import type { Ground, Part } from "./ground.ts";
import { Stopped } from "./pace.ts";
import type { Begin } from "./pace.ts";

/** Between one wake-up and the next, in ms: by chance, because a rhythm could suit one of them. */
const restMs = (): number => 2 + Math.random() * 6;

/** What is not heard of after this was not noticed, in ms: as long as a consumer waits for what it did not hear. */
const PATIENCE_MS = 5000;

/** Wake-ups that are not counted: a process that has just begun is slow. */
const WARM_UPS = 3;

/** A process that waits. */
class Waiter {
  readonly #child: ChildProcess;
  readonly #gone = new AbortController();
  readonly #signal: AbortSignal;

  private constructor(child: ChildProcess, signal: AbortSignal) {
    this.#child = child;
    this.#signal = AbortSignal.any([signal, this.#gone.signal]);
    child.once("exit", () => this.#gone.abort());
  }

  static start(ground: Ground, kind: string, dir: string): Waiter {
    const [program = "", ...args] = ground.waiter;
    const child = fork(program, [...args, kind, dir], {
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    return new Waiter(child, ground.signal);
  }

  /** What it says next. @throws Stopped where the run was, where it is gone, or says nothing. */
  async hear(): Promise<unknown> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(PATIENCE_MS)]);
    try {
      const [told] = (await once(this.#child, "message", { signal })) as unknown[];
      return told;
    } catch {
      throw new Stopped();
    }
  }

  /** Microseconds of one wake-up. */
  async wake(put: (payload: Buffer) => unknown): Promise<number> {
    await sleep(restMs());
    const told = this.hear();
    // Where the put fails nobody waits for it any more.
    told.catch(() => {});
    await put(Buffer.from(String(process.hrtime.bigint())));
    return (await told) as number;
  }

  /** Nothing writes any more when this resolves. */
  async end(): Promise<void> {
    if (this.#gone.signal.aborted) return;
    const over = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await over;
  }
}

async function wakeUps(ground: Ground, begin: Begin): Promise<Measured[]> {
  const queue = ground.spool.queue("wake");
  await queue.create();
  const plain = ground.plain();
  const figures = { ours: [] as number[], floor: [] as number[] };
  const waiters = [
    Waiter.start(ground, "spool", ground.spool.dir),
    Waiter.start(ground, "plain", plain.to),
  ] as const;
  const [spool, floor] = waiters;
  const wakeSpool = (): Promise<number> =>
    spool.wake((payload) => queue.put(payload, { sync: "none" }));
  const wakePlain = (): Promise<number> => floor.wake((payload) => plain.drop(payload));
  try {
    await Promise.all(waiters.map((waiter) => waiter.hear()));
    for (let left = WARM_UPS; left > 0; left--) {
      await wakeSpool();
      await wakePlain();
    }
    const pace = begin();
    do {
      await pace.breathe();
      const ours = await wakeSpool();
      const theirs = await wakePlain();
      figures.ours.push(ours);
      figures.floor.push(theirs);
    } while (pace.leftMs > 0);
  } catch (error) {
    if (!(error instanceof Stopped) || ground.signal.aborted) throw error;
  } finally {
    await Promise.all(waiters.map((waiter) => waiter.end()));
  }
  const what = "put to payload at a waiting consumer";
  const beside = "write, rename; fs.watch, read";
  return [{ name: "wake", what, unit: "µs", beside, figures, isLatency: true }];
}

export const wakes: readonly Part[] = [{ what: "wake-up", weight: 2, run: wakeUps }];
