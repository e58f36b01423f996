/**
 * The settings of one queue: `queue.json`, an object of names and values as people write them.
 *
 *   {"lease":"30s","max-attempts":5,"backoff":"1s..5m"}
 *
 * A setting that is not in the file has its default. What the file says and we do not understand is
 * an error (exit code 78), never a guess. Both the command line and the file are read by this table.
 */
import { SpoolError } from "../errors.ts";
import { parseFilter } from "../message/filter.ts";
import { formatBytes, formatDuration, parseBytes, parseCount, parseDurationMs } from "../units.ts";
import type { SettingsTable } from "./settings-file.ts";

export interface QueueSettings {
  /** How long a claim lasts without a sign of life, in ms. */
  readonly leaseMs: number;
  /** Attempts before a message is a dead letter; 0: no limit. */
  readonly maxAttempts: number;
  /** Delay before the first retry, in ms; doubled for each further one. */
  readonly backoffBaseMs: number;
  /** The longest delay before a retry, in ms. */
  readonly backoffCapMs: number;
  /** Messages ready and scheduled above which a put is refused; 0: no limit. */
  readonly maxDepth: number;
  /** Payload bytes ready and scheduled above which a put is refused; 0: no limit. */
  readonly maxBytes: number;
  /** Free bytes of the file system below which a put is refused; 0: no limit. */
  readonly minFreeBytes: number;
  /** What a put past a limit does. */
  readonly overflow: "reject" | "wait";
  /** Bytes of one message; a larger one is refused; 0: no limit. */
  readonly maxMessageBytes: number;
  /** Time to live of a message that brings none, in ms; 0: for ever. */
  readonly ttlMs: number;
  /** What becomes of an expired message. */
  readonly expired: "drop" | "dead";
  /** For how long at least a dedup key is remembered, in ms. */
  readonly dedupWindowMs: number;
  /** Consumers get nothing, for now. */
  readonly isPaused: boolean;
  /** Of a subscription: which messages it gets, by their headers; empty: all. */
  readonly filter: string;
}

export const DEFAULT_SETTINGS: QueueSettings = {
  leaseMs: 30_000,
  maxAttempts: 5,
  backoffBaseMs: 1000,
  backoffCapMs: 300_000,
  maxDepth: 0,
  maxBytes: 0,
  minFreeBytes: 0,
  overflow: "reject",
  maxMessageBytes: 0,
  ttlMs: 0,
  expired: "drop",
  dedupWindowMs: 300_000,
  isPaused: false,
  filter: "",
};

/** @throws BAD_VALUE */
export function atLeast(minimum: number, value: number, said: string): number {
  if (value < minimum) throw new SpoolError("BAD_VALUE", `too small: ${said}`);
  return value;
}

function oneOf<T extends string>(text: string, ...allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) {
    throw new SpoolError("BAD_VALUE", `not one of ${allowed.join(", ")}: ${JSON.stringify(text)}`);
  }
  return found;
}

function parseBackoff(text: string): Partial<QueueSettings> {
  const [base = "", cap = base] = text.split("..");
  const backoffBaseMs = parseDurationMs(base);
  const backoffCapMs = parseDurationMs(cap);
  if (backoffCapMs < backoffBaseMs) {
    throw new SpoolError("BAD_VALUE", `the cap is below the base: ${text}`);
  }
  return { backoffBaseMs, backoffCapMs };
}

/** Every setting, by the name that it has in queue.json, in `queue set` and in docs/settings.md. */
const SETTINGS: SettingsTable<QueueSettings>["settings"] = {
  lease: {
    summary: "how long a claim lasts without a sign of life",
    parse: (text) => ({ leaseMs: atLeast(1, parseDurationMs(text), text) }),
    format: (settings) => formatDuration(settings.leaseMs),
  },
  "max-attempts": {
    summary: "attempts before a message is a dead letter (0: no limit)",
    parse: (text) => ({ maxAttempts: parseCount(text) }),
    format: (settings) => settings.maxAttempts,
  },
  backoff: {
    summary: "delay before the first retry .. the longest; it doubles each time",
    parse: parseBackoff,
    format: (settings) =>
      `${formatDuration(settings.backoffBaseMs)}..${formatDuration(settings.backoffCapMs)}`,
  },
  "max-depth": {
    summary: "messages waiting above which a put is refused (0: no limit)",
    parse: (text) => ({ maxDepth: parseCount(text) }),
    format: (settings) => settings.maxDepth,
  },
  "max-bytes": {
    summary: "payload bytes waiting above which a put is refused (0: no limit)",
    parse: (text) => ({ maxBytes: parseBytes(text) }),
    format: (settings) => formatBytes(settings.maxBytes),
  },
  "min-free": {
    summary: "free disk below which a put is refused (0: no limit)",
    parse: (text) => ({ minFreeBytes: parseBytes(text) }),
    format: (settings) => formatBytes(settings.minFreeBytes),
  },
  overflow: {
    summary: "what a put past a limit does: reject or wait",
    parse: (text) => ({ overflow: oneOf(text, "reject", "wait") }),
    format: (settings) => settings.overflow,
  },
  "max-message": {
    summary: "the largest message (0: no limit)",
    parse: (text) => ({ maxMessageBytes: parseBytes(text) }),
    format: (settings) => formatBytes(settings.maxMessageBytes),
  },
  ttl: {
    summary: "time to live of a message that brings none (0: for ever)",
    parse: (text) => ({ ttlMs: parseDurationMs(text) }),
    format: (settings) => formatDuration(settings.ttlMs),
  },
  expired: {
    summary: "what becomes of an expired message: drop or dead",
    parse: (text) => ({ expired: oneOf(text, "drop", "dead") }),
    format: (settings) => settings.expired,
  },
  "dedup-window": {
    summary: "for how long at least a dedup key is remembered",
    parse: (text) => ({ dedupWindowMs: atLeast(1000, parseDurationMs(text), text) }),
    format: (settings) => formatDuration(settings.dedupWindowMs),
  },
  paused: {
    summary: "yes: consumers get nothing, until it is no",
    parse: (text) => ({ isPaused: oneOf(text, "yes", "no") === "yes" }),
    format: (settings) => (settings.isPaused ? "yes" : "no"),
  },
};

export const QUEUE_SETTINGS: SettingsTable<QueueSettings> = {
  settings: SETTINGS,
  defaults: DEFAULT_SETTINGS,
};

/** A subscription is a queue that may choose what it gets. */
export const SUBSCRIPTION_SETTINGS: SettingsTable<QueueSettings> = {
  settings: {
    ...SETTINGS,
    filter: {
      summary: "the messages it gets, like level=error,app^=web",
      parse: (text) => {
        parseFilter(text);
        return { filter: text };
      },
      format: (settings) => settings.filter,
    },
  },
  defaults: DEFAULT_SETTINGS,
};

/** Delay before the retry after `attempts` attempts: doubling, capped, half of it by chance. */
export function backoffMs(settings: QueueSettings, attempts: number, random: () => number): number {
  const doubled = settings.backoffBaseMs * 2 ** Math.min(attempts - 1, 40);
  return Math.round(Math.min(settings.backoffCapMs, doubled) * (0.5 + random() / 2));
}
