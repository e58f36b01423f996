/**
 * A simulated machine whose processes run one after the other, or one while another one stands still.
 *
 * Each may stop for ever at one of its calls; then the power may go, and any part of what was not safe with
 * it. Beside the other machine (machine.ts) it has no scheduler and no chance: what a test
 * tries, it tries in all of its cases.
 */
import { DiskClock } from "../../src/clock.ts";
import type { FileSystem } from "../../src/disk/file-system.ts";
import { Slot } from "../../src/queue/slot.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { SimulatedDisk } from "./disk.ts";

const HALVES = new Set(["mkdir", "rmdir", "rename", "link", "unlink"]);
export const SPOOL = "/srv/spool";

export interface Kind {
  readonly name: string;
  readonly model: SimulatedDisk["model"];
  readonly type: number;
}

export const EXT4: Kind = { name: "ext4", model: "ordered", type: 0xef53 };
export const BTRFS: Kind = { name: "btrfs", model: "logged", type: 0x9123683e };
export const ZFS: Kind = { name: "zfs", model: "unordered", type: 0x2fc12fc1 };
export const NFS: Kind = { name: "nfs", model: "unordered", type: 0x6969 };

/** Stands still behind the first call for which this is true; told its name, its paths and its number from 0. */
export type Stop = (call: string, paths: string, number: number) => boolean;

/** Behind the call of this name that names a path with this part. */
export const behind =
  (call: string, part: string): Stop =>
  (name, paths) =>
    name === call && paths.includes(part);

export class OneByOne {
  readonly disk: SimulatedDisk;
  /** Of the last process: the numbers of the calls that changed a name. */
  changes: number[] = [];
  #nowMs = Date.UTC(2026, 10, 23);
  #processes = 0;
  #hasStopped = (): void => {};
  #goOn = (): void => {};

  /** @param luck  from 0 to 1: which of what a disk may do it does. */
  constructor({ model, type }: Kind, luck = 0.25, maxLinks = Number.POSITIVE_INFINITY) {
    const now = (): number => this.#nowMs;
    // The first number decides whether an fsync on an ordered disk keeps more than it must.
    let drawn = 0;
    this.disk = new SimulatedDisk(model, type, now, () => (drawn++ === 0 ? 0.9 : luck), maxLinks);
    this.change("mkdir", "/srv");
    this.syncAll("/");
  }

  /** By somebody who syncs nothing. */
  change(name: string, ...args: unknown[]): void {
    this.disk.begin(name, args)();
  }

  later(ms: number): void {
    this.#nowMs += ms;
  }

  #fs(stop: Stop = () => false): FileSystem {
    let number = 0;
    const changes: number[] = [];
    this.changes = changes;
    let stopped: Promise<void> | undefined;
    return new Proxy(this.disk, {
      get: (disk, name: string) => {
        return async (...args: unknown[]) => {
          await stopped;
          this.#nowMs++;
          const given = HALVES.has(name)
            ? disk.begin(name, args)()
            : (Reflect.get(disk, name) as (...all: unknown[]) => unknown).apply(disk, args);
          if (HALVES.has(name)) changes.push(number);
          if (!stopped && stop(name, args.join(" "), number++)) {
            stopped = new Promise((resolve) => (this.#goOn = resolve));
            this.#hasStopped();
            await stopped;
          }
          return given;
        };
      },
    }) as unknown as FileSystem;
  }

  /** A process; without `stop` one that counts as alive. */
  spool(stop?: Stop, isGone = stop !== undefined): Promise<Spool> {
    const number = ++this.#processes;
    const self = `${isGone ? "dead" : "alive"}${number}`;
    const processes = {
      self,
      host: "here",
      isGone: (token: string) => token.startsWith("dead"),
    };
    // Different for each process, and never so small that a bucket is started by chance.
    let drawn = 0;
    const random = (): number => 0.5 + ((number * 7919 + ++drawn * 104_729) % 100_003) / 200_006;
    const clock = new DiskClock(() => this.#nowMs);
    return openSpool({ dir: SPOOL, parts: { fs: this.#fs(stop), processes, random, clock } });
  }

  /** Lives until it stands still, for good: then true; or to its end. */
  async begin(stop: Stop, act: (spool: Spool) => Promise<unknown>): Promise<boolean> {
    const stopped = new Promise<true>((resolve) => (this.#hasStopped = () => resolve(true)));
    const life = async (): Promise<false> => {
      await act(await this.spool(stop));
      return false;
    };
    return Promise.race([stopped, life()]);
  }

  /** Lives until it stands still; what is returned lets it go on to its end. */
  async pause(stop: Stop, act: (spool: Spool) => Promise<unknown>): Promise<() => Promise<void>> {
    const stopped = new Promise<void>((resolve) => (this.#hasStopped = resolve));
    // Others take it for dead.
    const life = this.spool(stop).then(act);
    await Promise.race([stopped, life]);
    const goOn = this.#goOn;
    return async () => {
      goOn();
      await life;
    };
  }

  /** All that is below is safe; or only the names are. */
  syncAll(path: string, alsoFiles = true): void {
    for (const name of this.disk.list(path)) {
      const below = `${path === "/" ? "" : path}/${name}`;
      const isDirectory = this.disk.lstat(below).kind === "directory";
      if (isDirectory) this.syncAll(below, alsoFiles);
      else if (alsoFiles) this.#sync(below, "read");
    }
    this.#sync(path, "directory");
  }

  #sync(path: string, mode: "read" | "directory"): void {
    const fd = this.disk.open(path, mode);
    this.disk.sync(fd);
    this.disk.close(fd);
  }

  /** The power goes. Whatever ran then is dead. */
  powerCut(choice?: number): void {
    this.disk.powerCut(choice);
  }

  /** What consumers get from a queue now, and what lies dead in it. */
  async drain(name: string): Promise<string[]> {
    const queue = (await this.spool()).queue(name);
    const payloads: string[] = [];
    await queue.sweep();
    const consumer = queue.consumer("beating");
    const slot = new Slot(consumer, queue.room);
    for (let message = await slot.next(); message; message = await slot.next()) {
      payloads.push((await message.body()).toString());
      await message.ack();
    }
    await slot.close();
    await consumer.close();
    for await (const seen of queue.peek("dead")) payloads.push((await seen.body()).toString());
    return payloads;
  }
}
