/**
 * The process that looks at the spool for the one that draws.
 *
 * A process and not a thread: a call to a network disk that does not answer cannot be given up, and a thread
 * that is in one keeps its whole process from ending. So the one that draws never touches the spool, goes on
 * when this one hangs, tells so by its silence, and may leave it behind. It beats from the same loop that
 * makes the calls, so a beat says that the disk answers.
 *
 * Ends when the other one does, or closes the channel.
 */
import { monotonicMs } from "../clock.ts";
import { fromErrno, SpoolError } from "../errors.ts";
import { openSpool } from "../spool.ts";
import type { Spool } from "../spool.ts";
import type { Ask } from "./detail.ts";
import { Details } from "./details.ts";
import { Sampler } from "./sampler.ts";
import type { FromSampler, Task, ToSampler } from "./sampler-messages.ts";

const BEAT_MS = 500;

/** Between two rounds at the least, in ms. */
const REST_MS = 50;

/** Of the time: a closer look at very much is taken again when it has been paid for. */
const ANSWER_SHARE = 0.1;

/** Errors of what was asked for: a further try would find the same. */
const OVER = new Set(["NO_SPOOL", "NEWER_FORMAT", "NO_QUEUE", "NO_TOPIC", "BAD_SETTINGS"]);

export async function runSamplerProcess(): Promise<void> {
  const tell = (message: FromSampler): void => {
    process.send?.(message);
  };
  let sampler: Sampler | undefined;
  let details: Details | undefined;
  let ask: Ask | undefined;
  const rest = new Rest();
  const end = (): never => {
    sampler?.save();
    process.exit();
  };
  endWithOther(end);
  setInterval(() => tell({ kind: "beat" }), BEAT_MS);
  const task = await new Promise<Task>((resolve) => {
    process.on("message", (message: ToSampler) => {
      if (message.kind === "task") resolve(message.task);
      else if (message.kind === "ask") {
        ask = message.ask;
        rest.end();
      } else if (sampler !== undefined) {
        if (message.kind === "wanted") sampler.wanted = message.names;
        else sampler.intervalMs = message.ms;
        if (message.kind === "interval") rest.end();
      }
    });
  });
  let isKnown = false;
  let roundMs = Number.NEGATIVE_INFINITY;
  let answeredAsk: Ask | undefined;
  let nextAnswerMs = 0;
  for (;;) {
    const startMs = monotonicMs();
    const everyMs = (): number => sampler?.intervalMs ?? task.intervalMs;
    const isDue = startMs - roundMs >= everyMs() - REST_MS;
    if (isDue) roundMs = startMs;
    try {
      if (sampler === undefined || details === undefined) {
        const spool = await open(task);
        sampler = samplerOf(spool, task, tell);
        details = new Details(spool);
      }
      // Who opens a queue wants to see it at once, and everything else when its turn comes.
      if (ask !== undefined && (ask !== answeredAsk || startMs >= nextAnswerMs)) {
        answeredAsk = ask;
        tell({ kind: "answered", answered: await details.answer(ask) });
        const tookMs = monotonicMs() - startMs;
        nextAnswerMs = startMs + tookMs / ANSWER_SHARE;
      }
      if (isDue) {
        tell({ kind: "round", head: await sampler.round() });
        if (!isKnown) sampler.save();
        isKnown = true;
      }
    } catch (thrown) {
      const error = fromErrno(thrown);
      if (!(error instanceof SpoolError)) throw error;
      const { code, message, hint } = error;
      const isOver = !isKnown && OVER.has(code);
      tell({ kind: "failed", failure: { code, message, hint }, isOver });
    }
    await rest.take(Math.max(REST_MS, roundMs + everyMs() - monotonicMs()));
  }
}

/** Ends early where something comes; what came before it began, during a round, ends it at once. */
class Rest {
  #hasCome = false;
  #wake = (): void => {};

  end(): void {
    this.#hasCome = true;
    this.#wake();
  }

  async take(ms: number): Promise<void> {
    if (!this.#hasCome) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#hasCome = false;
  }
}

/** Also where the other one was killed; but not by a ^C in the pager or the editor, which reaches all of the terminal. */
function endWithOther(end: () => never): void {
  process.on("disconnect", end);
  process.on("SIGINT", () => {});
}

async function open({ dir, cacheDir }: Task): Promise<Spool> {
  return openSpool({ dir, cacheDir, create: false, blocking: true, tellsFlow: false });
}

function samplerOf(
  spool: Spool,
  { names, intervalMs }: Task,
  tell: (message: FromSampler) => void,
): Sampler {
  return new Sampler(spool, {
    names,
    intervalMs,
    tell: (samples) => tell({ kind: "samples", samples }),
    tellGone: (keys) => tell({ kind: "gone", keys }),
  });
}
