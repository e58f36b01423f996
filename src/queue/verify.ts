/**
 * Verify: reads every name and every byte of a queue, and says what is wrong; with `repair` it is put
 * right (finding.ts says how). Without, nothing is changed.
 *
 *   directories   those that belong there, and nothing else            (verify-site.ts)
 *   ready/        buckets, slices, and where they sort
 *   leases/       leases and their locks, reclaim/
 *   dead/         letters, each with its reason
 *   bytes         of each slice: its batch, and its place in it         (batch-check.ts)
 *   overlaps      messages that are there twice                          (overlaps.ts)
 *   tmp/ dedup/   what the dead have left                              (verify-site.ts)
 */
import { makeBell } from "../disk/bell.ts";
import { readFile } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { HEADER_BYTES, ORPHAN_SWEEP_MS } from "../limits.ts";
import { parseHeldName, parseSlice } from "../message/slice.ts";
import { BatchChecker } from "./batch-check.ts";
import { bucketStartingAt, parseBucket } from "./buckets.ts";
import type { Buckets } from "./buckets.ts";
import { isReason } from "./dead-letters.ts";
import { isDropped } from "./drop-box.ts";
import { Findings, MOVES, OVERLAPS, verifyAndRepair } from "./finding.ts";
import type { Mend, Verified, VerifyOptions } from "./finding.ts";
import type { Delivery } from "./intake.ts";
import { REASON_SUFFIX } from "./layout.ts";
import { mendOf, overlapsOf, problemOf } from "./overlaps.ts";
import type { Place, Placed } from "./overlaps.ts";
import { LEFT_MS } from "./repair-site.ts";
import { QueueRepair } from "./repair.ts";
import type { Room } from "./room.ts";
import { LeaseLook } from "./verify-leases.ts";
import { SiteLook, words } from "./verify-site.ts";

export type { Finding, Verified } from "./finding.ts";

export interface VerifyParts {
  readonly room: Room;
  readonly buckets: Buckets;
  readonly delivery: Delivery;
}

export async function verifyQueue(
  parts: VerifyParts,
  options: VerifyOptions = {},
): Promise<Verified> {
  const { room, buckets } = parts;
  const checker = new BatchChecker(room.fs);
  const repair = new QueueRepair(room, buckets, options.moved ?? new Set());
  return verifyAndRepair(options, repair.moved, () =>
    new QueueLook(parts, checker, repair, options).run(),
  );
}

class QueueLook {
  readonly #room: Room;
  readonly #checker: BatchChecker;
  readonly #repair: QueueRepair;
  readonly #findings: Findings;
  readonly #site: SiteLook;
  readonly #leases: LeaseLook;
  readonly #intact: Placed[] = [];

  constructor(
    { room, buckets, delivery }: VerifyParts,
    checker: BatchChecker,
    repair: QueueRepair,
    options: VerifyOptions,
  ) {
    this.#room = room;
    this.#checker = checker;
    this.#repair = repair;
    this.#findings = new Findings(room.fs, options);
    this.#site = new SiteLook(repair, delivery, this.#findings);
    this.#leases = new LeaseLook(room, buckets, this.#site);
  }

  async run(): Promise<Findings> {
    const { layout } = this.#room;
    this.#room.forgetSettings();
    await this.#root();
    for (const bucket of await this.#site.list(layout.ready)) await this.#bucket(bucket);
    for (const { directory, place } of await this.#leases.run()) {
      await this.#slices(directory, place);
    }
    await this.#dead();
    await this.#dropBox();
    for (const overlap of overlapsOf(this.#intact)) {
      const { loser, winners } = overlap;
      const mend = mendOf(overlap, this.#repair);
      const besides = winners.map(({ path }) => path);
      this.#findings.add(loser.path, problemOf(overlap), mend, OVERLAPS, besides);
    }
    await this.#site.drafts();
    await this.#site.dedup();
    await this.#site.aside();
    return this.#findings;
  }

  async #root(): Promise<void> {
    const { layout, table, isSubscription } = this.#room;
    await this.#site.directories(layout.directories);
    await this.#bell();
    const { settings, bell, directories, flow, root } = layout;
    const { ready, dead, drop, leases, reclaim } = layout;
    const holds = [ready, dead, drop, leases, reclaim];
    await this.#site.settings(settings, table, holds, () => Promise.resolve(table.defaults));
    const incoming = isSubscription ? [`${root}/incoming`] : [];
    await this.#site.flow();
    await this.#site.others([settings, bell, flow, ...directories, ...incoming]);
  }

  /** One that is missing only costs a consumer its sleep; a link would be rung elsewhere. */
  async #bell(): Promise<void> {
    const { bell } = this.#room.layout;
    const seen = await this.#site.statOf(bell);
    if (seen === undefined || seen.kind === "file") return;
    this.#findings.add(bell, `${words(seen.kind)} where the bell belongs`, async () => {
      const repair = await this.#repair.aside(bell, seen);
      await makeBell(this.#room.fs, bell);
      return repair;
    });
  }

  async #bucket(name: string): Promise<void> {
    const path = this.#room.layout.bucket(name);
    const seen = await this.#site.statOf(path);
    if (seen === undefined) return;
    if (parseBucket(name) === undefined || seen.kind !== "directory") {
      this.#site.foreign(path, "not a bucket", seen);
      return;
    }
    await this.#slices(path, "ready", name);
  }

  async #slices(directory: string, place: Place, bucket?: string): Promise<void> {
    for (const name of await this.#site.list(directory)) {
      const path = `${directory}/${name}`;
      const slice = place === "ready" ? parseSlice(name) : parseHeldName(name);
      if (slice !== undefined) await this.#slice({ path, slice, place, inode: 0, bucket });
      // An ack that is half done: see Held.
      else if (place === "ready" || !name.startsWith(".gone-")) {
        this.#site.foreign(path, "not a name of ours");
      }
    }
  }

  /** True where there is a message, sound or not. */
  async #slice(entry: Placed): Promise<boolean> {
    const { path, slice, place, bucket } = entry;
    await this.#room.breathe();
    const { state, problem, stat } = await this.#checker.check(path, slice);
    if (state === "gone") return false;
    if (state === "foreign") {
      this.#site.foreign(path, problem, stat);
      return false;
    }
    this.#findings.count(slice);
    if (state === "intact") {
      this.#intact.push({ ...entry, inode: stat?.inode ?? 0 });
      if (bucket !== undefined && bucketStartingAt(slice) < bucket) {
        const mend: Mend = () => this.#repair.place(path, slice);
        this.#findings.add(path, `sorts before the start of its bucket, ${bucket}`, mend, MOVES);
      }
    } else if (place === "dead") {
      // A damaged dead letter is where it belongs; it is still worth knowing.
      this.#findings.add(path, `dead letter: ${problem}`);
    } else {
      const isOurs = state === "damaged" && place !== "held";
      const bury: Mend = () => this.#repair.bury(path, slice, problem);
      this.#findings.add(path, problem, isOurs ? bury : undefined);
    }
    return true;
  }

  async #dead(): Promise<void> {
    const { dead } = this.#room.layout;
    const names = await this.#site.list(dead);
    const all = new Set(names);
    for (const name of names) {
      const path = `${dead}/${name}`;
      const slice = parseSlice(name);
      if (slice !== undefined) {
        const entry: Placed = { path, slice, place: "dead", inode: 0, bucket: undefined };
        if ((await this.#slice(entry)) && !all.has(name + REASON_SUFFIX)) await this.#bare(path);
      } else if (name.endsWith(REASON_SUFFIX)) {
        const letter = name.slice(0, -REASON_SUFFIX.length);
        if (parseSlice(letter) === undefined) this.#site.foreign(path, "not a name of ours");
        else await this.#reason(path, all.has(letter), `${dead}/${letter}`);
      } else this.#site.foreign(path, "not a name of ours");
    }
  }

  /** A list may show a letter, and miss the reason that was made just before. */
  async #bare(letter: string): Promise<void> {
    if ((await this.#site.kindOf(`${letter}${REASON_SUFFIX}`)) !== undefined) return;
    const mend: Mend = () => this.#repair.giveReason(letter);
    this.#findings.add(letter, "a dead letter without its reason", mend);
  }

  async #reason(path: string, hasLetter: boolean, letter: string): Promise<void> {
    const seen = await this.#site.statOf(path);
    if (seen === undefined) return;
    if (seen.kind !== "file") {
      this.#site.foreign(path, `${words(seen.kind)}, not a reason`, seen);
    } else if (!hasLetter) {
      // Its letter may be on the way.
      const ageMs = await this.#site.ageOf(path);
      if (ageMs <= LEFT_MS) return;
      const mend: Mend = async () => {
        const isOld = (await this.#site.ageOf(path)) > ORPHAN_SWEEP_MS;
        const isAlone = (await this.#site.kindOf(letter)) === undefined;
        return isOld && isAlone ? this.#repair.remove(path) : undefined;
      };
      const isOld = ageMs > ORPHAN_SWEEP_MS;
      this.#findings.add(path, "a reason without its dead letter", isOld ? mend : undefined);
    } else if (!(await this.#isReason(path))) {
      this.#site.foreign(path, "a reason that cannot be read", seen);
    }
  }

  async #isReason(path: string): Promise<boolean> {
    try {
      return isReason(JSON.parse((await readFile(this.#room.fs, path, HEADER_BYTES)).toString()));
    } catch (error) {
      // Gone, or not for us to read.
      return !(error instanceof SyntaxError);
    }
  }

  async #dropBox(): Promise<void> {
    const { drop } = this.#room.layout;
    for (const name of await this.#site.list(drop)) {
      const path = `${drop}/${name}`;
      const seen = await this.#site.statOf(path);
      if (seen === undefined) continue;
      if (!isDropped(name)) this.#findings.add(path, "a dot file: it is not delivered");
      else if (seen.kind !== "file") {
        this.#site.foreign(path, `${words(seen.kind)}: it is not delivered`, seen);
      } else await this.#readable(path);
    }
  }

  async #readable(path: string): Promise<void> {
    const { fs } = this.#room;
    try {
      await fs.close(await fs.open(path, "read"));
    } catch (error) {
      if (!isErrno(error, "EACCES", "EPERM")) return;
      this.#findings.add(path, "not readable by this user");
    }
  }
}
