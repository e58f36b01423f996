/**
 * Variants of a run: what it does besides, or otherwise. A run is one of these by its seed alone, and what it
 * draws for that comes from a stream of its own: so adding one leaves the runs of all other seeds as they were.
 */
import type { QueueSettings } from "../../src/queue/settings.ts";
import { chance } from "../helpers/model-chance.ts";
import { JOBS } from "./jobs.ts";
import type { Job } from "./jobs.ts";
import { LEASES, PATIENT } from "./lease-jobs.ts";
import type { Dangers, Pace } from "./dangers.ts";
import { MANY_IN_HAND } from "./prefetch-jobs.ts";
import { SETTING, SMALL_FILES } from "./settings-jobs.ts";

export interface Variant {
  /** Of the machine, and of the disk's clock; undefined: any. */
  readonly pace: Pace | undefined;
  readonly tickMs: number | undefined;
  readonly jobs: readonly Job[];
  readonly dangers: Partial<Dangers>;
  /** The disk is a shared one, in any case. */
  readonly isShared: boolean;
  readonly settings: Partial<QueueSettings>;
  /** Undefined: for longer than any run. */
  readonly dedupWindowMs: number | undefined;
  /** By how much hosts' own clocks may be off, in ms. */
  readonly hostSkewMs: number;
  /** Receipts are handed out as `take --lease` does it. */
  readonly isOrderly: boolean;
  /** Settings and reasons are read in the end. */
  readonly isRead: boolean;
}

const PLAIN: Variant = {
  pace: undefined,
  tickMs: undefined,
  jobs: JOBS,
  dangers: {},
  isShared: false,
  settings: {},
  dedupWindowMs: undefined,
  hostSkewMs: 0,
  isOrderly: false,
  isRead: false,
};

/** Without these, what is lost, taken away or counted has one explanation less. */
const PEACE: Partial<Dangers> = { powerCut: 0, jump: 0, lostReply: 0 };

const TWO_MINUTES_MS = 120_000;

/** Modulo 16: those that are no variant. */
const PLAIN_SEEDS = new Set([0, 2, 3, 6, 9, 10, 12, 13, 14]);

/** The same: of those whose consumers may have many messages in hand. */
const MANY_SEEDS = new Set([4, 5, 7, 8, 11]);

/** Those on a network that loses many replies: with one of a hundred lost, hardly a run met any. */
const LOSSY_SEEDS = new Set([1, 7]);
const LOST_REPLIES = [0.03, 0.1, 0.3];

export function variantOf(seed: number): Variant {
  if (PLAIN_SEEDS.has(seed % 16)) return PLAIN;
  const random = chance(seed ^ 0x5eed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const isWindowed = random() < 0.3;
  const kill = pick([0.002, 0.01, 0.03]);
  const isPeaceful = random() < 0.6;
  const peace = isPeaceful
    ? { ...PEACE, kill, stop: pick([0, 0, 0.003]) }
    : { powerCut: pick([0.002, 0.01, 0.03]) };
  const all = [...JOBS, ...SETTING, ...PATIENT];
  const some = pick([all, isPeaceful ? LEASES : SMALL_FILES]);
  const jobs = MANY_SEEDS.has(seed % 16) ? [...some, ...MANY_IN_HAND, ...MANY_IN_HAND] : some;
  // A jump before a lease was made explains nothing.
  const jump = isPeaceful && !isWindowed ? { jump: pick([0, 0.0007]) } : {};
  const swift = { swap: pick([0.3, 0.7]), callMs: pick([0.02, 0.3]) };
  const isShared = LOSSY_SEEDS.has(seed % 16);
  return {
    pace: isPeaceful ? swift : undefined,
    tickMs: isPeaceful ? pick([1, 4]) : undefined,
    jobs,
    dangers: {
      ...peace,
      ...jump,
      ...(isWindowed ? { jump: 0 } : {}),
      ...(isShared ? { lostReply: LOST_REPLIES[Math.floor(seed / 16) % 3]! } : {}),
    },
    isShared,
    settings: { maxAttempts: pick([0, 1, 1, 3]), leaseMs: pick([2000, 5000, 30_000]) },
    dedupWindowMs: isWindowed ? TWO_MINUTES_MS : undefined,
    hostSkewMs: pick([0, -3600_000, 3600_000]),
    isOrderly: true,
    isRead: true,
  };
}
