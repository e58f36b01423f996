/**
 * Verify a topic: reads every name and byte that is not in a queue, and says what is wrong; with `repair`
 * it is put right. Its subscriptions are queues, and are verified as such.
 *
 *   directories   those that belong there, and nothing else            (queue/verify-site.ts)
 *   fan-outs      that their publishers left half done, and links of none
 *   log/          buckets, and a whole batch behind each name, once
 *   subscriptions what is none, what was never made, what was removed
 */
import { ignore } from "../disk/durable.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { isErrno } from "../errors.ts";
import { checkName } from "../names.ts";
import { BatchChecker } from "../queue/batch-check.ts";
import { Findings, MISSING, MOVES, verifyAndRepair } from "../queue/finding.ts";
import type { Mend, Verified, VerifyOptions } from "../queue/finding.ts";
import { LEFT_MS, SiteRepair } from "../queue/repair-site.ts";
import { QueueLayout } from "../queue/layout.ts";
import { clearRemoved, REMOVED } from "../queue/remove.ts";
import { SiteLook, words } from "../queue/verify-site.ts";
import { parseFilling } from "./audience.ts";
import { incomingOf } from "./layout.ts";
import type { TopicLayout } from "./layout.ts";
import { DEFAULT_TOPIC_SETTINGS, TOPIC_SETTINGS } from "./settings.ts";
import type { TopicSettings } from "./settings.ts";
import { sweepBegun } from "./sweep.ts";
import type { TopicParts } from "./sweep.ts";
import { FanOutLook } from "./verify-fan-outs.ts";
import { verifyLog } from "./verify-log.ts";

export async function verifyTopic(
  parts: TopicParts,
  options: VerifyOptions = {},
): Promise<Verified> {
  const checker = new BatchChecker(parts.room.fs);
  const repair = new SiteRepair(
    parts.room,
    options.moved ?? new Set(),
    parts.room.layout.directories,
  );
  return verifyAndRepair(options, repair.moved, () =>
    new TopicLook(parts, checker, repair, options).run(),
  );
}

class TopicLook {
  readonly #parts: TopicParts;
  readonly #checker: BatchChecker;
  readonly #repair: SiteRepair;
  readonly #findings: Findings;
  readonly #site: SiteLook;

  constructor(
    parts: TopicParts,
    checker: BatchChecker,
    repair: SiteRepair,
    options: VerifyOptions,
  ) {
    this.#parts = parts;
    this.#checker = checker;
    this.#repair = repair;
    this.#findings = new Findings(parts.room.fs, options);
    this.#site = new SiteLook(repair, parts.delivery, this.#findings);
  }

  async run(): Promise<Findings> {
    const { room } = this.#parts;
    room.forgetSettings();
    await this.#root();
    const fanOuts = new FanOutLook(this.#parts, this.#site, this.#checker, this.#repair.moved);
    await fanOuts.tickets();
    await verifyLog(this.#parts, this.#site, this.#checker);
    await this.#subscriptions();
    await this.#filling();
    await fanOuts.links();
    // Those of a subscription that is being made are looked at with filling/.
    await this.#site.drafts(
      (name, kind) => kind === "directory" && /^(sub-|\.removed-)/.test(name),
    );
    await this.#removed(room.layout.tmp);
    await this.#site.dedup();
    await this.#site.aside();
    return this.#findings;
  }

  async #root(): Promise<void> {
    const { room } = this.#parts;
    const { settings, directories, flow, log, staging, committed, subscriptions } = room.layout;
    await this.#site.directories(directories, room.isPattern);
    if (room.isPattern) await this.#ofPattern();
    if (!room.isPattern) {
      const holds = [log, staging, committed, subscriptions];
      await this.#site.settings(settings, TOPIC_SETTINGS, holds, () => this.#settingsAnew());
    }
    await this.#site.flow();
    await this.#site.others(
      room.isPattern ? [...directories, flow] : [settings, flow, ...directories],
    );
  }

  /** Those of a pattern come and go with its subscriptions; filling/ goes before it is seen that there is one. */
  async #ofPattern(): Promise<void> {
    const { directories, filling, subscriptions } = this.#parts.room.layout;
    if ((await this.#site.list(subscriptions)).length === 0) return;
    for (const path of directories) {
      const isMissing = path !== filling && (await this.#site.kindOf(path)) === undefined;
      if (isMissing) this.#findings.add(path, MISSING, () => this.#repair.directory(path));
    }
  }

  /** With the defaults the log would be let go: what is in there is kept until somebody says how long. */
  async #settingsAnew(): Promise<TopicSettings> {
    const isLogged = (await this.#site.list(this.#parts.room.layout.log)).length > 0;
    if (!isLogged) return DEFAULT_TOPIC_SETTINGS;
    return { ...DEFAULT_TOPIC_SETTINGS, retentionMs: Number.POSITIVE_INFINITY };
  }

  async #subscriptions(): Promise<void> {
    const { subscriptions } = this.#parts.room.layout;
    for (const name of await this.#site.list(subscriptions)) {
      const path = `${subscriptions}/${name}`;
      const seen = await this.#site.statOf(path);
      if (seen === undefined || REMOVED.test(name)) continue;
      const { kind } = seen;
      if (!isOwnName(name)) this.#site.foreign(path, "not a name of ours");
      else if (kind !== "directory") {
        this.#site.foreign(path, `${words(kind)}, not a subscription`, seen);
        // It comes by one rename, with all that is in it.
      } else if (!(await isSite(this.#parts.room.fs, new QueueLayout(path)))) {
        this.#site.foreign(path, "not a subscription", seen);
      } else await this.#site.directories([incomingOf({ root: path })]);
    }
    await this.#removed(subscriptions);
  }

  /** What was begun by the dead, was promised to nobody. */
  async #filling(): Promise<void> {
    const { filling, tmp } = this.#parts.room.layout;
    for (const name of await this.#site.list(filling)) {
      const path = `${filling}/${name}`;
      const seen = await this.#site.statOf(path);
      if (seen === undefined || REMOVED.test(name)) continue;
      const process = parseFilling(name)?.process;
      if (process === undefined || seen.kind !== "directory") {
        this.#site.foreign(path, "not a subscription that is being filled", seen);
      } else await this.#begun(path, process);
    }
    await this.#removed(filling);
    for (const name of await this.#site.list(tmp)) {
      const path = `${tmp}/${name}`;
      if (!name.startsWith("sub-") || (await this.#site.kindOf(path)) !== "directory") continue;
      await this.#begun(path, name.slice(name.lastIndexOf("_") + 1));
    }
  }

  async #begun(path: string, process: string): Promise<void> {
    const { room } = this.#parts;
    const ageMs = await this.#site.ageOf(path);
    if (!room.disk.processes.isGone(process) || ageMs <= LEFT_MS) return;
    const mend: Mend = async () => {
      if ((await this.#site.kindOf(path)) !== undefined) await sweepBegun(room);
      return (await this.#site.kindOf(path)) === undefined ? "removed" : undefined;
    };
    this.#findings.add(path, "a subscription that was never made", mend, MOVES);
  }

  async #removed(directory: string): Promise<void> {
    await verifyRemoved(this.#site, this.#repair, directory);
  }
}

/** True of what a queue or a subscription may be called. */
export function isOwnName(name: string): boolean {
  try {
    return checkName(name) === name;
  } catch {
    return false;
  }
}

/** True of a queue or a topic, also of one that has lost its settings, or has something else there. */
export async function isSite(fs: FileSystem, layout: QueueLayout | TopicLayout): Promise<boolean> {
  for (const path of [layout.settings, ...layout.directories]) {
    try {
      if (await ignore(() => fs.lstat(path), "ENOENT", "ENOTDIR")) return true;
    } catch (error) {
      // What cannot be looked at may be one.
      if (isErrno(error, "EACCES", "EPERM")) return true;
      throw error;
    }
  }
  return false;
}

/** What is left of what was removed there. */
export async function verifyRemoved(
  site: SiteLook,
  { site: { fs } }: SiteRepair,
  directory: string,
): Promise<void> {
  for (const name of await site.list(directory)) {
    if (!REMOVED.test(name)) continue;
    const path = `${directory}/${name}`;
    if ((await site.ageOf(path)) <= LEFT_MS) continue;
    site.findings.add(
      path,
      "was removed, and not all of it is gone",
      async () => {
        if ((await site.kindOf(path)) !== undefined) await clearRemoved(fs, directory);
        return (await site.kindOf(path)) === undefined ? "cleared" : undefined;
      },
      MOVES,
    );
  }
}
