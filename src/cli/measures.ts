/** The figures that `spool check` looks at, in the order in which they are said. */
import type { QueueStats } from "../stats/queue-stats.ts";
import { formatDuration } from "../units.ts";
import { count, formatSize } from "./format.ts";

export interface Measure {
  /** What its options begin with, where it has any: `--depth-warn`. */
  readonly option?: string;
  /** Its name in performance data. */
  readonly label: string;
  /** Its name in JSON, which is that of `status`. */
  readonly key: string;
  readonly unit: "" | "ms" | "B";
  /** True where little is bad. */
  readonly isFloor?: boolean;
  readonly say: (value: number) => string;
  /** True where it is worth saying although it is no trouble. */
  readonly isSaid: (value: number) => boolean;
}

export interface QueueMeasure extends Measure {
  /** Undefined where there is no such figure now. */
  readonly of: (stats: QueueStats) => number | undefined;
}

/** To the second, which the thresholds are given in; below that to the ms. */
export function formatSpan(ms: number): string {
  if (ms === 0) return "0s";
  return formatDuration(ms < 1000 ? ms : Math.floor(ms / 1000) * 1000);
}

const always = (): boolean => true;
const ifAny = (value: number): boolean => value > 0;

/** Those that live, where that was asked for: see `countLiving`. */
export const CONSUMERS: QueueMeasure = {
  option: "consumers",
  label: "consumers",
  key: "consumers",
  unit: "",
  isFloor: true,
  of: ({ consumers }) => consumers,
  isSaid: () => false,
  say: (value) => count(value, "consumer"),
};

/** What subscriptions alone have. */
export const LAGS: readonly QueueMeasure[] = [
  {
    option: "lag",
    label: "lag",
    key: "lag",
    unit: "",
    of: ({ lag }) => lag,
    isSaid: always,
    say: (value) => `lag ${value}`,
  },
  {
    option: "lag-age",
    label: "behind",
    key: "lag_ms",
    unit: "ms",
    of: ({ lagMs }) => lagMs,
    isSaid: ifAny,
    say: (value) => `behind ${formatSpan(value)}`,
  },
];

/** In the order in which they are said. */
export const MEASURES: readonly QueueMeasure[] = [
  {
    option: "depth",
    label: "ready",
    key: "ready",
    unit: "",
    of: ({ ready }) => ready,
    isSaid: always,
    say: (value) => `${value} ready`,
  },
  {
    option: "age",
    label: "oldest",
    key: "oldest_ms",
    unit: "ms",
    of: ({ oldestMs }) => oldestMs,
    isSaid: always,
    say: (value) => `oldest ${formatSpan(value)}`,
  },
  {
    label: "scheduled",
    key: "scheduled",
    unit: "",
    of: ({ scheduled }) => scheduled,
    isSaid: ifAny,
    say: (value) => `${value} scheduled`,
  },
  {
    label: "in_flight",
    key: "in_flight",
    unit: "",
    of: ({ inFlight }) => inFlight,
    isSaid: ifAny,
    say: (value) => `${value} in flight`,
  },
  {
    option: "dead",
    label: "dead",
    key: "dead",
    unit: "",
    of: ({ dead }) => dead,
    isSaid: ifAny,
    say: (value) => `${value} dead`,
  },
  ...LAGS,
  CONSUMERS,
];

export const DISK: Measure = {
  option: "disk",
  label: "free",
  key: "free_bytes",
  unit: "B",
  isFloor: true,
  isSaid: always,
  say: (value) => `${formatSize(value)} free`,
};
