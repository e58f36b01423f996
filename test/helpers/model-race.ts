/**
 * Several processes over one disk, whose system calls take turns by chance: any order that real ones
 * could have, and the same one for the same seed. A process may be killed before any of its calls.
 */
import type { FileStat, FileSystem } from "../../src/disk/file-system.ts";
import { chance } from "./model-chance.ts";

interface Call {
  readonly process: string;
  readonly name: string;
  readonly act: () => void;
}

export class Interleaved {
  readonly #random: () => number;
  readonly #waiting: Call[] = [];
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures: unknown[] = [];
  readonly #killed = new Set<string>();
  #kill: { at: number; process: string } | undefined;
  #isRacing = false;
  #calls = 0;
  /** Told after each call, of whom. */
  onCall: (process: string, call: string) => void = () => {};

  constructor(seed: number) {
    this.#random = chance(seed);
  }

  /** Calls made so far. */
  get calls(): number {
    return this.#calls;
  }

  isKilled(process: string): boolean {
    return this.#killed.has(process);
  }

  /** The disk as a process sees it. @param retell  what it is told that stat and lstat say. */
  process(
    disk: FileSystem,
    process: string,
    retell: (stat: FileStat, path: unknown) => FileStat = (stat) => stat,
  ): FileSystem {
    return new Proxy(disk, {
      get: (target, name) => {
        const method: unknown = target[name as keyof FileSystem];
        if (typeof method !== "function") return method;
        return (...args: unknown[]): unknown => {
          const act = (): unknown => {
            const result = Reflect.apply(method, target, args) as unknown;
            const isStat = name === "stat" || name === "lstat";
            return isStat ? retell(result as FileStat, args[0]) : result;
          };
          return this.#isRacing ? this.#turn(process, String(name), act) : act();
        };
      },
    });
  }

  #turn(process: string, name: string, act: () => unknown): Promise<unknown> {
    // One who was killed waits for ever.
    if (this.#killed.has(process)) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        process,
        name,
        act: () => {
          try {
            resolve(act());
          } catch (error) {
            reject(error);
          }
        },
      });
    });
  }

  /** Lets a process do something once the race begins. Its failure fails the race. */
  start(process: string, act: () => Promise<void>): void {
    const go = async (): Promise<void> => {
      await this.#turn(process, "start", () => {});
      await act();
    };
    this.#running.set(
      process,
      go().then(
        () => void this.#running.delete(process),
        (error: unknown) => {
          this.#failures.push(error);
          this.#running.delete(process);
        },
      ),
    );
  }

  killAt(call: number, process: string): void {
    this.#kill = { at: call, process };
  }

  /** Runs until all are done or dead. @throws what any of them throws. */
  async run(): Promise<void> {
    this.#isRacing = true;
    for (;;) {
      // All that follows from the last call, up to the next ones.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#kill?.at === this.#calls) {
        const { process } = this.#kill;
        this.#killed.add(process);
        this.#running.delete(process);
        const left = this.#waiting.filter((call) => call.process !== process);
        this.#waiting.splice(0, this.#waiting.length, ...left);
        this.#kill = undefined;
      }
      // Who breathes lets a turn of the event loop pass, or two.
      for (let turns = 0; turns < 20 && this.#waiting.length === 0; turns++) {
        if (this.#running.size === 0) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (this.#waiting.length === 0) break;
      const [call] = this.#waiting.splice(Math.floor(this.#random() * this.#waiting.length), 1);
      this.#calls++;
      call!.act();
      this.onCall(call!.process, call!.name);
    }
    this.#isRacing = false;
    if (this.#failures.length > 0) throw this.#failures[0];
    if (this.#running.size > 0) throw new Error(`stuck: ${[...this.#running.keys()].join(", ")}`);
  }
}
