/**
 * Leases: what a living consumer holds is not taken from it before its time.
 *
 * Losing a lease too early costs a redelivery and no more, so the checker of messages allows it. Here it
 * is a violation, unless something explains it: its process was dead or stood still, its time was over,
 * the clock jumped, the power went, or a reply got lost. A consumer that was held up for long by
 * chance counts as one that stood still.
 */
import assert from "node:assert/strict";

import type { Handing, History, Hold } from "./history.ts";
import { shown } from "./shown.ts";

/** The shortest time between two signs of life (proper-lockfile's), in ms. */
const BEAT_FLOOR_MS = 1000;

/** Calls, one after the other, of what has to be done in time: a look at the lock, at the clock, a touch. */
const CALLS = 10;

interface Moment {
  readonly at: number;
  readonly atMs: number;
}

/** How late a process may have been with what it had to do. */
export function delayMs(history: History, process: string): number {
  return CALLS * (history.lives.get(process)?.longestWaitMs ?? 0);
}

const endMsOf = (history: History, process: string): number =>
  history.lives.get(process)?.endMs ?? Number.POSITIVE_INFINITY;

/** Until when this lease certainly is alive, as far as its consumers know. */
function aliveUntilMs(history: History, hold: Hold): number {
  const { style, ttlMs, sinceMs, process } = hold;
  const { tickMs } = history;
  if (style === "handed out") return handedOutUntilMs(history, hold);
  const diesMs = Math.min(endMsOf(history, process), hold.endedMs ?? Number.POSITIVE_INFINITY);
  if (style === "brief") return Math.min(diesMs, sinceMs + ttlMs - tickMs);
  const silentMs = Math.max(ttlMs / 3, BEAT_FLOOR_MS) + delayMs(history, process) + tickMs;
  return silentMs < ttlMs ? diesMs : sinceMs;
}

/**
 * Nobody but `extend` keeps it alive. An extension proves nothing where its lease may have been over
 * before: somebody may have judged so, and take it away later.
 */
function handedOutUntilMs(history: History, { ttlMs, sinceMs, extensions }: Hold): number {
  const { tickMs } = history;
  let untilMs = sinceMs + ttlMs - tickMs;
  for (const one of extensions) {
    const { beganMs, endedMs = Number.POSITIVE_INFINITY } = one;
    const thenMs = beganMs + one.forMs - tickMs - delayMs(history, one.process);
    const isAtOnce = extensions.some(
      (other) =>
        other !== one &&
        other.beganMs <= endedMs &&
        (other.endedMs ?? Number.POSITIVE_INFINITY) >= beganMs,
    );
    const isSure = endedMs < untilMs && !isAtOnce;
    untilMs = isSure ? thenMs : Math.min(untilMs, thenMs);
  }
  return untilMs;
}

/** True where nothing explains that this lease is lost at that moment. */
export function isHeldAt(history: History, hold: Hold, { at, atMs }: Moment): boolean {
  // Who extends goes by a clock that may have been read before a jump.
  const sinceMs = hold.extensions.length > 0 ? Number.NEGATIVE_INFINITY : hold.sinceMs;
  const isJumpy = history.jumpsMs.some((ms) => ms >= sinceMs && ms <= atMs);
  const isCut = history.cuts.some((cut) => cut >= hold.since && cut <= at);
  if (isJumpy || isCut || history.isReplyLost || hold.isLoose) return false;
  return aliveUntilMs(history, hold) > atMs;
}

const isGoing = (history: History, place: string): boolean =>
  history.subscriptions.some(({ name, closing }) => name === place && closing !== undefined);

/** @param handings  of each message. */
export function checkLeases(history: History, handings: ReadonlyMap<string, Handing[]>): void {
  for (const { hold, at, atMs } of history.losses) {
    if (isGoing(history, hold.place)) continue;
    const told = `${hold.process} lost its lease (${hold.style}) on ${hold.place} at ${at}`;
    assert.ok(!isHeldAt(history, hold, { at, atMs }), `${told}: nothing explains that`);
  }
  for (const [key, all] of handings) {
    for (const one of all) {
      for (const other of all) taken(history, key, one, other);
      refused(history, key, one);
    }
  }
}

/** Somebody else got what one had in hand. */
function taken(history: History, key: string, one: Handing, other: Handing): void {
  const released = Math.min(Number.POSITIVE_INFINITY, ...one.settlings.map(({ began }) => began));
  if (other.at <= one.at || other.at >= released) return;
  // Who claimed earlier may be handed what is not its own any more.
  const isLater = other.since > one.at || isHeldAt(history, other.hold, other);
  const told =
    `${shown(key)}: ${one.process} had it at ${one.at} (${one.hold.style}, ${one.hold.ttlMs} ms), ` +
    `${other.process} got it at ${other.at}, and nothing explains that`;
  assert.ok(!isLater || !isHeldAt(history, one.hold, other), told);
}

/** One that is the first to settle is told that its lease is lost. */
function refused(history: History, key: string, { hold, settlings, process, at }: Handing): void {
  for (const one of settlings) {
    const { result, began, ended, endedMs } = one;
    if (result !== "LEASE_LOST" || ended === undefined || endedMs === undefined) continue;
    const isFirst = settlings.every((other) => other === one || other.began > ended);
    if (!isFirst || isGoing(history, hold.place)) continue;
    const told = `${shown(key)}: ${process} had it at ${at}, and lost it by ${began} to ${ended}`;
    const isHeld = isHeldAt(history, hold, { at: ended, atMs: endedMs });
    assert.ok(!isHeld, `${told}: nothing explains that`);
  }
}
