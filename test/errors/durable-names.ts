/**
 * What of a tree is on stable storage: the other half of a disk that can lose power.
 *
 * Every change of names is a list of edits that come true together. It is pending until an fsync
 * makes it durable. On an *ordered* disk (ext4, XFS) any fsync does that for all that came before
 * it; on another one only for the changes of the directory that is synced, and for what these rest on.
 * A file's bytes are durable by an fsync of that file; what a failed fsync has lost stays lost.
 */
export interface Edit {
  readonly directory: number;
  readonly name: string;
  /** The inode that has the name from now on; undefined: none. */
  readonly inode: number | undefined;
}

const keyOf = ({ directory, name }: Edit): string => `${directory}/${name}`;

interface FileBytes {
  live: Buffer;
  durable: Buffer;
  isDirty: boolean;
  isLost: boolean;
}

/** Where the tree is built anew. */
export interface Builder {
  directory(path: string): void;
  file(path: string, bytes: Buffer): void;
  link(from: string, to: string): void;
}

export class DurableNames {
  /**
   * True where no name outlives the directory that it is in, as on all disks that we know: who syncs a
   * directory makes its own name durable, too. POSIX does not say so.
   */
  keepsParents = true;
  readonly #isOrdered: boolean;
  /** The last name of each directory: the key of an edit. */
  readonly #nameOf = new Map<number, string>();
  readonly #directories = new Map<number, Map<string, number>>();
  readonly #files = new Map<number, FileBytes>();
  #pending: (readonly Edit[])[] = [];

  constructor(isOrdered: boolean, root: number) {
    this.#isOrdered = isOrdered;
    this.#directories.set(root, new Map());
  }

  addDirectory(inode: number): void {
    this.#directories.set(inode, new Map());
  }

  addFile(inode: number): void {
    const nothing = Buffer.alloc(0);
    this.#files.set(inode, { live: nothing, durable: nothing, isDirty: false, isLost: false });
  }

  change(...edits: readonly Edit[]): void {
    this.#pending.push(edits);
    for (const edit of edits) {
      const isDirectory = edit.inode !== undefined && this.#directories.has(edit.inode);
      if (isDirectory) this.#nameOf.set(edit.inode, keyOf(edit));
    }
  }

  write(inode: number, bytes: Uint8Array, at: number): void {
    const file = this.#files.get(inode)!;
    const live = Buffer.alloc(Math.max(file.live.length, at + bytes.length));
    live.set(file.live);
    live.set(bytes, at);
    file.live = live;
    file.isDirty = true;
  }

  sync(inode: number): void {
    const file = this.#files.get(inode);
    if (file !== undefined && !file.isLost) file.durable = file.live;
    if (file !== undefined) file.isDirty = false;
    if (this.#isOrdered) this.#persist(() => true);
    else this.#persist((edit) => edit.directory === inode, inode);
  }

  /** What was not on the disk yet never gets there; true where that was something. */
  failSync(inode: number): boolean {
    const file = this.#files.get(inode);
    if (file === undefined || !file.isDirty) return false;
    file.isLost = true;
    return true;
  }

  /** All that there is, is durable: nobody injects anything yet. */
  settle(): void {
    this.#persist(() => true);
    for (const file of this.#files.values()) {
      file.durable = file.live;
      file.isDirty = false;
    }
  }

  /** Those of the pending changes, and what they rest on: what was done earlier to the same name. */
  #persist(isSynced: (edit: Edit) => boolean, synced?: number): void {
    const persisted = new Set<number>();
    const names = new Set<string>();
    /** Removed, and so with all that emptied them: as in test/simulation/disk.ts. */
    const emptied = new Set<number>();
    const byName = new Map([...this.#nameOf].map(([directory, name]) => [name, directory]));
    const addParent = (directory: number): void => {
      const own = this.#nameOf.get(directory);
      if (own !== undefined && this.keepsParents) names.add(own);
    };
    if (synced !== undefined) addParent(synced);
    for (let at = this.#pending.length - 1; at >= 0; at--) {
      const edits = this.#pending[at]!;
      const isMeant = edits.some(
        (edit) => isSynced(edit) || names.has(keyOf(edit)) || emptied.has(edit.directory),
      );
      if (!isMeant) continue;
      persisted.add(at);
      for (const edit of edits) {
        names.add(keyOf(edit));
        addParent(edit.directory);
        const removed = edits.length === 1 && edit.inode === undefined && byName.get(keyOf(edit));
        if (typeof removed === "number") emptied.add(removed);
      }
    }
    for (const [at, edits] of this.#pending.entries()) {
      if (!persisted.has(at)) continue;
      for (const { directory, name, inode } of edits) {
        const entries = this.#directories.get(directory)!;
        if (inode === undefined) entries.delete(name);
        else entries.set(name, inode);
      }
    }
    this.#pending = this.#pending.filter((_, at) => !persisted.has(at));
  }

  /** Builds what a power cut leaves. */
  restore(root: number, into: Builder): void {
    const paths = new Map<number, string>();
    const build = (inode: number, path: string): void => {
      for (const [name, child] of this.#directories.get(inode)!) {
        const own = `${path}/${name}`;
        const known = paths.get(child);
        const file = this.#files.get(child);
        if (file === undefined) {
          into.directory(own);
          build(child, own);
        } else if (known === undefined) {
          into.file(own, file.durable);
          paths.set(child, own);
        } else {
          into.link(known, own);
        }
      }
    };
    build(root, "");
  }
}
