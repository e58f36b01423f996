/**
 * What `spool top` was told, in a file: a line for each message of the process that looks, with its time. Played
 * again at the pace at which it happened, from the beginning, forward and back.
 *
 *   {"recording":1,"at":1767225600000,"dir":"/srv/spool"}
 *   {"at":1767225600123,"told":{"kind":"samples","samples":[...]}}
 */
import { monotonicMs } from "../clock.ts";
import { readRecord, RecordFile } from "../disk/record-file.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { parseLine } from "./recorded-line.ts";
import type { Line } from "./recorded-line.ts";
import type { FromSampler } from "./sampler-messages.ts";
import { Told } from "./told.ts";
import type { Source } from "./told.ts";

const VERSION = 1;

/** How often a recording goes on, in ms. */
const STEP_MS = 200;

export class Recorder {
  readonly #file: RecordFile;
  #isEmpty = true;
  #failure: string | undefined;

  /** @throws BAD_VALUE  where there is such a file, or it cannot be made. */
  constructor(path: string, dir: string) {
    let file: RecordFile | undefined;
    try {
      file = new RecordFile(path);
      file.append(JSON.stringify({ recording: VERSION, at: Date.now(), dir }));
      this.#file = file;
    } catch (error) {
      file?.remove();
      if (isErrno(error, "EEXIST")) {
        throw new SpoolError("BAD_VALUE", `--record: ${path} is there already`, "Name a new file.");
      }
      throw new SpoolError("BAD_VALUE", `--record: ${(error as Error).message}`);
    }
  }

  /** Why it goes on no more: a full disk ends the recording, and not what is recorded. */
  get failure(): string | undefined {
    return this.#failure;
  }

  take(told: FromSampler): void {
    if (this.#failure !== undefined || told.kind === "beat" || told.kind === "answered") return;
    // That there is no such spool is no incident, but a mistake: the next try takes the same name.
    if (told.kind === "failed" && told.isOver) return;
    this.#isEmpty = false;
    try {
      this.#file.append(JSON.stringify({ at: Date.now(), told }));
    } catch (error) {
      this.#failure = `the recording ended: ${(error as Error).message}`;
    }
  }

  /** Leaves no file in which there is nothing. */
  end(): void {
    if (this.#isEmpty) this.#file.remove();
    else this.#file.close();
  }
}

/** A file as it was recorded. @throws BAD_VALUE */
export function openRecording(path: string): { dir: string; lines: readonly string[] } {
  let lines: string[];
  try {
    lines = readRecord(path);
  } catch (error) {
    throw new SpoolError("BAD_VALUE", `--replay: ${(error as Error).message}`);
  }
  const [first = "", ...rest] = lines;
  try {
    const { recording, dir } = JSON.parse(first) as { recording?: unknown; dir?: unknown };
    if (recording === VERSION && typeof dir === "string") return { dir, lines: rest };
  } catch {
    // It begins with no JSON at all.
  }
  throw new SpoolError("BAD_VALUE", `--replay: ${path} is no recording of spool top`);
}

export class Replay implements Source {
  readonly told = new Told();
  readonly isRecorded = true;
  readonly silentMs = 0;
  readonly #lines: readonly string[];
  readonly #names: ReadonlySet<string>;
  readonly #onNews: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #firstMs: number;
  readonly #lastMs: number;
  #next = 0;
  /** Where it is, in the time of the recording, and when that was, by a monotonic clock. */
  #atMs: number;
  #sinceMs = monotonicMs();
  #isPaused = false;

  /**
   * @param names  these alone, a topic with its subscriptions; empty: all.
   * @throws NO_QUEUE  one of them is nowhere in it.
   */
  constructor(lines: readonly string[], onNews: () => void, names: readonly string[] = []) {
    for (const name of names) {
      if (lines.some((line) => line.includes(`"name":"${name}"`))) continue;
      throw new SpoolError("NO_QUEUE", `the recording has no ${name}`);
    }
    this.#lines = lines;
    this.#names = new Set(names);
    this.#onNews = onNews;
    this.#firstMs = this.#edgeMs(0, 1) ?? Date.now();
    this.#lastMs = this.#edgeMs(lines.length - 1, -1) ?? this.#firstMs;
    this.#atMs = this.#firstMs;
    this.#timer = setInterval(() => this.#goOn(), STEP_MS);
    setImmediate(() => this.#goOn());
  }

  get nowMs(): number {
    const passedMs = this.#isPaused ? 0 : monotonicMs() - this.#sinceMs;
    return Math.min(this.#lastMs, this.#atMs + passedMs);
  }

  seek(byMs: number): void {
    this.#atMs = Math.max(this.#firstMs, Math.min(this.#lastMs, this.nowMs + byMs));
    this.#sinceMs = monotonicMs();
    if (byMs < 0) {
      this.told.forget();
      this.#next = 0;
    }
    this.#goOn();
  }

  pause(isPaused: boolean): void {
    this.#atMs = this.nowMs;
    this.#sinceMs = monotonicMs();
    this.#isPaused = isPaused;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  forgive(): void {}
  want(): void {}
  ask(): void {}
  askAgain(): void {}
  setInterval(): void {}

  /** What was told until now. A line that is damaged is passed over. */
  #goOn(): void {
    const untilMs = this.nowMs;
    let isNews = false;
    for (; this.#next < this.#lines.length; this.#next++) {
      const line = this.#lineAt(this.#next);
      if (line === undefined) continue;
      if (line.at > untilMs) break;
      this.told.take(this.#chosen(line.told));
      isNews = true;
    }
    if (isNews) this.#onNews();
  }

  #chosen(told: FromSampler): FromSampler {
    if (this.#names.size === 0 || told.kind !== "samples") return told;
    const samples = told.samples.filter(
      ({ name }) => this.#names.has(name) || this.#names.has(name.split("/", 1)[0]!),
    );
    return { ...told, samples };
  }

  #lineAt(index: number): Line | undefined {
    return parseLine(this.#lines[index] ?? "");
  }

  /** When it begins or ends: at the first line, from there on, that is not damaged. */
  #edgeMs(from: number, by: 1 | -1): number | undefined {
    for (let index = from; index >= 0 && index < this.#lines.length; index += by) {
      const line = this.#lineAt(index);
      if (line !== undefined) return line.at;
    }
    return undefined;
  }
}
