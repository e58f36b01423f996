/**
 * Floors: the system calls that an act of the spool cannot do without, and nothing else.
 *
 * Synchronous, because that is the fastest that Node can do one after the other. Used by `spool bench`,
 * which shows them beside what the spool does in the same run.
 */
import * as fs from "node:fs";

import type { FileSystemKind } from "./kind.ts";

/** A file that grows. */
export class GrowingFile {
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string) {
    this.#path = path;
    this.#fd = fs.openSync(path, "wx");
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += fs.writeSync(this.#fd, bytes, done);
  }

  sync(): void {
    fs.fsyncSync(this.#fd);
  }

  remove(): void {
    fs.closeSync(this.#fd);
    fs.unlinkSync(this.#path);
  }
}

export class PlainCalls {
  readonly #from: string;
  /** Where files arrive. */
  readonly to: string;
  readonly #oneSync: boolean;
  readonly #files: string[] = [];
  #names = 0;
  /** The one file of `rename`: where it is, and where it goes. */
  #swing: readonly [string, string] | undefined;

  constructor(dir: string, kind: FileSystemKind) {
    this.#from = `${dir}/from`;
    this.to = `${dir}/to`;
    this.#oneSync = kind.oneSync;
    for (const path of [dir, this.#from, this.to]) fs.mkdirSync(path);
  }

  /** What `put` calls, for people. */
  get putCalls(): string {
    return this.#oneSync ? "write, rename, fsync" : "write, fsync, rename, fsync of the directory";
  }

  /** A file that is durable under its name when this returns, as this kind of file system needs it. */
  put(payload: Uint8Array): void {
    const name = this.#name();
    const [from, to] = [`${this.#from}/${name}`, `${this.to}/${name}`];
    const fd = fs.openSync(from, "wx");
    fs.writeSync(fd, payload);
    if (!this.#oneSync) fs.fsyncSync(fd);
    fs.renameSync(from, to);
    if (this.#oneSync) fs.fsyncSync(fd);
    fs.closeSync(fd);
    if (this.#oneSync) return;
    const directory = fs.openSync(this.to, "r");
    fs.fsyncSync(directory);
    fs.closeSync(directory);
  }

  /** The same, not synced. */
  drop(payload: Uint8Array): void {
    const name = this.#name();
    fs.writeFileSync(`${this.#from}/${name}`, payload);
    fs.renameSync(`${this.#from}/${name}`, `${this.to}/${name}`);
  }

  /** Makes a file for `claim`. */
  make(payload: Uint8Array): void {
    const name = this.#name();
    fs.writeFileSync(`${this.#from}/${name}`, payload);
    this.#files.push(name);
  }

  /** Renames, reads and unlinks the next file; false where there is none left. */
  claim(into: Uint8Array): boolean {
    const name = this.#files.pop();
    if (name === undefined) return false;
    const path = `${this.to}/${name}`;
    fs.renameSync(`${this.#from}/${name}`, path);
    const fd = fs.openSync(path, "r");
    fs.readSync(fd, into);
    fs.closeSync(fd);
    fs.unlinkSync(path);
    return true;
  }

  /** Renames one file, which is made at the first call. */
  rename(): void {
    if (this.#swing === undefined) {
      this.#swing = [`${this.to}/swing0000000000000`, `${this.to}/swing0000000000001`];
      fs.writeFileSync(this.#swing[0], "");
    }
    const [at, next] = this.#swing;
    fs.renameSync(at, next);
    this.#swing = [next, at];
  }

  /** Makes the directories for `fanOut`. */
  makeAudience(count: number): void {
    for (let at = 0; at < count; at++) {
      for (const part of ["", "/incoming", "/ready"]) fs.mkdirSync(`${this.to}/${at}${part}`);
    }
  }

  /** Writes a file, links and renames it in so many directories, and syncs it. */
  fanOut(payload: Uint8Array, count: number): void {
    const name = this.#name();
    const from = `${this.#from}/${name}`;
    const fd = fs.openSync(from, "wx");
    fs.writeSync(fd, payload);
    for (let at = 0; at < count; at++) fs.linkSync(from, `${this.to}/${at}/incoming/${name}`);
    for (let at = 0; at < count; at++) {
      fs.renameSync(`${this.to}/${at}/incoming/${name}`, `${this.to}/${at}/ready/${name}`);
    }
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    fs.unlinkSync(from);
  }

  #name(): string {
    return String(this.#names++).padStart(8, "0");
  }
}

/** Tells of each file that is renamed into a directory, and removes it. */
export function watchPlainly(dir: string, tell: (payload: Buffer) => void): void {
  fs.watch(dir, (_, name) => {
    let payload: Buffer;
    try {
      payload = fs.readFileSync(`${dir}/${name}`);
    } catch {
      // The event of its removal.
      return;
    }
    tell(payload);
    fs.unlinkSync(`${dir}/${name}`);
  });
}
