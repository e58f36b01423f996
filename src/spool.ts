/**
 * A spool: one directory tree. Here the parts are wired together, and nowhere else.
 */
import { dirname, resolve } from "node:path";

import { DiskClock } from "./clock.ts";
import {
  ignore,
  isDirectory,
  listIfThere,
  makeDirectories,
  readFile,
  replaceFile,
  syncDirectory,
} from "./disk/durable.ts";
import type { Durability } from "./disk/durable.ts";
import type { FileSystem } from "./disk/file-system.ts";
import { kindOf } from "./disk/kind.ts";
import { NodeFileSystem } from "./disk/node-file-system.ts";
import { HostProcesses } from "./disk/processes.ts";
import type { Processes } from "./disk/processes.ts";
import { isErrno, SpoolError } from "./errors.ts";
import { FORMAT } from "./limits.ts";
import { IdSource } from "./message/id.ts";
import {
  checkQueueName,
  checkTopicName,
  isName,
  isPattern,
  pathOfQueue,
  pathOfTopic,
  topicOfDirectory,
} from "./names.ts";
import { CountCache } from "./queue/count-cache.ts";
import { FlowMeters } from "./queue/flow.ts";
import type { Finding } from "./queue/finding.ts";
import { Queue } from "./queue/queue.ts";
import { clearRemoved } from "./queue/remove.ts";
import { Room } from "./queue/room.ts";
import type { Source } from "./queue/room.ts";
import type { Disk } from "./queue/site.ts";
import type { Topic } from "./topic/topic.ts";

/** What a test may want to replace. */
export interface SpoolParts {
  readonly fs?: FileSystem;
  readonly clock?: DiskClock;
  readonly processes?: Processes;
  readonly random?: () => number;
}

export interface OpenOptions {
  /** The directory. */
  readonly dir: string;
  /** Make it where it is not there. Default true. */
  readonly create?: boolean;
  /** Never use the thread pool: for a program that does one thing and ends. */
  readonly blocking?: boolean;
  /**
   * A directory of the user's own, in which one process leaves to the next one what it has counted; see
   * docs/operating.md. Without, nothing is left.
   */
  readonly cacheDir?: string | undefined;
  /** Tell what flows, for who looks at rates: a line a second in the queues' flow/. Default true. */
  readonly tellsFlow?: boolean;
  readonly parts?: SpoolParts;
}

export class Spool {
  readonly dir: string;
  readonly disk: Disk;
  /** Those that somebody has in hand: subscriptions come and go, and a publisher meets each of their names. */
  readonly #queues = new Map<string, WeakRef<Queue>>();
  readonly #dropped = new FinalizationRegistry((name: string) => {
    if (this.#queues.get(name)?.deref() === undefined) this.#queues.delete(name);
  });
  readonly #topics = new Map<string, Topic>();

  constructor(dir: string, disk: Disk) {
    this.dir = dir;
    this.disk = disk;
  }

  /** A queue by its name, or a subscription; it need not be there yet. @throws BAD_NAME */
  queue(name: string): Queue {
    let queue = this.#queues.get(name)?.deref();
    if (queue === undefined) {
      const path = `${this.dir}/${pathOfQueue(name)}`;
      queue = new Queue(new Room(checkQueueName(name), path, this.disk, this.#sourceOf(name)));
      this.#queues.set(name, new WeakRef(queue));
      this.#dropped.register(queue, name);
    }
    return queue;
  }

  /** A topic by its name, or a pattern; it need not be there yet. @throws BAD_NAME */
  async topic(name: string): Promise<Topic> {
    // Loaded here, because who works on a queue needs none of it.
    const { Topic, TopicRoom } = await import("./topic/index.ts");
    const open = (one: string): Topic => {
      let topic = this.#topics.get(one);
      if (topic === undefined) {
        const room = new TopicRoom(
          checkTopicName(one),
          `${this.dir}/${pathOfTopic(one)}`,
          this.disk,
        );
        topic = new Topic(room, { queue: (queue) => this.queue(queue), topic: open });
        this.#topics.set(one, topic);
      }
      return topic;
    };
    return open(name);
  }

  #sourceOf(name: string): Source | undefined {
    const [topic = "", subscription] = name.split("/");
    if (subscription === undefined) return undefined;
    return { recover: async () => (await this.topic(topic)).recoverFeeds() };
  }

  /** The names of all topics, patterns not included; sorted. */
  async topicNames(): Promise<string[]> {
    const names = await this.#topicDirectories();
    return names.filter((name) => !isPattern(name)).toSorted();
  }

  /** The names of all subscriptions, like `logs/archive`; sorted. */
  async subscriptionNames(): Promise<string[]> {
    const names: string[] = [];
    for (const topic of await this.#topicDirectories()) {
      const directory = `${this.dir}/${pathOfTopic(topic)}/subscriptions`;
      await ignore(async () => {
        for (const name of await listIfThere(this.disk.fs, directory)) {
          const full = `${topic}/${name}`;
          if (isName(name) && (await this.#isQueue(full))) names.push(full);
        }
      }, "ENOTDIR");
    }
    return names.toSorted();
  }

  /** The names of all patterns that have a directory; sorted. */
  async patternNames(): Promise<string[]> {
    const names = await this.#topicDirectories();
    return names.filter((name) => isPattern(name)).toSorted();
  }

  /** Clears what is left of removed queues and topics; returns how many there were. */
  async clearRemoved(): Promise<number> {
    const { fs } = this.disk;
    const queues = await clearRemoved(fs, `${this.dir}/queues`);
    return queues + (await clearRemoved(fs, `${this.dir}/topics`));
  }

  async #topicDirectories(): Promise<string[]> {
    const names: string[] = [];
    for (const directory of await listIfThere(this.disk.fs, `${this.dir}/topics`)) {
      const name = topicOfDirectory(directory);
      const path = `${this.dir}/topics/${directory}`;
      if (name !== undefined && (await isDirectory(this.disk.fs, path))) names.push(name);
    }
    return names;
  }

  /** The names of all queues, subscriptions not included; sorted. */
  async queueNames(): Promise<string[]> {
    const names: string[] = [];
    for (const name of (await listIfThere(this.disk.fs, `${this.dir}/queues`)).toSorted()) {
      if (isName(name) && (await this.#isQueue(name))) names.push(name);
    }
    return names;
  }

  async #isQueue(name: string): Promise<boolean> {
    const { fs } = this.disk;
    const root = `${this.dir}/${pathOfQueue(name)}`;
    const there = await ignore(() => fs.lstat(`${root}/queue.json`), "ENOENT", "ENOTDIR");
    return there && (await isDirectory(fs, root));
  }
}

/**
 * Opens the spool in a directory.
 *
 * @throws NO_SPOOL      there is none, and `create` is false; or it is not a directory.
 * @throws NEWER_FORMAT  a newer dirspool made it.
 */
export async function openSpool(options: OpenOptions): Promise<Spool> {
  const { create = true, blocking = false, cacheDir, tellsFlow = true, parts = {} } = options;
  // A program may change its directory later, and a command that `work` runs may do so too.
  const dir = resolve(options.dir);
  const fs = parts.fs ?? new NodeFileSystem({ blocking });
  const file = `${dir}/spool.json`;
  if (!(await isSpool(fs, dir, file))) {
    if (!create) {
      throw new SpoolError(
        "NO_SPOOL",
        `no spool in ${dir}`,
        "A spool is made by its first put; name another with -C or SPOOL_DIR.",
      );
    }
    const made = await makeDirectories(fs, dir);
    for (const path of made) await syncDirectory(fs, dirname(path));
    const kind = kindOf((await fs.space(dir)).type);
    // Whoever made it may have died before its name was safe. Where we may not look, it was no spool's maker.
    if (!kind.oneSync && made.length === 0) {
      await ignore(() => syncDirectory(fs, dirname(dir)), "EACCES", "EPERM");
    }
    // Last, because it is what says that the spool is there: whoever sees it need not sync the rest.
    await writeSpoolFile({ fs, kind }, dir, file);
  }
  const random = parts.random ?? Math.random;
  const kind = kindOf((await fs.space(dir)).type);
  // What lstat says on a shared one may be old; so old would be what another process has counted.
  const isKept = cacheDir !== undefined && !kind.shared;
  const clock = parts.clock ?? new DiskClock();
  const processes = parts.processes ?? new HostProcesses();
  const disk: Disk = {
    fs,
    kind,
    clock,
    processes,
    ids: new IdSource(random),
    random,
    counts: isKept ? new CountCache(fs, dir, cacheDir) : undefined,
    // Told past the seam: where that is somebody else's, this host's disk is none of its business.
    meters: tellsFlow && parts.fs === undefined ? new FlowMeters(clock, processes) : undefined,
  };
  return new Spool(dir, disk);
}

/**
 * Opens a spool that may not be one any more: a spool.json that is missing, or says nothing, is made anew.
 *
 * @param moved          told where the old one was moved to.
 * @throws NO_SPOOL      nothing there looks like one.
 * @throws NEWER_FORMAT  a newer dirspool made it; nothing was touched.
 */
export async function openToRepair(
  dir: string,
  moved: Set<string>,
): Promise<{ readonly spool: Spool; readonly finding: Finding | undefined }> {
  const { mendSpoolFile } = await import("./topic/verify-spool.ts");
  const finding = await mendSpoolFile(new NodeFileSystem({ blocking: true }), resolve(dir), moved);
  const create = finding !== undefined;
  return { spool: await openSpool({ dir, create, blocking: true }), finding };
}

async function isSpool(fs: FileSystem, dir: string, file: string): Promise<boolean> {
  let text: string;
  try {
    text = (await readFile(fs, file, 4096)).toString();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    if (isErrno(error, "ENOTDIR")) {
      throw new SpoolError("NO_SPOOL", `${dir}: not a directory`, "Name a directory with -C.");
    }
    throw error;
  }
  let format: unknown;
  try {
    ({ format } = JSON.parse(text) as { format?: unknown });
  } catch {
    throw new SpoolError("BAD_SETTINGS", `${file}: not JSON`, "Is this directory a spool?");
  }
  if (typeof format !== "number") {
    throw new SpoolError("BAD_SETTINGS", `${file}: it names no format`, "Is this a spool?");
  }
  if (format > FORMAT) {
    throw new SpoolError(
      "NEWER_FORMAT",
      `${dir}: a spool of format ${format}; this dirspool knows format ${FORMAT}`,
      "Install a newer dirspool.",
    );
  }
  return true;
}

/** Two processes may do this at once: each writes a whole file, and the last one stays. */
async function writeSpoolFile(disk: Durability, dir: string, file: string): Promise<void> {
  const id = new IdSource().next(Date.now());
  const text = `${JSON.stringify({ format: FORMAT, id })}\n`;
  await replaceFile(disk, file, Buffer.from(text), `${dir}/.spool.json.${id}`);
}
