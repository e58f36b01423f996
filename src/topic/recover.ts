/**
 * Recovery: fan-outs that their publishers left half done are finished or undone.
 *
 *   aborted/     its links go                                                       (undo.ts)
 *   staging/     a publish or a replay that is too old, or whose process is gone, is undone; one with
 *                a dedup key, which is promised as soon as it is there, is taken over and finished
 *   committed/   is finished
 *
 * Any number may do it at once, beside the publisher itself: each step happens once, because its source is
 * there once. Who does it: consumers of a subscription as they start and as they idle, and `gc`.
 */
import { ignore, listIfThere } from "../disk/durable.ts";
import {
  FINISH_MS,
  FINISH_SHARED_MS,
  REPLAY_MS,
  STAGING_MS,
  STAGING_PER_MEMBER_MS,
} from "../limits.ts";
import { isErrno } from "../errors.ts";
import { DamagedError } from "../message/batch.ts";
import { setAside } from "../queue/aside.ts";
import type { Warn } from "../queue/aside.ts";
import { ForeignError } from "../queue/open-batch.ts";
import type { Audience } from "./audience.ts";
import { dropTicket } from "./fan-out.ts";
import type { FanOut } from "./fan-out.ts";
import { GoneError } from "./link-source.ts";
import { readContents } from "./selection.ts";
import { formatTicket, parseTicket } from "./ticket.ts";
import type { Ticket } from "./ticket.ts";
import type { TopicRoom } from "./topic-room.ts";
import type { Undoer } from "./undo.ts";

export interface RecoverResult {
  readonly finished: number;
  readonly undone: number;
}

type Outcome = "finished" | "undone" | "left";

export class Recovery {
  readonly #room: TopicRoom;
  readonly #audience: Audience;
  readonly #fanOut: FanOut;
  readonly #undoer: Undoer;
  readonly #warn: Warn;

  constructor(room: TopicRoom, audience: Audience, fanOut: FanOut, undoer: Undoer, warn: Warn) {
    this.#room = room;
    this.#warn = warn;
    this.#audience = audience;
    this.#fanOut = fanOut;
    this.#undoer = undoer;
  }

  /** One that cannot be recovered does not keep us from the others. @throws the first failure, at the end. */
  async run(): Promise<RecoverResult> {
    const { aborted, staging, committed } = this.#room.layout;
    let finished = 0;
    let undone = 0;
    let failure: unknown;
    for (const [directory, act] of [
      [committed, (ticket: Ticket) => this.#committed(ticket)],
      [aborted, (ticket: Ticket) => this.#aborted(ticket)],
      [staging, (ticket: Ticket) => this.#staged(ticket)],
    ] as const) {
      for (const ticket of await this.ticketsIn(directory)) {
        try {
          const outcome = await act(ticket);
          if (outcome === "finished") finished++;
          else if (outcome === "undone") undone++;
        } catch (error) {
          failure ??= error;
        }
      }
    }
    if (failure !== undefined) throw failure;
    return { finished, undone };
  }

  async #aborted(ticket: Ticket): Promise<Outcome> {
    await this.#undoer.clear(ticket);
    return "undone";
  }

  async #staged(ticket: Ticket): Promise<Outcome> {
    if (!(await this.#isOver(ticket, STAGING_MS))) return "left";
    if (!(await this.#isOver(ticket, await this.#limitOf(ticket)))) return "left";
    if (ticket.kind === "keyed") return (await this.#takeOver(ticket)) ? "finished" : "left";
    return (await this.#undoer.undo(ticket)) ? "undone" : "left";
  }

  async #committed(ticket: Ticket): Promise<Outcome> {
    const patienceMs = this.#room.disk.kind.shared ? FINISH_SHARED_MS : FINISH_MS;
    if (!(await this.#isOver(ticket, patienceMs))) return "left";
    const links = await this.#undoer.linksOf(ticket);
    // Or a power cut could take the commit back after a link of it was made visible.
    await this.#fanOut.secure(links);
    // A link that is not in incoming/ any more may be there again after a power cut, and its ticket not.
    const before = this.#room.disk.kind.oneSync ? [] : await this.#audience.members();
    const isFinished = await this.#fanOut.finish(ticket, links, "disk", before);
    if (isFinished && !this.#room.disk.kind.ordered) await this.#dropTwice(ticket);
    return isFinished ? "finished" : "left";
  }

  /**
   * After a power cut on btrfs both names of a rename may be there, and the same rename then does nothing.
   * Links in incoming/ that are left so belong to no ticket now, and a sweep removes them.
   */
  #dropTwice({ name }: Ticket): Promise<void> {
    return dropTicket(this.#room, `${this.#room.layout.committed}/${name}`, this.#warn);
  }

  async #limitOf({ kind }: Ticket): Promise<number> {
    if (kind === "replay") return REPLAY_MS;
    return STAGING_MS + (await this.#audience.members()).length * STAGING_PER_MEMBER_MS;
  }

  /** What is under way, or left, in one of the three directories. */
  async ticketsIn(directory: string): Promise<Ticket[]> {
    const names = await listIfThere(this.#room.fs, directory);
    return names.map((name) => parseTicket(name)).filter((ticket) => ticket !== undefined);
  }

  /** By the disk's clock; at once where its process ran on this host and is plainly gone. */
  async #isOver(ticket: Ticket, limitMs: number): Promise<boolean> {
    if (this.#room.disk.processes.isGone(ticket.process)) return true;
    const beganMs = Math.max(ticket.beganMs, await this.#signOfLife(ticket));
    if ((await this.#room.now()) - beganMs <= limitMs) return false;
    // Before anything is taken away the disk's clock is read anew: it may have been set back.
    return (await this.#room.readClock()) - beganMs > limitMs;
  }

  /** Who replays touches the ticket now and then, because that may take long. */
  async #signOfLife({ kind, name }: Ticket): Promise<number> {
    let atMs = 0;
    if (kind !== "replay") return atMs;
    await ignore(async () => {
      atMs = (await this.#room.fs.lstat(`${this.#room.layout.staging}/${name}`)).mtimeMs;
    }, "ENOENT");
    return atMs;
  }

  /** Makes it ours, under a new tag: whatever the old owner still does belongs to nothing. */
  async #takeOver(old: Ticket): Promise<boolean> {
    const { fs, disk, layout } = this.#room;
    const tag = disk.ids.next(await this.#room.now());
    const slice = old.slice!;
    const ticket = formatTicket("keyed", slice, tag, disk.processes.self);
    const path = `${layout.staging}/${ticket.name}`;
    const isMine = await ignore(() => fs.rename(`${layout.staging}/${old.name}`, path), "ENOENT");
    if (!isMine) return false;
    await this.#fanOut.uproot(await this.#undoer.linksOf(old));
    try {
      await this.#fanOut.run(ticket, await readContents(fs, path, slice), { sync: "disk" });
      return true;
    } catch (error) {
      if (error instanceof GoneError || isErrno(error, "ENOENT")) return false;
      if (!(error instanceof DamagedError) && !(error instanceof ForeignError)) throw error;
      await setAside(this.#room, path, `damaged: ${error.message}`, this.#warn);
      return false;
    }
  }
}
