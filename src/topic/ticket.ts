/**
 * A ticket: the file that stands for one fan-out, and by its directory says how far that is.
 *
 *   staging/    begun: links are being made, no consumer sees them
 *   committed/  it is decided: all links will become visible
 *   aborted/    it is decided: all links will go
 *
 * Of a publish the ticket is the batch itself; of a replay, which links many batches into one
 * subscription, an empty file. Its name says all that a stranger needs to finish or to undo it:
 *
 *   <slice>.p<tag>_<process>         a publish
 *   <slice>.k<tag>_<process>         a publish with a dedup key: it can only be finished
 *   <subscription>.r<tag>_<process>  a replay
 *
 * and each link in a subscription's incoming/ is called <slice>.<tag>. The tag is an id: nobody uses it
 * twice, so a link that comes late, of a fan-out that is over, belongs to nothing and is never delivered.
 */
import { ID_PATTERN, timeOfId } from "../message/id.ts";
import { formatSlice, parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";

export type TicketKind = "publish" | "keyed" | "replay";

export interface Ticket {
  /** The name of its file. */
  readonly name: string;
  readonly kind: TicketKind;
  /** Of a publish: what it makes visible. */
  readonly slice: Slice | undefined;
  /** Of a replay: the subscription's own name. */
  readonly subscription: string | undefined;
  readonly tag: string;
  /** When it was begun, in ms since the epoch, by the disk's clock. */
  readonly beganMs: number;
  /** Who works on it. */
  readonly process: string;
}

const LETTER: Readonly<Record<TicketKind, string>> = { publish: "p", keyed: "k", replay: "r" };
const KIND: Readonly<Record<string, TicketKind>> = { p: "publish", k: "keyed", r: "replay" };

const TICKET = new RegExp(`^(.+)\\.([pkr])(${ID_PATTERN})_([^_]+)$`);
const LINK = new RegExp(`^(.+)\\.(${ID_PATTERN})$`);

export function formatTicket(
  kind: TicketKind,
  of: Slice | string,
  tag: string,
  process: string,
): Ticket {
  const subject = typeof of === "string" ? of : formatSlice(of);
  return {
    name: `${subject}.${LETTER[kind]}${tag}_${process}`,
    kind,
    slice: typeof of === "string" ? undefined : of,
    subscription: typeof of === "string" ? of : undefined,
    tag,
    beganMs: timeOfId(tag),
    process,
  };
}

/** The ticket that a name says, or undefined where it is none. */
export function parseTicket(name: string): Ticket | undefined {
  const [, subject = "", letter = "", tag = "", process = ""] = TICKET.exec(name) ?? [];
  const kind = KIND[letter];
  if (kind === undefined) return undefined;
  const slice = kind === "replay" ? undefined : parseSlice(subject);
  if (kind !== "replay" && slice === undefined) return undefined;
  return formatTicket(kind, slice ?? subject, tag, process);
}

export const formatLink = (slice: Slice, tag: string): string => `${formatSlice(slice)}.${tag}`;

export interface Link {
  readonly slice: Slice;
  readonly tag: string;
}

/** The link that a name in incoming/ says, or undefined where it is none. */
export function parseLink(name: string): Link | undefined {
  const [, sliceName = "", tag = ""] = LINK.exec(name) ?? [];
  const slice = parseSlice(sliceName);
  return slice === undefined ? undefined : { slice, tag };
}
