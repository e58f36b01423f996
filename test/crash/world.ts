/**
 * A spool, the processes that use it one after the other, and the time that passes between them.
 *
 * Each process has a file system on which it can die, a token in a table of processes, a clock that
 * moves with its system calls (so that a life makes the same calls each time) and its own chance.
 * fsync does nothing here: a process that dies takes nothing with it that the kernel has. What a
 * power cut does is another folder's matter.
 */
import { DiskClock } from "../../src/clock.ts";
import type { DiskSpace } from "../../src/disk/file-system.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import type { Processes } from "../../src/disk/processes.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { CrashingFileSystem } from "../helpers/crashing-file-system.ts";
import type { Before } from "../helpers/crashing-file-system.ts";
import type { MemoryDisk } from "../helpers/model-disk.ts";

export const EXT4 = 0xef53;
/** Not one sync, not shared. */
export const ZFS = 0x2fc12fc1;
/** Not one sync, shared. */
export const NFS = 0x6969;

export const SOON_MS = 1000;
/** By then every lease, draft and reason that the dead have left has had its time. */
export const MUCH_LATER_MS = 3 * 24 * 3600_000;

class QuickFileSystem extends NodeFileSystem {
  readonly #type: number;

  constructor(type: number) {
    super({ blocking: true });
    this.#type = type;
  }

  override sync(): void {}

  override space(path: string): DiskSpace {
    return { ...super.space(path), type: this.#type };
  }
}

/** The disk's clock as it is `aheadMs` from now. */
class LaterClock extends DiskClock {
  readonly #aheadMs: number;

  constructor(monotonicMs: () => number, aheadMs: number) {
    super(monotonicMs);
    this.#aheadMs = aheadMs;
  }

  override observe(mtimeMs: number): void {
    super.observe(mtimeMs + this.#aheadMs);
  }
}

export interface Process {
  readonly spool: Spool;
  readonly queue: Queue;
  readonly fs: CrashingFileSystem;
}

export type Life = (process: Process) => Promise<unknown>;

export interface LifeOptions {
  readonly aheadMs?: number;
  /** Decides at which of the calls of the life, opening the spool not counted, it dies. */
  readonly before?: Before;
}

export class World {
  readonly dir: string;
  /** The file system below, for a look past the engine. */
  readonly disk: NodeFileSystem | MemoryDisk;
  readonly #knowsTheDead: boolean;
  readonly #gone = new Set<string>();
  #started = 0;

  /** @param knowsTheDead  false: nobody can tell that a process is gone, as on another host. */
  constructor(
    dir: string,
    knowsTheDead: boolean,
    type: number,
    disk: NodeFileSystem | MemoryDisk = new QuickFileSystem(type),
  ) {
    this.dir = dir;
    this.disk = disk;
    this.#knowsTheDead = knowsTheDead;
  }

  /** Runs the life of one process to its end, or to its death: then true. */
  async run(life: Life, options: LifeOptions = {}): Promise<boolean> {
    const { process, token } = await this.#start(options.aheadMs ?? 0);
    if (options.before) process.fs.arm(options.before);
    try {
      await life(process);
      return false;
    } catch (error) {
      if (!process.fs.isDead) throw error;
      return true;
    } finally {
      await process.fs.end();
      this.#gone.add(token);
    }
  }

  async #start(aheadMs: number): Promise<{ process: Process; token: string }> {
    const number = ++this.#started;
    const token = `p${number}`;
    const fs = new CrashingFileSystem(this.disk);
    const isGone = (other: string): boolean => this.#knowsTheDead && this.#gone.has(other);
    const processes: Processes = { self: token, host: "host", isGone };
    let drawn = 0;
    // Different for each process, and never so small that a new bucket is started by chance.
    const random = (): number =>
      0.5 + ((number * 7919 + ++drawn * 104_729) % 1_000_003) / 2_000_006;
    const clock = new LaterClock(() => fs.calls / 10, aheadMs);
    const spool = await openSpool({ dir: this.dir, parts: { fs, processes, random, clock } });
    return { process: { spool, queue: spool.queue("jobs"), fs }, token };
  }

  list(path: string): string[] {
    return this.disk.list(`${this.dir}/${path}`).toSorted();
  }
}
