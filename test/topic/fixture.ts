/** Topics over a disk in memory, with the test's own time: and further processes of the same disk. */
import { DiskClock } from "../../src/clock.ts";
import type { FileSystem } from "../../src/disk/file-system.ts";
import type { Headers } from "../../src/message/batch.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import type { QueueSettings } from "../../src/queue/settings.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import type { TopicSettings } from "../../src/topic/settings.ts";
import type { Topic } from "../../src/topic/topic.ts";
import { chance } from "../helpers/model-chance.ts";
import { EXT4, MemoryDisk, ModelTime } from "../helpers/model-disk.ts";

/** A message as a consumer of a subscription sees it. */
export interface Delivered {
  readonly id: string;
  readonly body: string;
  readonly headers: Headers;
}

export class Topics {
  readonly time = new ModelTime();
  readonly disk: MemoryDisk;
  readonly gone = new Set<string>();
  readonly warnings: string[] = [];
  spool!: Spool;
  /** `logs`. */
  logs!: Topic;
  #processes = 0;

  private constructor(type: number) {
    this.disk = new MemoryDisk(this.time, type);
  }

  static async open(settings: Partial<TopicSettings> = {}, type = EXT4): Promise<Topics> {
    const topics = new Topics(type);
    topics.spool = await topics.process();
    topics.logs = await topics.topic("logs", settings);
    return topics;
  }

  /** The same spool, as another process has it. */
  process(self = `p${this.#processes}`, fs: FileSystem = this.disk): Promise<Spool> {
    this.#processes++;
    return openSpool({
      dir: "/spool",
      parts: {
        fs,
        clock: new DiskClock(() => this.time.nowMs),
        processes: { self, host: "here", isGone: (token) => this.gone.has(token) },
        random: chance(this.#processes),
      },
    });
  }

  async topic(name: string, settings: Partial<TopicSettings> = {}): Promise<Topic> {
    const topic = await this.spool.topic(name);
    topic.warn = (line) => void this.warnings.push(line);
    await topic.create({ ...DEFAULT_TOPIC_SETTINGS, ...settings });
    return topic;
  }

  /** Subscribes to `logs`. */
  async subscribe(name: string, settings: Partial<QueueSettings> = {}): Promise<Queue> {
    await this.logs.subscribe(name, { settings: { ...DEFAULT_SETTINGS, ...settings } });
    return this.logs.subscription(name);
  }

  /** Every name in a directory of the topic `logs`, and below. */
  names(inTopic: string): string[] {
    const found: string[] = [];
    const walk = (path: string): void => {
      for (const name of this.disk.list(path)) {
        const below = `${path}/${name}`;
        if (this.disk.lstat(below).kind === "directory") walk(below);
        else found.push(below);
      }
    };
    walk(`/spool/topics/logs/${inTopic}`);
    return found;
  }
}

/** What is ready, in the order of delivery. */
export async function readyIn(queue: Queue): Promise<Delivered[]> {
  const ready: Delivered[] = [];
  // Each file is open only while its messages are looked at.
  for await (const seen of queue.peek("ready")) {
    const { id, headers } = seen;
    ready.push({ id, headers, body: (await seen.body()).toString() });
  }
  return ready;
}

export async function bodiesIn(queue: Queue): Promise<string[]> {
  return (await readyIn(queue)).map(({ body }) => body);
}

/** Takes and acks all that is ready. */
export async function drain(queue: Queue): Promise<string[]> {
  const bodies: string[] = [];
  for await (const message of queue.messages({ untilEmpty: true })) {
    bodies.push((await message.body()).toString());
    await message.ack();
  }
  return bodies;
}
