/** A queue over a disk in memory, with the test's own time: and further processes of the same disk. */
import { DiskClock } from "../../src/clock.ts";
import type { FileSystem } from "../../src/disk/file-system.ts";
import { Slot } from "../../src/queue/slot.ts";
import type { Consumer, ConsumerOptions } from "../../src/queue/consumer.ts";
import type { Message } from "../../src/queue/message.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import type { QueueSettings } from "../../src/queue/settings.ts";
import type { LeaseStyle } from "../../src/queue/lease.ts";
import { openSpool } from "../../src/spool.ts";
import { chance } from "./model-chance.ts";
import { EXT4, MemoryDisk, ModelTime } from "./model-disk.ts";

export class Jobs {
  readonly time = new ModelTime();
  readonly disk: MemoryDisk;
  readonly gone = new Set<string>();
  readonly warnings: string[] = [];
  #processes = 0;
  queue!: Queue;

  private constructor(type: number) {
    this.disk = new MemoryDisk(this.time, type);
  }

  static async open(settings: Partial<QueueSettings> = {}, type = EXT4): Promise<Jobs> {
    const jobs = new Jobs(type);
    jobs.queue = await jobs.process();
    await jobs.queue.create({ ...DEFAULT_SETTINGS, ...settings });
    return jobs;
  }

  /** The same queue, as another process has it. */
  async process(
    self = `p${this.#processes}`,
    fs: FileSystem = this.disk,
    cacheDir?: string,
  ): Promise<Queue> {
    this.#processes++;
    const spool = await openSpool({
      dir: "/spool",
      cacheDir,
      parts: {
        fs,
        clock: new DiskClock(() => this.time.nowMs),
        processes: { self, host: "here", isGone: (token) => this.gone.has(token) },
        random: chance(this.#processes),
      },
    });
    return spool.queue("jobs");
  }

  async consumer(
    style: LeaseStyle = "brief",
    options: ConsumerOptions = {},
  ): Promise<{ consumer: Consumer; slot: Slot; process: string; queue: Queue }> {
    const process = `c${this.#processes}`;
    const queue = await this.process(process);
    const consumer = queue.consumer(style, {
      warn: (line) => this.warnings.push(line),
      ...options,
    });
    return { consumer, slot: new Slot(consumer, queue.room), process, queue };
  }

  write(path: string, text: string): void {
    const fd = this.disk.open(path, "create");
    this.disk.write(fd, Buffer.from(text), null);
    this.disk.close(fd);
  }

  /** Drains the queue as a new consumer would, acking all. */
  async drain(): Promise<string[]> {
    const { consumer, slot } = await this.consumer();
    const bodies: string[] = [];
    for (;;) {
      const message = await slot.next();
      if (message === undefined) break;
      bodies.push(await textOf(message));
      await message.ack();
    }
    await slot.close();
    await consumer.close();
    return bodies;
  }
}

export async function textOf(message: Message | undefined): Promise<string> {
  if (message === undefined) throw new Error("there is no message");
  return (await message.body()).toString();
}

export async function* bytesOf(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

export async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of list) found.push(one);
  return found;
}
