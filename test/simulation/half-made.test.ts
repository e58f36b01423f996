/**
 * Goal: a put that said success outlives a power cut also where somebody else, who died over it, made
 * the spool, the queue or a directory.
 *
 * Method: on the simulated disk, which keeps what was synced and nothing else; one process stops for
 * ever behind a chosen call, another one puts, the power goes.
 */
import { expect, test } from "vitest";

import type { FileSystem } from "../../src/disk/file-system.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { SimulatedDisk } from "./disk.ts";

const HALVES = new Set(["mkdir", "rmdir", "rename", "link", "unlink"]);
const SPOOL = "/srv/spool";
const JOBS = `${SPOOL}/queues/jobs`;

const KINDS = [
  ["ext4", "ordered", 0xef53],
  ["btrfs", "logged", 0x9123683e],
  ["zfs", "unordered", 0x2fc12fc1],
  ["nfs", "unordered", 0x6969],
] as const;

class Machine {
  readonly disk: SimulatedDisk;
  #nowMs = Date.UTC(2026, 10, 23);

  constructor(model: SimulatedDisk["model"], type: number) {
    this.disk = new SimulatedDisk(
      model,
      type,
      () => this.#nowMs,
      () => 0,
    );
    this.#change("mkdir", "/srv");
    this.syncAll("/");
  }

  #change(name: string, ...args: unknown[]): void {
    this.disk.begin(name, args)();
  }

  /** A process that stops for ever behind the call `last` that names a path with this end. */
  #fs(last?: { readonly call: string; readonly end: string }): FileSystem {
    let isStopped = false;
    return new Proxy(this.disk, {
      get: (disk, name: string) => {
        return (...args: unknown[]) => {
          if (isStopped) return new Promise(() => {});
          this.#nowMs++;
          isStopped = name === last?.call && args.some((arg) => String(arg).endsWith(last.end));
          if (HALVES.has(name)) return disk.begin(name, args)();
          return (Reflect.get(disk, name) as (...all: unknown[]) => unknown).apply(disk, args);
        };
      },
    }) as unknown as FileSystem;
  }

  spool(last?: { readonly call: string; readonly end: string }): Promise<Spool> {
    return openSpool({ dir: SPOOL, parts: { fs: this.#fs(last) } });
  }

  /** Puts, and never ends. */
  async begin(call: string, end: string): Promise<void> {
    const dying = this.spool({ call, end }).then((spool) => spool.queue("jobs").put("first"));
    await Promise.race([dying, new Promise((resolve) => setTimeout(resolve, 50))]);
  }

  remove(...names: readonly string[]): void {
    for (const name of names) this.#change("rmdir", `${JOBS}/${name}`);
    this.syncAll("/");
  }

  syncAll(path: string): void {
    for (const name of this.disk.list(path)) {
      const below = `${path === "/" ? "" : path}/${name}`;
      if (this.disk.lstat(below).kind === "directory") this.syncAll(below);
    }
    const fd = this.disk.open(path, "directory");
    this.disk.sync(fd);
    this.disk.close(fd);
  }

  /** What consumers get after the power went. */
  async afterPowerCut(): Promise<string[]> {
    this.disk.powerCut();
    const spool = await openSpool({ dir: SPOOL, create: false, parts: { fs: this.#fs() } });
    const payloads: string[] = [];
    for await (const message of spool.queue("jobs").messages({ untilEmpty: true })) {
      payloads.push((await message.body()).toString());
      await message.ack();
    }
    return payloads;
  }
}

async function put(machine: Machine): Promise<void> {
  const spool = await machine.spool();
  await spool.queue("jobs").put("second");
}

test.for(KINDS)("on %s: the spool's directory was made by a dead one", async ([, model, type]) => {
  const machine = new Machine(model, type);
  await machine.begin("mkdir", SPOOL);
  await put(machine);
  expect(await machine.afterPowerCut()).toEqual(["second"]);
});

test.for(KINDS)("on %s: the queue was made by a dead one", async ([, model, type]) => {
  const machine = new Machine(model, type);
  await machine.begin("rename", `${JOBS}/queue.json`);
  await put(machine);
  expect(await machine.afterPowerCut()).toContain("second");
});

test.for(KINDS)("on %s: directories that were missing are made again", async ([, model, type]) => {
  const machine = new Machine(model, type);
  const spool = await machine.spool();
  await spool.queue("jobs").create();
  machine.remove("ready", "tmp", "dead", "reclaim", "leases");
  await put(machine);
  expect(await machine.afterPowerCut()).toEqual(["second"]);
});
