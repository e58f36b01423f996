/**
 * A disk whose every write is recorded: without a device mapper, and with a real file system on it.
 *
 *   image file ◄─ blklogwrites ─► log file      qemu-storage-daemon: each write and flush, in order
 *        ▲
 *   FUSE export ◄─ loop device ◄─ ext4, XFS or btrfs ◄─ the workload
 *
 * The log has the format of dm-log-writes (block-log.ts). mkfs runs before the recording starts, so
 * the log begins with a fresh file system. All of it lies in memory: what is tested is the order of
 * writes, not a disk. Whatever was begun is on a stack, and is undone from its top, also on ^C.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  mkdtempSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
} from "node:fs";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

export type FsName = "ext4" | "xfs" | "btrfs";

interface Recipe {
  readonly mib: number;
  readonly mkfs: readonly string[];
  readonly mount: readonly string[];
}

/** The smallest that each takes, with room for the workload. */
const RECIPES: Readonly<Record<FsName, Recipe>> = {
  ext4: {
    mib: 96,
    mkfs: ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"],
    mount: [],
  },
  xfs: { mib: 320, mkfs: ["mkfs.xfs", "-q", "-K"], mount: ["-o", "nouuid"] },
  btrfs: {
    mib: 256,
    mkfs: ["mkfs.btrfs", "-q", "-K", "-m", "single", "-d", "single"],
    mount: [],
  },
};

export const FS_NAMES: readonly FsName[] = ["ext4", "xfs", "btrfs"];

/** Runs a program to its end. @throws where it fails, with what it said. */
export function sh(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status === 0) return stdout.trim();
  throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

function isThere(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** What this machine lacks for a power cut on such a file system, or undefined. */
export function lacks(name: FsName): string | undefined {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  for (const device of ["/dev/fuse", "/dev/loop-control"]) {
    if (!isUsable(device)) return `no ${device}`;
  }
  const programs = ["qemu-storage-daemon", "losetup", "mount", RECIPES[name].mkfs[0]!];
  const missing = programs.find((program) => !isThere(program));
  if (missing !== undefined) return `no ${missing}`;
  const known = spawnSync("grep", ["-qw", name, "/proc/filesystems"]).status === 0;
  return known || spawnSync("modprobe", [name]).status === 0
    ? undefined
    : `no ${name} in the kernel`;
}

const TMPFS = 0x01021994;

/** A directory in memory where there is one, else in the usual place. */
function workDirectory(): string {
  const isMemory = isUsable("/dev/shm") && statfsSync("/dev/shm").type === TMPFS;
  return mkdtempSync(`${isMemory ? "/dev/shm" : tmpdir()}/spool-power-`);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class Rig {
  readonly name: FsName;
  readonly dir: string;
  /** The file system as mkfs left it. */
  readonly base: string;
  readonly image: string;
  readonly log: string;
  /** One file for each process of the workload. */
  readonly journals: string;
  readonly mnt: string;
  readonly #undo: (() => void)[] = [];
  readonly #onExit = (): void => this.close();
  readonly #onSignal = (): void => process.exit(130);

  constructor(name: FsName) {
    this.name = name;
    this.dir = workDirectory();
    process.once("exit", this.#onExit);
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, this.#onSignal);
    this.#undo.push(() => rmSync(this.dir, { recursive: true, force: true }));
    this.base = `${this.dir}/base`;
    this.image = `${this.dir}/image`;
    this.log = `${this.dir}/log`;
    this.mnt = `${this.dir}/mnt`;
    this.journals = `${this.dir}/journals`;
    mkdirSync(this.mnt);
    mkdirSync(this.journals);
  }

  /** Starts to record, and mounts what is recorded. */
  async start(): Promise<void> {
    const { mib, mkfs } = RECIPES[this.name];
    writeFileSync(this.image, "");
    truncateSync(this.image, mib * 1024 * 1024);
    sh(mkfs[0]!, ...mkfs.slice(1), this.image);
    copyFileSync(this.image, this.base);
    const exported = `${this.dir}/export`;
    const { log } = this;
    for (const path of [exported, log]) writeFileSync(path, "");
    const daemon = spawn(
      "qemu-storage-daemon",
      [
        `--blockdev=driver=file,node-name=image,filename=${this.image}`,
        `--blockdev=driver=file,node-name=log,filename=${log}`,
        "--blockdev=driver=blklogwrites,node-name=recorded,file=image,log=log,log-sector-size=512",
        `--export=type=fuse,id=export,node-name=recorded,mountpoint=${exported},writable=on`,
      ],
      { stdio: "ignore" },
    );
    this.#undo.push(() => {
      daemon.kill();
      // Its own umount comes late, and the directory is to go now.
      spawnSync("umount", ["-l", exported]);
    });
    for (let look = 0; statSync(exported).size === 0; look++) {
      if (look > 100) throw new Error("qemu-storage-daemon did not export its image");
      await pause(50);
    }
    this.#mount(this.#attach(exported));
  }

  /** Has something done before whatever was begun until now is undone. */
  defer(act: () => void): void {
    this.#undo.push(act);
  }

  /** Keeps what a recording is made of. */
  save(directory: string): void {
    mkdirSync(directory, { recursive: true });
    const parts = [this.base, this.log, this.journals];
    sh("cp", "-r", "--sparse=always", ...parts, directory);
  }

  /** Takes a recording that was kept. */
  load(directory: string): void {
    sh("cp", "-r", "--sparse=always", `${directory}/.`, this.dir);
  }

  /** Ends the recording. What the log holds stays. */
  async stop(): Promise<void> {
    while (this.#undo.length > 1) this.#undo.pop()!();
    // The daemon writes the last of the log as it ends.
    await pause(300);
    // It remembers the device of before, with a later generation than most states have.
    if (this.name === "btrfs") sh("btrfs", "device", "scan", "--forget");
  }

  /** A loop device on a file of the rig. */
  #attach(path: string): string {
    const device = sh("losetup", "-f", "--show", path);
    this.#undo.push(() => sh("losetup", "-d", device));
    return device;
  }

  #mount(device: string): void {
    sh("mount", "-t", this.name, ...RECIPES[this.name].mount, device, this.mnt);
    this.#undo.push(() => this.#unmount());
  }

  #unmount(): void {
    if (spawnSync("umount", [this.mnt]).status !== 0) sh("umount", "-l", this.mnt);
  }

  /** A device that shows what is in a file, for one state after the other. */
  device(path: string): { readonly mount: () => void; readonly unmount: () => void } {
    const device = this.#attach(path);
    return {
      mount: () => this.#mount(device),
      unmount: () => {
        this.#undo.pop();
        sh("umount", this.mnt);
      },
    };
  }

  close(): void {
    process.off("exit", this.#onExit);
    for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, this.#onSignal);
    for (let act = this.#undo.pop(); act !== undefined; act = this.#undo.pop()) {
      try {
        act();
      } catch (error) {
        console.error(String(error));
      }
    }
  }
}
