/**
 * A simulated disk: POSIX in memory, and what is left of it after a power cut.
 *
 * Every change of a directory is an operation on *slots* (a directory and a name), atomic as a whole,
 * that is volatile at first. An fsync makes some of them durable, and so does the kernel by itself
 * now and then; a power cut keeps a part of the rest, as the model says:
 *
 *   ordered     one journal, like ext4's and XFS's: some prefix. An fsync keeps all up to the last
 *               operation that concerned that file or directory (or, as ext4 does it, simply all)
 *   logged      like btrfs (test/power shows it): a prefix, and besides what an fsync wrote to its log: of a
 *               file all its names; of a directory the names in it, though not that they are gone
 *               elsewhere. Files once in the log stay in it, and their names go there at the
 *               next fsync of anything; a name in a directory that is not there is lost
 *   unordered   what POSIX promises and no more: any subset. An fsync of a file keeps its bytes,
 *               one of a directory what was done to names in it
 *
 * A subset is closed: an operation that took away or replaced what another one made is not kept without it.
 * A link is kept without the name that it was made of. Bytes that were not synced are there, lost, torn or
 * zeroed. The kinds of engine that these stand for: kind.ts.
 *
 * A call can be taken in two halves, as in a kernel: first the path is looked up, then the act is
 * done in the directories that were found, wherever they are by then.
 */
import type { DiskSpace, FileStat, OpenMode } from "../../src/disk/file-system.ts";
import { readOpen, writeOpen } from "../helpers/open-file.ts";
import type { OpenFile } from "../helpers/open-file.ts";

export type CrashModel = "ordered" | "logged" | "unordered";

interface Inode {
  readonly number: number;
  readonly kind: "file" | "directory";
  /** Of a directory: what is there now, and what a power cut leaves in any case. */
  readonly entries: Map<string, Inode>;
  readonly kept: Map<string, Inode>;
  data: Buffer;
  bytes: number;
  mtimeMs: number;
  links: number;
  isRemoved: boolean;
  /** Bytes that were synced last; undefined where none ever were. */
  synced: Buffer | undefined;
  isDirty: boolean;
}

interface Slot {
  readonly directory: Inode;
  readonly name: string;
}

interface Operation {
  readonly writes: readonly (Slot & { readonly inode: Inode | undefined })[];
  /** The file or directory that it is about, and what its name stood for before. */
  readonly inode: Inode;
  readonly replaced: Inode | undefined;
  /** A directory that had to be empty for it. */
  readonly emptied: Inode | undefined;
}

export interface Chance {
  (): number;
}

export function errno(code: string, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path });
}

function fail(code: string, syscall: string, path: string): never {
  throw errno(code, syscall, path);
}

/** A call whose path was looked up, and that is still to be done. */
export type Half<T> = () => T;

export class SimulatedDisk {
  readonly model: CrashModel;
  readonly #type: number;
  readonly #nowMs: () => number;
  readonly #random: Chance;
  /** Of the ordered model: an fsync keeps all that was done before, whatever it was done to. */
  readonly #isEager: boolean;
  /** Names that a file may have. */
  readonly #maxLinks: number;
  readonly #root: Inode;
  readonly #fds = new Map<number, OpenFile<Inode>>();
  #volatile: Operation[] = [];
  /** Of the logged model: files that were synced since all was written back. */
  readonly #logged = new Set<Inode>();
  #inodes = 0;
  #nextFd = 3;

  constructor(
    model: CrashModel,
    type: number,
    nowMs: () => number,
    random: Chance,
    maxLinks = Number.POSITIVE_INFINITY,
  ) {
    this.#maxLinks = maxLinks;
    this.model = model;
    this.#type = type;
    this.#nowMs = nowMs;
    this.#random = random;
    this.#isEager = random() < 0.5;
    this.#root = this.#make("directory");
  }

  get openFiles(): number {
    return this.#fds.size;
  }

  #make(kind: Inode["kind"]): Inode {
    return {
      number: ++this.#inodes,
      kind,
      entries: new Map(),
      kept: new Map(),
      data: Buffer.alloc(0),
      bytes: 0,
      mtimeMs: this.#nowMs(),
      links: 1,
      isRemoved: false,
      synced: undefined,
      isDirty: kind === "file",
    };
  }

  /** The directory and the last name of a path. */
  #lookUp(path: string, syscall: string): Slot {
    const names = path.split("/").filter((name) => name !== "" && name !== ".");
    const name = names.pop() ?? "";
    let directory = this.#root;
    for (const step of names) {
      const next = directory.entries.get(step) ?? fail("ENOENT", syscall, path);
      if (next.kind !== "directory") fail("ENOTDIR", syscall, path);
      directory = next;
    }
    return { directory, name };
  }

  #find(path: string, syscall: string): Inode {
    const { directory, name } = this.#lookUp(path, syscall);
    return name === "" ? this.#root : this.#at({ directory, name }, syscall, path);
  }

  #at({ directory, name }: Slot, syscall: string, path: string): Inode {
    return directory.entries.get(name) ?? fail("ENOENT", syscall, path);
  }

  #opened(fd: number, syscall: string): OpenFile<Inode> {
    return this.#fds.get(fd) ?? fail("EBADF", syscall, `fd ${fd}`);
  }

  #do(operation: Partial<Operation> & Pick<Operation, "writes" | "inode">): void {
    for (const { directory, name, inode } of operation.writes) {
      if (inode === undefined) directory.entries.delete(name);
      else directory.entries.set(name, inode);
      directory.mtimeMs = this.#nowMs();
    }
    this.#volatile.push({ replaced: undefined, emptied: undefined, ...operation });
  }

  /** The first half of a call: what the second one does. */
  begin(name: string, args: readonly unknown[]): Half<unknown> {
    const [one, two] = args as [string, string];
    if (name === "open" && two === "create") return this.#create(this.#lookUp(one, name), one);
    if (name === "list") return this.#list(this.#find(one, "scandir"), one);
    if (name === "mkdir") return this.#mkdir(this.#lookUp(one, name), one);
    if (name === "rmdir") return this.#rmdir(this.#lookUp(one, name), one);
    if (name === "unlink") return this.#unlink(this.#lookUp(one, name), one);
    if (name === "rename") {
      return this.#rename(this.#lookUp(one, name), this.#lookUp(two, name), one);
    }
    if (name === "link") return this.#link(this.#lookUp(one, name), this.#lookUp(two, name), one);
    const method = Reflect.get(this, name) as (...given: unknown[]) => unknown;
    return () => Reflect.apply(method, this, args);
  }

  #create(slot: Slot, path: string): Half<number> {
    return () => {
      if (slot.directory.isRemoved) fail("ENOENT", "open", path);
      if (slot.directory.entries.has(slot.name)) fail("EEXIST", "open", path);
      const inode = this.#make("file");
      this.#do({ writes: [{ ...slot, inode }], inode });
      return this.#open(inode);
    };
  }

  #open(inode: Inode): number {
    const fd = this.#nextFd++;
    this.#fds.set(fd, { inode, at: 0 });
    return fd;
  }

  open(path: string, mode: OpenMode): number {
    if (mode === "create") return this.begin("open", [path, mode])() as number;
    const inode = this.#find(path, "open");
    if (mode === "directory" && inode.kind !== "directory") fail("ENOTDIR", "open", path);
    if (mode === "truncate") {
      inode.bytes = 0;
      inode.isDirty = true;
    }
    return this.#open(inode);
  }

  read(fd: number, into: Uint8Array, position: number | null): number {
    const file = this.#opened(fd, "read");
    if (file.inode.kind === "directory") fail("EISDIR", "read", `fd ${fd}`);
    return readOpen(file, into, position);
  }

  write(fd: number, from: Uint8Array, position: number | null): number {
    const file = this.#opened(fd, "write");
    file.inode.mtimeMs = this.#nowMs();
    file.inode.isDirty = true;
    return writeOpen(file, from, position);
  }

  close(fd: number): void {
    this.#opened(fd, "close");
    this.#fds.delete(fd);
  }

  stat(fd: number): FileStat {
    return statOf(this.#opened(fd, "fstat").inode);
  }

  lstat(path: string): FileStat {
    return statOf(this.#find(path, "lstat"));
  }

  list(path: string): string[] {
    const inode = this.#find(path, "scandir");
    if (inode.kind !== "directory") fail("ENOTDIR", "scandir", path);
    return [...inode.entries.keys()];
  }

  /** A name that comes or goes between the halves is in the listing or not. */
  #list(directory: Inode, path: string): Half<string[]> {
    if (directory.kind !== "directory") fail("ENOTDIR", "scandir", path);
    const before = new Set(directory.entries.keys());
    return () => {
      if (directory.isRemoved) fail("ENOENT", "scandir", path);
      const now = directory.entries;
      return [...new Set([...before, ...now.keys()])].filter(
        (name) => (before.has(name) && now.has(name)) || this.#random() < 0.5,
      );
    };
  }

  #rename(from: Slot, to: Slot, path: string): Half<void> {
    return () => {
      const inode = this.#at(from, "rename", path);
      if (to.directory.isRemoved) fail("ENOENT", "rename", path);
      const old = to.directory.entries.get(to.name);
      if (old === inode) return;
      if (old !== undefined) {
        const isDirectory = inode.kind === "directory";
        if (isDirectory && old.kind !== "directory") fail("ENOTDIR", "rename", path);
        if (!isDirectory && old.kind === "directory") fail("EISDIR", "rename", path);
        if (old.entries.size > 0) fail("ENOTEMPTY", "rename", path);
        old.links--;
        old.isRemoved = old.kind === "directory";
      }
      const writes = [
        { ...from, inode: undefined },
        { ...to, inode },
      ];
      const emptied = old?.kind === "directory" ? old : undefined;
      this.#do({ writes, inode, replaced: old, emptied });
    };
  }

  #link(from: Slot, to: Slot, path: string): Half<void> {
    const inode = this.#at(from, "link", path);
    return () => {
      // The last name of it went meanwhile: there is nothing to link any more.
      if (inode.links === 0 || to.directory.isRemoved) fail("ENOENT", "link", path);
      if (to.directory.entries.has(to.name)) fail("EEXIST", "link", path);
      if (inode.kind === "directory") fail("EPERM", "link", path);
      if (inode.links >= this.#maxLinks) fail("EMLINK", "link", path);
      inode.links++;
      this.#do({ writes: [{ ...to, inode }], inode });
    };
  }

  #unlink(slot: Slot, path: string): Half<void> {
    return () => {
      const inode = this.#at(slot, "unlink", path);
      if (inode.kind === "directory") fail("EISDIR", "unlink", path);
      inode.links--;
      this.#do({ writes: [{ ...slot, inode: undefined }], inode });
    };
  }

  #mkdir(slot: Slot, path: string): Half<void> {
    return () => {
      if (slot.directory.isRemoved) fail("ENOENT", "mkdir", path);
      if (slot.name === "" || slot.directory.entries.has(slot.name)) fail("EEXIST", "mkdir", path);
      const inode = this.#make("directory");
      this.#do({ writes: [{ ...slot, inode }], inode });
    };
  }

  #rmdir(slot: Slot, path: string): Half<void> {
    return () => {
      const inode = this.#at(slot, "rmdir", path);
      if (inode.kind !== "directory") fail("ENOTDIR", "rmdir", path);
      if (inode.entries.size > 0) fail("ENOTEMPTY", "rmdir", path);
      inode.isRemoved = true;
      this.#do({ writes: [{ ...slot, inode: undefined }], inode, emptied: inode });
    };
  }

  touch(path: string, atMs: number): void {
    this.#find(path, "utimes").mtimeMs = atMs;
  }

  space(): DiskSpace {
    const inodes = { totalInodes: 2 ** 21, freeInodes: 2 ** 20 };
    return { type: this.#type, totalBytes: 2 ** 40, freeBytes: 2 ** 39, ...inodes };
  }

  /** fsync(2): what the model says becomes durable. */
  sync(fd: number): void {
    const { inode } = this.#opened(fd, "fsync");
    inode.synced = Buffer.from(inode.data.subarray(0, inode.bytes));
    inode.isDirty = false;
    const isAbout = (one: Operation): boolean =>
      one.inode === inode ||
      one.replaced === inode ||
      one.writes.some(({ directory }) => directory === inode);
    if (this.model === "ordered") {
      const last = this.#volatile.findLastIndex(isAbout);
      this.#keep(this.#volatile.slice(0, this.#isEager ? this.#volatile.length : last + 1));
    } else if (this.model === "logged") {
      this.#log(inode, isAbout);
    } else if (inode.kind === "directory") {
      const isInIt = (one: Operation): boolean =>
        one.writes.some(({ directory }) => directory === inode);
      this.#keep(this.#closure(this.#volatile.filter(isInIt)));
    }
  }

  /** The kernel writes back by itself what it likes. */
  writeBack(): void {
    this.#keep(this.model === "logged" ? this.#volatile : this.#some());
    this.#logged.clear();
    for (const inode of reachable(this.#root, "entries")) {
      if (inode.isDirty && this.#random() < 0.5) {
        inode.synced = Buffer.from(inode.data.subarray(0, inode.bytes));
        inode.isDirty = false;
      }
    }
  }

  /** How many choices there are of what a power cut leaves. */
  get choices(): number {
    const { length } = this.#volatile;
    return this.model === "unordered" ? 2 + 2 * length : length + 1;
  }

  /**
   * The power goes, and comes back: what was not durable is there by chance, or as one of the choices says.
   *
   * @param choice  what lasts: the first so many changes; of the unordered model none, all, each one with
   *   what it needs, or all but each one and those that need it.
   */
  powerCut(choice?: number): void {
    this.#keep(choice === undefined ? this.#some() : this.#chosen(choice));
    this.#volatile = [];
    this.#logged.clear();
    this.#fds.clear();
    for (const inode of reachable(this.#root, "kept")) {
      inode.links = 0;
      inode.isRemoved = false;
      if (inode.isDirty) this.#tear(inode);
    }
    for (const inode of reachable(this.#root, "kept")) {
      inode.entries.clear();
      for (const [name, child] of inode.kept) {
        inode.entries.set(name, child);
        child.links++;
      }
    }
  }

  /** Some of what is volatile: a prefix, or any closed subset. */
  #some(): readonly Operation[] {
    const all = this.#volatile;
    if (this.model !== "unordered") {
      return all.slice(0, Math.floor(this.#random() * (all.length + 1)));
    }
    const share = this.#random();
    return this.#closure(all.filter(() => this.#random() < share));
  }

  #chosen(choice: number): readonly Operation[] {
    const all = this.#volatile;
    if (this.model !== "unordered") return all.slice(0, choice);
    if (choice < 2) return choice === 0 ? [] : all;
    const one = all[(choice - 2) >> 1]!;
    if (choice % 2 === 0) return this.#closure([one]);
    return all.filter((other) => !this.#closure([other]).includes(one));
  }

  /** These, and all that they have seen the effect of; in their order. */
  #closure(wanted: readonly Operation[]): readonly Operation[] {
    const isWanted = new Set(wanted);
    const seen = new Map<Inode, Set<string>>();
    const emptied = new Set<Inode>();
    const closed: Operation[] = [];
    for (const one of this.#volatile.toReversed()) {
      const isSeen = one.writes.some(
        ({ directory, name }) => emptied.has(directory) || seen.get(directory)?.has(name),
      );
      if (!isSeen && !isWanted.has(one)) continue;
      closed.push(one);
      for (const { directory, name } of one.writes) {
        const names = seen.get(directory) ?? new Set();
        seen.set(directory, names.add(name));
      }
      if (one.emptied !== undefined) emptied.add(one.emptied);
    }
    return closed.toReversed();
  }

  /** An fsync of the logged model. */
  #log(inode: Inode, isAbout: (one: Operation) => boolean): void {
    if (inode.kind === "file") {
      this.#logged.add(inode);
      this.#keep(this.#closure(withParents(this.#volatile, isAbout)));
    } else this.#logDirectory(inode);
    const isLogged = (one: Operation): boolean => this.#logged.has(one.inode);
    this.#keep(this.#closure(withParents(this.#volatile, isLogged)));
  }

  #logDirectory(directory: Inode): void {
    this.#keep(withParents(this.#volatile, ({ inode }) => inode === directory));
    const isInIt = (slot: Slot): boolean => slot.directory === directory;
    const about = this.#volatile.filter(({ writes }) => writes.some(isInIt));
    // A directory has one name.
    const moves = this.#closure(about.filter(({ inode }) => inode.kind === "directory"));
    // Files were moved out of one that was removed: that commits the transaction (btrfs_rmdir hands
    // last_unlink_trans on to the directory above, whose fsync looks at it).
    if (moves.some(({ inode }) => inode.kind === "file")) {
      this.#keep(this.#volatile);
      this.#logged.clear();
      return;
    }
    this.#keep(moves);
    for (const file of new Set(about.map(({ inode }) => inode))) {
      if (file.kind === "directory") continue;
      const all = this.#volatile.filter(({ inode }) => inode === file);
      // All names as they are now, those in directories that are not there lost; or only those in here.
      if (this.#random() < 0.5) this.#keep(all);
      else for (const one of all) this.#keepSome(one, isInIt);
    }
  }

  #keepSome(one: Operation, isKept: (slot: Slot) => boolean): void {
    this.#keepWrites(one.writes.filter(isKept));
    const writes = one.writes.filter((slot) => !isKept(slot));
    this.#volatile[this.#volatile.indexOf(one)] = { ...one, writes };
  }

  #keep(operations: readonly Operation[]): void {
    for (const { writes } of operations) this.#keepWrites(writes);
    const kept = new Set(operations);
    if (kept.size > 0) this.#volatile = this.#volatile.filter((one) => !kept.has(one));
  }

  #keepWrites(writes: Operation["writes"]): void {
    for (const { directory, name, inode } of writes) {
      if (inode === undefined) directory.kept.delete(name);
      else directory.kept.set(name, inode);
    }
  }

  /** Bytes that were never synced: whole, as they were synced last, cut off, or with holes of zeros. */
  #tear(inode: Inode): void {
    const whole = Buffer.from(inode.data.subarray(0, inode.bytes));
    const kind = Math.floor(this.#random() * 5);
    const at = Math.floor(this.#random() * (whole.length + 1));
    let left: Buffer = whole;
    if (kind === 1) left = inode.synced ?? Buffer.alloc(0);
    else if (kind === 2) left = whole.subarray(0, at);
    else if (kind === 3) left = Buffer.concat([whole.subarray(0, at)], whole.length);
    else if (kind === 4) left = Buffer.alloc(whole.length);
    inode.data = Buffer.from(left);
    inode.bytes = left.length;
    inode.synced = inode.data;
    inode.isDirty = false;
  }
}

/** These operations, and those that made the directories above what they name. */
function withParents(
  all: readonly Operation[],
  isWanted: (one: Operation) => boolean,
): readonly Operation[] {
  const wanted: Operation[] = [];
  const parents = new Set<Inode>();
  for (const one of all.toReversed()) {
    const isParent = parents.has(one.inode) && one.inode.kind === "directory";
    if (!isParent && !isWanted(one)) continue;
    wanted.push(one);
    for (const { directory } of one.writes) parents.add(directory);
  }
  return wanted;
}

/** Each inode below a directory once, itself included. */
function reachable(root: Inode, which: "entries" | "kept"): Set<Inode> {
  const seen = new Set([root]);
  for (const inode of seen) for (const child of inode[which].values()) seen.add(child);
  return seen;
}

function statOf({ kind, bytes, mtimeMs, number, links }: Inode): FileStat {
  return { kind, bytes, mtimeMs, ctimeMs: mtimeMs, inode: number, links };
}
