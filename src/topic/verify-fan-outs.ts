/** Verify a topic's fan-outs: their tickets, and the links that they have made. */
import { ignore } from "../disk/durable.ts";
import { FINISH_MS, ORPHAN_SWEEP_MS, REPLAY_MS, STAGING_MS } from "../limits.ts";
import { timeOfId } from "../message/id.ts";
import { unreadable } from "../queue/batch-check.ts";
import type { BatchChecker } from "../queue/batch-check.ts";
import { MOVES } from "../queue/finding.ts";
import { SiteRepair, LEFT_MS } from "../queue/repair-site.ts";
import { words } from "../queue/verify-site.ts";
import type { SiteLook } from "../queue/verify-site.ts";
import type { Member } from "./audience.ts";
import { FEED_REMOVED_MS } from "./sweep.ts";
import type { TopicParts } from "./sweep.ts";
import { parseLink, parseTicket } from "./ticket.ts";
import type { Ticket } from "./ticket.ts";

interface Listed {
  readonly member: Member;
  readonly path: string;
  readonly tag: string;
}

export class FanOutLook {
  readonly #parts: TopicParts;
  readonly #site: SiteLook;
  readonly #checker: BatchChecker;
  readonly #moved: Set<string>;

  constructor(parts: TopicParts, site: SiteLook, checker: BatchChecker, moved: Set<string>) {
    this.#parts = parts;
    this.#site = site;
    this.#checker = checker;
    this.#moved = moved;
  }

  async tickets(): Promise<void> {
    const { staging, aborted, committed } = this.#parts.room.layout;
    await this.#ticketsIn(staging, "was begun, and never committed");
    await this.#ticketsIn(aborted, "was undone, and not all of it is gone");
    await this.#ticketsIn(committed, "was committed, and is not yet in all subscriptions");
  }

  async #ticketsIn(directory: string, problem: string): Promise<void> {
    for (const name of await this.#site.list(directory)) {
      const path = `${directory}/${name}`;
      const ticket = parseTicket(name);
      const seen = await this.#site.statOf(path);
      if (seen === undefined) continue;
      const { kind } = seen;
      if (ticket === undefined) this.#site.foreign(path, "not a name of ours");
      else if (kind !== "file") this.#site.foreign(path, `${words(kind)}, not a ticket`, seen);
      else {
        await this.#batch(path, ticket);
        if (await this.#isLeft(ticket, path)) {
          this.#site.findings.add(path, problem, () => this.#recover(path), MOVES);
        }
      }
    }
  }

  /** Consumers see to it by themselves: it is named only where none has done so. */
  async #isLeft(ticket: Ticket, path: string): Promise<boolean> {
    const { room } = this.#parts;
    const ageMs = ((await this.#site.nowMs()) ?? 0) - ticket.beganMs;
    if (room.disk.processes.isGone(ticket.process)) return ageMs > LEFT_MS;
    if (ticket.kind === "replay") return (await this.#site.ageOf(path)) > REPLAY_MS + LEFT_MS;
    return ageMs > Math.max(STAGING_MS, FINISH_MS) + LEFT_MS;
  }

  async #recover(path: string): Promise<string | undefined> {
    const isThere = async (): Promise<boolean> => (await this.#site.kindOf(path)) !== undefined;
    if (await isThere()) await this.#parts.recovery.run();
    return (await isThere()) ? undefined : "finished, or undone where it was never committed";
  }

  async #batch(path: string, { slice }: Ticket): Promise<void> {
    if (slice === undefined) return;
    const { state, problem } = await this.#checker.check(path, slice);
    if (state === "gone") return;
    this.#site.findings.count(slice);
    // Where it is delivered it becomes a dead letter; recovery sees to the rest.
    if (state !== "intact") this.#site.findings.add(path, problem);
  }

  /** Links that no fan-out stands for. */
  async links(): Promise<void> {
    try {
      await this.#links();
    } catch (error) {
      // Where not all can be seen nobody can tell.
      this.#site.findings.add(this.#parts.room.layout.subscriptions, unreadable(error));
    }
  }

  /** incoming/ is listed first, then where tickets go through. */
  async #links(): Promise<void> {
    const { room, feeds } = this.#parts;
    const links: Listed[] = [];
    for (const member of await this.#parts.members()) links.push(...(await this.#linksIn(member)));
    if (links.length === 0) return;
    const tags = new Set<string>();
    const addTags = async (directory: string): Promise<void> => {
      for (const name of await room.fs.list(directory)) tags.add(parseTicket(name)?.tag ?? "");
    };
    for (const { layout } of [room, ...(await feeds()).map((feed) => feed.room)]) {
      for (const directory of [layout.staging, layout.committed, layout.aborted]) {
        await ignore(() => addTags(directory), "ENOENT", "ENOTDIR");
      }
    }
    // A topic that was removed has taken its tickets along: who published to it may be at it still.
    const localMs = room.isPattern ? FEED_REMOVED_MS : 0;
    const patienceMs = room.disk.kind.shared ? ORPHAN_SWEEP_MS : localMs;
    for (const { member, path, tag } of links) {
      const nowMs = (await this.#site.nowMs()) ?? 0;
      if (tags.has(tag) || nowMs - timeOfId(tag) <= patienceMs) continue;
      const repair = new SiteRepair(member.queue.room, this.#moved, []);
      const mend = () => this.#drop(path, repair);
      this.#site.findings.add(path, "a link of no fan-out", mend, MOVES);
    }
  }

  async #linksIn(member: Member): Promise<Listed[]> {
    const links: Listed[] = [];
    // What is being filled passes its links on by itself, under the tag with which it began.
    if (member.live !== undefined) return links;
    const repair = new SiteRepair(member.queue.room, this.#moved, []);
    for (const name of await this.#site.list(member.incoming)) {
      const path = `${member.incoming}/${name}`;
      const link = parseLink(name);
      const seen = await this.#site.statOf(path);
      if (seen === undefined) continue;
      const { kind } = seen;
      if (link !== undefined && kind === "file") links.push({ member, path, tag: link.tag });
      else {
        const problem = kind === "file" ? "not a name of ours" : `${words(kind)}, not a link`;
        this.#site.findings.add(path, problem, () => repair.aside(path, seen));
      }
    }
    return links;
  }

  /** It belongs to nothing; but the last name of a batch is kept, whatever it was. */
  async #drop(path: string, repair: SiteRepair): Promise<string | undefined> {
    let links = 0;
    await ignore(async () => {
      ({ links } = await this.#parts.room.fs.lstat(path));
    }, "ENOENT");
    return links > 1 ? repair.remove(path) : repair.aside(path);
  }
}
