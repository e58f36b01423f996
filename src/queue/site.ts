/**
 * A directory of the spool with a tmp/ of its own: a queue's or a topic's. What is common to both is
 * that files are drafted there, and that the disk's clock is read there.
 */
import { Breath } from "../clock.ts";
import type { DiskClock } from "../clock.ts";
import { closeQuietly, ignore, replaceFile } from "../disk/durable.ts";
import type { Awaitable, FileSystem } from "../disk/file-system.ts";
import type { FileSystemKind } from "../disk/kind.ts";
import type { Processes } from "../disk/processes.ts";
import { isErrno } from "../errors.ts";
import type { IdSource } from "../message/id.ts";
import type { CountCache } from "./count-cache.ts";
import type { FlowKind, FlowMeter, FlowMeters } from "./flow.ts";

/** What a spool gives to each of its queues and topics. */
export interface Disk {
  readonly fs: FileSystem;
  readonly kind: FileSystemKind;
  readonly clock: DiskClock;
  readonly processes: Processes;
  readonly ids: IdSource;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** What other processes have counted; undefined where that is not to be kept. */
  readonly counts?: CountCache | undefined;
  /** Where it is told what flows; undefined where nobody looks. */
  readonly meters?: FlowMeters | undefined;
}

interface SiteLayout {
  readonly root: string;
  readonly tmp: string;
  readonly dedup: string;
  readonly aside: string;
  readonly flow: string;
}

export abstract class Site {
  readonly name: string;
  readonly disk: Disk;
  readonly fs: FileSystem;
  abstract readonly layout: SiteLayout;
  readonly #breath = new Breath();
  #drafts = 0;
  #meter: FlowMeter | undefined;
  readonly #nonce: string;

  constructor(name: string, disk: Disk) {
    this.name = name;
    this.disk = disk;
    this.fs = disk.fs;
    this.#nonce = Math.floor(disk.random() * 36 ** 10).toString(36);
  }

  /** Makes it again where it was removed since it was looked at. */
  abstract makeAgain(): Promise<void>;

  /** Tells of messages that came or went. */
  flowed(kind: FlowKind, messages: number): void {
    if (this.disk.meters === undefined) return;
    this.#meter ??= this.disk.meters.of(this.layout.flow);
    this.#meter.add(kind, messages);
  }

  /** Lets timers and other work have a turn; for every loop over messages. */
  breathe(): Promise<void> | undefined {
    return this.#breath.take();
  }

  /** After a wait, which was a turn for everything else: the next loop need not give one at once. */
  rested(): void {
    this.#breath.taken();
  }

  /** A fresh name in tmp/ that says which process writes there, so that its strays can be told. */
  draft(prefix = ""): string {
    const unique = `${this.#nonce}.${this.#drafts++}`;
    return `${this.layout.tmp}/${prefix}${unique}_${this.disk.processes.self}`;
  }

  /** Writes a small file, whole or not at all. */
  async replace(path: string, text: string): Promise<void> {
    await replaceFile(this.disk, path, Buffer.from(text), this.draft());
  }

  /** The disk's time, by a file made just now where the last look is too long ago. */
  now(withinMs = 60_000): Awaitable<number> {
    return this.disk.clock.isFresh(withinMs) ? this.disk.clock.now() : this.readClock();
  }

  /** The same for who only looks: this host's time where no file can be made. */
  async nowToLook(): Promise<number> {
    try {
      return await this.now();
    } catch (error) {
      if (!isErrno(error, "EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT")) throw error;
      return Date.now();
    }
  }

  /** Looks at the disk's clock: makes a file and reads its mtime. */
  async readClock(): Promise<number> {
    const path = this.draft();
    const fd = await this.fs.open(path, "create");
    try {
      this.disk.clock.observe((await this.fs.stat(fd)).mtimeMs);
    } finally {
      await closeQuietly(this.fs, fd);
      // Gone already: a reply that was lost.
      await ignore(() => this.fs.unlink(path), "ENOENT");
    }
    return this.disk.clock.now();
  }
}

/**
 * Does what looks at all of a site. Where that is removed in this instant it is said, whatever was found
 * missing first; where it was made anew since, all is done again. @throws what `none` makes, and `act` throws.
 */
export async function unlessRemoved<T>(
  { name, fs, layout }: Site,
  none: (name: string) => Error,
  act: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
      if (!(await ignore(() => fs.lstat(layout.root), "ENOENT"))) throw none(name);
      if (tries > 1) throw error;
    }
  }
}
