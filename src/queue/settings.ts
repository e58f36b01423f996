/**
 * The settings of one queue: `queue.json`, an object of names and values as people write them.
 *
 *   {"lease":"30s","max-attempts":5,"backoff":"1s..5m"}
 *
 * A setting that is not in the file has its default. What the file says and we do not understand is
 * an error (exit code 78), never a guess. Both the command line and the file are read by this table.
 */
import { readFile, replaceFile } from "../disk/durable.ts";
import type { Durability } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { formatBytes, formatDuration, parseBytes, parseCount, parseDurationMs } from "../units.ts";

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
};

interface Setting {
  readonly summary: string;
  readonly parse: (text: string) => Partial<QueueSettings>;
  readonly format: (settings: QueueSettings) => string | number;
}

function atLeast(minimum: number, value: number, said: string): number {
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
export const SETTINGS: Readonly<Record<string, Setting>> = {
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
};

/** What one `name=value` changes. @throws BAD_VALUE */
export function parseSetting(name: string, value: string): Partial<QueueSettings> {
  const setting = Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined;
  if (setting === undefined) {
    const known = Object.keys(SETTINGS).join(", ");
    throw new SpoolError("BAD_VALUE", `no such setting: ${name}`, `There are: ${known}.`);
  }
  try {
    return setting.parse(value);
  } catch (error) {
    if (!(error instanceof SpoolError)) throw error;
    throw new SpoolError("BAD_VALUE", `${name}: ${error.message}`, error.hint);
  }
}

/** All settings by name, as people write them. */
export function describeSettings(settings: QueueSettings): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(SETTINGS).map(([name, setting]) => [name, setting.format(settings)]),
  );
}

/** Delay before the retry after `attempts` attempts: doubling, capped, half of it by chance. */
export function backoffMs(settings: QueueSettings, attempts: number, random: () => number): number {
  const doubled = settings.backoffBaseMs * 2 ** Math.min(attempts - 1, 40);
  return Math.round(Math.min(settings.backoffCapMs, doubled) * (0.5 + random() / 2));
}

const SETTINGS_BYTES = 64 * 1024;

/** Reads queue.json. @throws ENOENT where the queue is not there; BAD_SETTINGS with the reason. */
export async function loadSettings(disk: Durability, path: string): Promise<QueueSettings> {
  let text: string;
  try {
    text = (await readFile(disk.fs, path, SETTINGS_BYTES)).toString();
  } catch (error) {
    if (isErrno(error, "EISDIR", "ELOOP")) throw badSettings(path, "it is not a regular file");
    throw error;
  }
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch (error) {
    throw badSettings(path, (error as Error).message);
  }
  if (typeof said !== "object" || said === null || Array.isArray(said)) {
    throw badSettings(path, "it is not a JSON object");
  }
  let settings = DEFAULT_SETTINGS;
  for (const [name, value] of Object.entries(said)) {
    if (typeof value !== "string" && typeof value !== "number") {
      throw badSettings(path, `${name}: not a string or a number`);
    }
    try {
      settings = { ...settings, ...parseSetting(name, String(value)) };
    } catch (error) {
      if (error instanceof SpoolError) throw badSettings(path, error.message);
      throw error;
    }
  }
  return settings;
}

function badSettings(path: string, reason: string): SpoolError {
  return new SpoolError("BAD_SETTINGS", `${path}: ${reason}`, "Mend or remove that file.");
}

/** Writes those settings that differ from the defaults. */
export async function saveSettings(
  disk: Durability,
  path: string,
  settings: QueueSettings,
  draft: string,
): Promise<void> {
  const defaults = describeSettings(DEFAULT_SETTINGS);
  const chosen = Object.entries(describeSettings(settings)).filter(
    ([name, value]) => value !== defaults[name],
  );
  const text = `${JSON.stringify(Object.fromEntries(chosen), undefined, 2)}\n`;
  await replaceFile(disk, path, Buffer.from(text), draft);
}
