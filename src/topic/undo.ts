/**
 * Undoing a fan-out that was not committed.
 *
 *   1. rename   staging/<ticket> to aborted/<ticket>: from here on nobody can commit it
 *   2. unlink   its links, in every subscription's incoming/
 *   3. unlink   aborted/<ticket>
 *
 * By anyone, any number of times. A link that comes after 2 (its maker was on the way when 1 happened)
 * has a tag that is in neither staging/ nor committed/: it is never delivered, and is swept.
 */
import { ignore, listIfThere } from "../disk/durable.ts";
import type { Warn } from "../queue/aside.ts";
import type { Audience, Member } from "./audience.ts";
import { dropTicket } from "./fan-out.ts";
import { placesOf } from "./planted.ts";
import type { Planted } from "./planted.ts";
import { parseLink } from "./ticket.ts";
import type { Ticket } from "./ticket.ts";
import type { TopicRoom } from "./topic-room.ts";

export class Undoer {
  readonly #room: TopicRoom;
  readonly #audience: Audience;
  readonly #warn: Warn;

  constructor(room: TopicRoom, audience: Audience, warn: Warn) {
    this.#room = room;
    this.#audience = audience;
    this.#warn = warn;
  }

  /** True where it was still to be undone. */
  async undo(ticket: Ticket): Promise<boolean> {
    const { fs, layout } = this.#room;
    const [from, to] = [`${layout.staging}/${ticket.name}`, `${layout.aborted}/${ticket.name}`];
    if (!(await ignore(() => fs.rename(from, to), "ENOENT"))) return false;
    await this.clear(ticket);
    return true;
  }

  /** Steps 2 and 3, for what is in aborted/. */
  async clear(ticket: Ticket): Promise<void> {
    const { fs, layout } = this.#room;
    for (const { path } of (await this.linksOf(ticket)).flatMap(placesOf)) {
      await ignore(() => fs.unlink(path), "ENOENT");
    }
    await dropTicket(this.#room, `${layout.aborted}/${ticket.name}`, this.#warn);
  }

  /** The links of a fan-out that are in incoming/, of all subscriptions that it may have. */
  async linksOf(ticket: Ticket): Promise<Planted[]> {
    const links: Planted[] = [];
    for (const member of await this.#audience.members()) {
      if (ticket.kind === "replay" && !isNamed(member, ticket.subscription)) continue;
      links.push(...(await this.#linksIn(member, ticket.tag)));
      // Filled meanwhile: then they are where it has gone.
      if (member.live) links.push(...(await this.#linksIn(member.live, ticket.tag)));
    }
    return links;
  }

  async #linksIn(member: Member, tag: string): Promise<Planted[]> {
    const links: Planted[] = [];
    let names: string[] = [];
    await ignore(async () => {
      names = await listIfThere(this.#room.fs, member.incoming);
    }, "ENOTDIR");
    for (const name of names) {
      const link = parseLink(name);
      if (link?.tag !== tag) continue;
      links.push({ member, slice: link.slice, path: `${member.incoming}/${name}` });
    }
    return links;
  }
}

/** True for the subscription of this name, of the topic itself. */
function isNamed({ name }: Member, subscription: string | undefined): boolean {
  return name.slice(name.indexOf("/") + 1) === subscription;
}
