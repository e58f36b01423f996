/**
 * A disk in memory on which one call goes wrong, or that call and all later ones of its kind; and
 * which knows what a power cut would leave.
 */
import { dirname } from "node:path";

import type { DiskSpace, FileStat, OpenMode } from "../../src/disk/file-system.ts";
import { kindOf } from "../../src/disk/kind.ts";
import { MemoryDisk } from "../helpers/model-disk.ts";
import type { ModelTime } from "../helpers/model-disk.ts";
import { DurableNames } from "./durable-names.ts";
import { errnoError, faultsOf } from "./faults.ts";
import type { CallKind, Fault } from "./faults.ts";

export interface Plan {
  /** The call that goes wrong, 1 for the first one. */
  readonly call: number;
  /** Which of the errors that it can give. */
  readonly pick: number;
  /** True where all later calls of its kind go wrong, too, while it is armed. */
  readonly isPersistent: boolean;
}

type Kind = CallKind | "open";

const baseOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

export class FaultyDisk extends MemoryDisk {
  /** The kinds of the calls since it was armed. */
  readonly seen: Kind[] = [];
  /** What went wrong, and where; the first time. */
  fault: Fault | undefined;
  where = "";
  /** Of which kind the call was. */
  faultKind: Kind | undefined;
  readonly #time: ModelTime;
  readonly #type: number;
  readonly #isShared: boolean;
  readonly #names: DurableNames;
  readonly #inodes = new Map<number, number>();
  #plan: Plan | undefined;
  #isArmed = false;

  constructor(time: ModelTime, type: number) {
    super(time, type);
    this.#time = time;
    this.#type = type;
    this.#isShared = kindOf(type).shared;
    this.#names = new DurableNames(kindOf(type).oneSync, super.lstat("/").inode);
  }

  /**
   * From here on calls are counted; without a plan nothing goes wrong. All that was, is durable.
   *
   * @param keepsParents  @see DurableNames
   */
  arm(plan?: Plan, keepsParents = true): void {
    this.#names.settle();
    this.#names.keepsParents = keepsParents;
    this.#plan = plan;
    this.#isArmed = true;
  }

  disarm(): void {
    this.#isArmed = false;
  }

  /** The disk as it is after a power cut at this moment. */
  afterPowerCut(): FaultyDisk {
    const disk = new FaultyDisk(this.#time, this.#type);
    this.#names.restore(super.lstat("/").inode, {
      directory: (path) => disk.mkdir(path),
      file: (path, bytes) => {
        const fd = disk.open(path, "create");
        disk.write(fd, bytes, 0);
        disk.close(fd);
      },
      link: (from, to) => disk.link(from, to),
    });
    return disk;
  }

  #next(kind: Kind, path: string): Fault | undefined {
    if (!this.#isArmed) return undefined;
    this.seen.push(kind);
    const plan = this.#plan;
    if (plan === undefined || this.seen.length < plan.call) return undefined;
    const isFirst = this.seen.length === plan.call;
    if (isFirst) {
      const faults = faultsOf(kind, this.#isShared);
      this.fault = faults[plan.pick % faults.length]!;
      this.faultKind = kind;
      this.where = `${this.fault.code} (${this.fault.how ?? "before"}) at call ${plan.call}, ${kind} ${path}`;
    }
    const isSame = plan.isPersistent && kind === this.seen[plan.call - 1];
    return isFirst || isSame ? this.fault : undefined;
  }

  #call<T>(kind: Kind, path: string, act: (fault: Fault | undefined) => T): T {
    const fault = this.#next(kind, path);
    if (fault === undefined || fault.how === "short" || fault.how === "nothing") return act(fault);
    if (fault.how === "after") act(fault);
    throw errnoError(fault.code, kind === "open" || kind === "create" ? "open" : kind, path);
  }

  #edit(path: string, inode: number | undefined) {
    return { directory: super.lstat(dirname(path)).inode, name: baseOf(path), inode };
  }

  override open(path: string, mode: OpenMode): number {
    const kind = mode === "read" ? "open" : mode;
    return this.#call(kind, path, (fault) => {
      const fd = super.open(path, mode);
      const { inode } = super.stat(fd);
      if (mode === "create") {
        this.#names.addFile(inode);
        this.#names.change(this.#edit(path, inode));
      }
      // Nobody hears of this descriptor, so nobody has it.
      if (fault?.how === "after") super.close(fd);
      else this.#inodes.set(fd, inode);
      return fd;
    });
  }

  override read(fd: number, into: Uint8Array, position: number | null): number {
    return this.#call("read", "", (fault) => {
      const length = fault === undefined ? into.length : Math.ceil(into.length / 2);
      return super.read(fd, into.subarray(0, length), position);
    });
  }

  override write(fd: number, from: Uint8Array, position: number | null): number {
    return this.#call("write", "", (fault) => {
      if (fault?.how === "nothing") return 0;
      const bytes = fault === undefined ? from : from.subarray(0, Math.ceil(from.length / 2));
      if (position === null) throw new Error("nobody here writes without a position");
      this.#names.write(this.#inodes.get(fd)!, bytes, position);
      return super.write(fd, bytes, position);
    });
  }

  override sync(fd: number): void {
    const inode = this.#inodes.get(fd)!;
    const fault = this.#next("sync", "");
    if (fault === undefined) {
      this.#names.sync(inode);
      return;
    }
    const isLost = this.#names.failSync(inode);
    if (isLost && fault.how === "zeroed") {
      super.write(fd, Buffer.alloc(super.stat(fd).bytes), 0);
    }
    throw errnoError(fault.code, "fsync", "");
  }

  override close(fd: number): void {
    this.#inodes.delete(fd);
    super.close(fd);
    this.#call("close", "", () => {});
  }

  override stat(fd: number): FileStat {
    return this.#call("stat", "", () => super.stat(fd));
  }

  override lstat(path: string): FileStat {
    return this.#call("lstat", path, () => super.lstat(path));
  }

  override list(path: string): string[] {
    return this.#call("list", path, () => super.list(path));
  }

  override rename(from: string, to: string): void {
    this.#call("rename", `${from} -> ${to}`, () => {
      const { inode } = super.lstat(from);
      const edits = [this.#edit(from, undefined), this.#edit(to, inode)];
      super.rename(from, to);
      // A rename onto another name of the same file does nothing.
      if (!super.list(dirname(from)).includes(baseOf(from))) this.#names.change(...edits);
    });
  }

  override link(from: string, to: string): void {
    this.#call("link", `${from} -> ${to}`, () => {
      super.link(from, to);
      this.#names.change(this.#edit(to, super.lstat(to).inode));
    });
  }

  override unlink(path: string): void {
    this.#call("unlink", path, () => {
      super.unlink(path);
      this.#names.change(this.#edit(path, undefined));
    });
  }

  override mkdir(path: string): void {
    this.#call("mkdir", path, () => {
      super.mkdir(path);
      const { inode } = super.lstat(path);
      this.#names.addDirectory(inode);
      this.#names.change(this.#edit(path, inode));
    });
  }

  override rmdir(path: string): void {
    this.#call("rmdir", path, () => {
      super.rmdir(path);
      this.#names.change(this.#edit(path, undefined));
    });
  }

  override touch(path: string, atMs: number): void {
    this.#call("touch", path, () => super.touch(path, atMs));
  }

  override space(): DiskSpace {
    return this.#call("space", "", () => super.space());
  }
}
