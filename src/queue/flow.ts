/**
 * How much flows through a queue: what each process did there, told about once a second, for who looks at rates.
 *
 * flow/<from>-<host>: lines that processes of one host append, in a window of a quarter of an hour that begins
 * at `from`, in seconds since the epoch. Each line says what one process did in the `span` ms before `at`:
 *
 *   <at, ms since the window began> <span> <process> <in> <out> <dead> <back>
 *
 * A line is one write(2) with O_APPEND, and a file belongs to one host, so that no two lines mix, on network file
 * systems neither. Nothing is synced, and nothing ever fails because of it: a figure is missing then. Who begins
 * a window removes those that are over for an hour.
 */
import type { DiskClock } from "../clock.ts";
import { appendFlow, WINDOW_S } from "../disk/flow-file.ts";
import type { Processes } from "../disk/processes.ts";
import { isOfSystem } from "../errors.ts";

/** Messages: put; acked; made dead letters; nacked. */
export const FLOWS = ["in", "out", "dead", "back"] as const;
export type FlowKind = (typeof FLOWS)[number];

/** How often a process tells what it did, in ms. */
const TELL_MS = 1000;

/** What this process has done in one place and not told yet. */
export class FlowMeter {
  /** Where its files are. */
  readonly directory: string;
  readonly #meters: FlowMeters;
  #counts = [0, 0, 0, 0];
  #isNoted = false;

  constructor(directory: string, meters: FlowMeters) {
    this.directory = directory;
    this.#meters = meters;
  }

  add(kind: FlowKind, messages: number): void {
    this.#counts[FLOWS.indexOf(kind)]! += messages;
    if (this.#isNoted) return;
    this.#isNoted = true;
    this.#meters.note(this);
  }

  /** The counts, which begin at nothing again. */
  take(): number[] {
    const counts = this.#counts;
    this.#counts = [0, 0, 0, 0];
    this.#isNoted = false;
    return counts;
  }
}

/** The meters of one process and spool. */
export class FlowMeters {
  readonly #clock: DiskClock;
  readonly #processes: Processes;
  #noted: FlowMeter[] = [];
  #sinceMs = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #tellAll = (): void => this.#tell();

  constructor(clock: DiskClock, processes: Processes) {
    this.#clock = clock;
    this.#processes = processes;
  }

  of(directory: string): FlowMeter {
    return new FlowMeter(directory, this);
  }

  /** Has something to be told, soon, or at the end of the process. */
  note(meter: FlowMeter): void {
    this.#noted.push(meter);
    if (this.#timer !== undefined) return;
    this.#sinceMs = this.#clock.monotonicMs();
    this.#timer = setTimeout(this.#tellAll, TELL_MS).unref();
    // Of a program with very many spools some do not tell their last second; Node would warn of a leak.
    if (process.listenerCount("exit") < process.getMaxListeners()) {
      process.once("exit", this.#tellAll);
    }
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    process.removeListener("exit", this.#tellAll);
    const noted = this.#noted;
    this.#noted = [];
    // The disk's time, as all of the spool; where it was never asked this host's will do.
    const nowMs = this.#clock.isFresh() ? this.#clock.now() : Date.now();
    const spanMs = Math.ceil(this.#clock.monotonicMs() - this.#sinceMs);
    const fromS = Math.floor(nowMs / 1000 / WINDOW_S) * WINDOW_S;
    const { self, host } = this.#processes;
    for (const meter of noted) {
      const line = `${nowMs - fromS * 1000} ${spanMs} ${self} ${meter.take().join(" ")}\n`;
      try {
        appendFlow(meter.directory, fromS, host, line);
      } catch (error) {
        // Not ours to write in, full, gone: nobody's message depends on it.
        if (!isOfSystem(error)) throw error;
      }
    }
  }
}
