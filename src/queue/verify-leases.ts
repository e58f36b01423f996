/** Verify: leases, their locks, and what comes back from the dead. */
import { isErrno } from "../errors.ts";
import { LEASE_CEILING_MS, ORPHAN_SWEEP_MS } from "../limits.ts";
import type { Buckets } from "./buckets.ts";
import { MOVES } from "./finding.ts";
import { LOCK_SUFFIX } from "./layout.ts";
import { parseLeaseName } from "./lease.ts";
import type { LeaseName } from "./lease.ts";
import type { Place } from "./overlaps.ts";
import { Reclaimer } from "./reclaim.ts";
import { LEFT_MS } from "./repair-site.ts";
import type { Room } from "./room.ts";
import { words } from "./verify-site.ts";
import type { SiteLook } from "./verify-site.ts";

/** A directory of slices that somebody holds, or held. */
export interface HeldIn {
  readonly directory: string;
  readonly place: Place;
}

export class LeaseLook {
  readonly #room: Room;
  readonly #site: SiteLook;
  readonly #reclaimer: Reclaimer;

  constructor(room: Room, buckets: Buckets, site: SiteLook) {
    this.#room = room;
    this.#site = site;
    this.#reclaimer = new Reclaimer(room, buckets, () => {});
  }

  async run(): Promise<HeldIn[]> {
    const { layout } = this.#room;
    const held: HeldIn[] = [];
    const names = await this.#site.list(layout.leases);
    const all = new Set(names);
    for (const name of names) {
      const path = `${layout.leases}/${name}`;
      const isLock = name.endsWith(LOCK_SUFFIX);
      const lease = parseLeaseName(isLock ? name.slice(0, -LOCK_SUFFIX.length) : name);
      const seen = await this.#site.statOf(path);
      if (seen === undefined) continue;
      const { kind } = seen;
      if (lease === undefined) this.#site.foreign(path, "not a lease");
      else if (kind !== "directory") this.#site.foreign(path, `${words(kind)}, not a lease`, seen);
      else if (isLock) await this.#lock(path, lease, all.has(lease.name));
      else {
        const place = await this.#lease(path, lease, all);
        if (place === "held" || !(await this.#isStuck(path))) held.push({ directory: path, place });
      }
    }
    for (const name of await this.#site.list(layout.reclaim)) {
      const directory = layout.reclaimed(name);
      const seen = await this.#site.statOf(directory);
      if (seen === undefined) continue;
      const { kind } = seen;
      if (kind === "directory" && !(await this.#isStuck(directory))) {
        held.push({ directory, place: "back" });
        await this.#leftover(directory, "was being given back by somebody who is gone");
      } else if (kind !== "directory") {
        this.#site.foreign(directory, `${words(kind)}, not a lease`, seen);
      }
    }
    return held;
  }

  /** What cannot be emptied goes aside as a whole, or it would be tried for ever. */
  async #isStuck(directory: string): Promise<boolean> {
    const isStuck = await this.#site.isUnspeakable(directory);
    if (isStuck) this.#site.foreign(directory, "holds a name that is no text");
    return isStuck;
  }

  async #lease(path: string, lease: LeaseName, all: ReadonlySet<string>): Promise<Place> {
    // Where nobody can tell the time nobody is taken for dead.
    const canTell = (await this.#site.nowMs()) !== undefined;
    if (!canTell || !(await this.#hasExpired(lease))) return "held";
    if (all.has(lease.name + LOCK_SUFFIX)) await this.#leftover(path, "its holder is gone");
    else await this.#leftover(path, "a lease without a lock: its holder is gone");
    return "back";
  }

  async #hasExpired(lease: LeaseName): Promise<boolean> {
    try {
      return await this.#reclaimer.hasExpired(lease);
    } catch (error) {
      // Who may only look cannot read the disk's clock.
      if (isErrno(error, "EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT")) return false;
      throw error;
    }
  }

  /** Consumers see to it by themselves: it is named only where none has done so. */
  async #leftover(path: string, problem: string): Promise<void> {
    if ((await this.#site.ageOf(path)) <= LEFT_MS) return;
    this.#site.findings.add(path, problem, () => this.#reclaim(path), MOVES);
  }

  async #reclaim(path: string): Promise<string | undefined> {
    // It may have gone with the one before it.
    if ((await this.#site.kindOf(path)) !== undefined) await this.#reclaimer.run();
    if ((await this.#site.kindOf(path)) !== undefined) return undefined;
    return "taken over: what was held waits again, or is a dead letter";
  }

  async #lock(path: string, lease: LeaseName, hasLease: boolean): Promise<void> {
    const { fs, disk } = this.#room;
    for (const name of await this.#site.list(path)) {
      this.#site.foreign(`${path}/${name}`, "not a name of ours");
    }
    const ageMs = await this.#site.ageOf(path);
    if (Number.isFinite(ageMs) && -ageMs > LEASE_CEILING_MS) {
      this.#site.findings.add(path, "a lock from the far future", async () => {
        if ((await this.#site.kindOf(path)) !== "directory") return undefined;
        await fs.touch(path, await this.#room.now());
        return `was given the time of now: it ends in ${lease.ttlMs} ms, unless its holder lives`;
      });
    }
    if (hasLease || (await this.#isStuck(path))) return;
    const isGone = disk.processes.isGone(lease.process);
    if (ageMs <= (isGone ? LEFT_MS : Math.max(lease.ttlMs, ORPHAN_SWEEP_MS))) return;
    this.#site.findings.add(path, "a lock without a lease", () => this.#reclaim(path), MOVES);
  }
}
