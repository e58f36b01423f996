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
  #hasStopped = (): void => {};

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

  /** A process that stops for ever behind the call `last` that names a path with this part. */
  #fs(last?: { readonly call: string; readonly part: string }): FileSystem {
    let isStopped = false;
    return new Proxy(this.disk, {
      get: (disk, name: string) => {
        return (...args: unknown[]) => {
          if (isStopped) return new Promise(() => {});
          this.#nowMs++;
          const given = HALVES.has(name)
            ? disk.begin(name, args)()
            : (Reflect.get(disk, name) as (...all: unknown[]) => unknown).apply(disk, args);
          isStopped = name === last?.call && args.some((arg) => String(arg).includes(last.part));
          if (isStopped) this.#hasStopped();
          return given;
        };
      },
    }) as unknown as FileSystem;
  }

  spool(last?: { readonly call: string; readonly part: string }): Promise<Spool> {
    const self = last ? "dead" : "alive";
    const processes = { self, host: "here", isGone: (token: string) => token === "dead" };
    return openSpool({ dir: SPOOL, parts: { fs: this.#fs(last), processes } });
  }

  /** Puts, or whatever, and never ends. */
  async begin(call: string, part: string, act = putFirst): Promise<void> {
    const stopped = new Promise<void>((resolve) => (this.#hasStopped = resolve));
    await Promise.race([stopped, this.spool({ call, part }).then(act)]);
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
    return this.drain("jobs");
  }

  async drain(queue: string): Promise<string[]> {
    const spool = await openSpool({ dir: SPOOL, create: false, parts: { fs: this.#fs() } });
    const payloads: string[] = [];
    for await (const message of spool.queue(queue).messages({ untilEmpty: true })) {
      payloads.push((await message.body()).toString());
      await message.ack();
    }
    return payloads;
  }
}

const putFirst = (spool: Spool): Promise<unknown> => spool.queue("jobs").put("first");

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

test.for(KINDS)(
  "on %s: a publish is in all or in none, recovered or not",
  async ([, model, type]) => {
    const machine = new Machine(model, type);
    const topic = await (await machine.spool()).topic("logs");
    await topic.create();
    for (const name of ["one", "two"]) await topic.subscribe(name);
    // It dies when it has made both visible, and none of that is safe.
    const publish = async (spool: Spool): Promise<unknown> =>
      (await spool.topic("logs")).publish("x");
    await machine.begin("rename", "subscriptions/two/ready/", publish);
    await (await (await machine.spool()).topic("logs")).recover();
    // Somebody takes it, and is promised that it is gone: that much is safe.
    expect(await machine.drain("logs/one")).toEqual(["x"]);
    machine.syncAll(`${SPOOL}/topics/logs/subscriptions/one`);
    machine.disk.powerCut();
    expect(await machine.drain("logs/two")).toEqual(["x"]);
  },
);
