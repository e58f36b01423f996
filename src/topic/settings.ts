/** The settings of one topic: `topic.json`. */
import { SpoolError } from "../errors.ts";
import { atLeast } from "../queue/settings.ts";
import type { SettingsTable } from "../queue/settings-file.ts";
import { formatBytes, formatDuration, parseBytes, parseDurationMs } from "../units.ts";

export interface TopicSettings {
  /** For how long what was published is kept for replay, in ms; 0: not by age; Infinity: for ever. */
  readonly retentionMs: number;
  /** Bytes of what is kept for replay; 0: not by size. */
  readonly retentionBytes: number;
  /** Bytes of one message; a larger one is refused; 0: no limit. */
  readonly maxMessageBytes: number;
  /** Free bytes of the file system below which a publish is refused; 0: no limit. */
  readonly minFreeBytes: number;
  /** Time to live of a message that brings none, in ms; 0: for ever. */
  readonly ttlMs: number;
  /** For how long at least a dedup key is remembered, in ms. */
  readonly dedupWindowMs: number;
}

export const DEFAULT_TOPIC_SETTINGS: TopicSettings = {
  retentionMs: 0,
  retentionBytes: 0,
  maxMessageBytes: 0,
  minFreeBytes: 0,
  ttlMs: 0,
  dedupWindowMs: 300_000,
};

const FOREVER = "forever";

function parseRetention(text: string): number {
  if (text === FOREVER) return Number.POSITIVE_INFINITY;
  try {
    return parseDurationMs(text);
  } catch (error) {
    if (!(error instanceof SpoolError)) throw error;
    const hint = `${error.hint} Or forever; for a size there is retention-bytes.`;
    throw new SpoolError("BAD_VALUE", error.message, hint);
  }
}

export const TOPIC_SETTINGS: SettingsTable<TopicSettings> = {
  settings: {
    retention: {
      summary: "how long messages are kept for replay: a time, or forever (0: not by age)",
      parse: (text) => ({ retentionMs: parseRetention(text) }),
      format: ({ retentionMs }) =>
        Number.isFinite(retentionMs) ? formatDuration(retentionMs) : FOREVER,
    },
    "retention-bytes": {
      summary: "how many bytes are kept for replay; with retention: whichever is less (0: any)",
      parse: (text) => ({ retentionBytes: parseBytes(text) }),
      format: ({ retentionBytes }) => formatBytes(retentionBytes),
    },
    "max-message": {
      summary: "the largest message (0: no limit)",
      parse: (text) => ({ maxMessageBytes: parseBytes(text) }),
      format: ({ maxMessageBytes }) => formatBytes(maxMessageBytes),
    },
    "min-free": {
      summary: "free disk below which a publish is refused (0: no limit)",
      parse: (text) => ({ minFreeBytes: parseBytes(text) }),
      format: ({ minFreeBytes }) => formatBytes(minFreeBytes),
    },
    ttl: {
      summary: "time to live of a message that brings none (0: for ever)",
      parse: (text) => ({ ttlMs: parseDurationMs(text) }),
      format: ({ ttlMs }) => formatDuration(ttlMs),
    },
    "dedup-window": {
      summary: "for how long at least a dedup key is remembered",
      parse: (text) => ({ dedupWindowMs: atLeast(1000, parseDurationMs(text), text) }),
      format: ({ dedupWindowMs }) => formatDuration(dedupWindowMs),
    },
  },
  defaults: DEFAULT_TOPIC_SETTINGS,
};

/** True where a topic keeps what was delivered. */
export const keepsLog = ({ retentionMs, retentionBytes }: TopicSettings): boolean =>
  retentionMs > 0 || retentionBytes > 0;
