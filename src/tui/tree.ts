/** The rows of the main list, in order: queues and topics, and under each topic its subscriptions. Pure. */
import { rowKey } from "../stats/sample.ts";
import type { Sample } from "../stats/sample.ts";
import { topicSample } from "../stats/topic-summary.ts";
import { columnOf } from "./columns.ts";
import type { ColumnKey } from "./columns.ts";

export interface Row {
  readonly key: string;
  readonly sample: Sample;
  /** As it is shown: a subscription under its topic by its own name. */
  readonly name: string;
  /** Of a topic with subscriptions: whether they are hidden. */
  readonly isFolded?: boolean;
  /** Of a subscription under its topic: the topic's key. */
  readonly parent?: string;
}

export interface Arrangement {
  readonly sort: ColumnKey;
  readonly isReversed: boolean;
  readonly filter: string;
  /** Keys of topics. */
  readonly folded: ReadonlySet<string>;
}

interface Group {
  readonly sample: Sample;
  readonly members: readonly Sample[];
}

export function arrange(
  samples: ReadonlyMap<string, Sample>,
  { sort, isReversed, filter, folded }: Arrangement,
): Row[] {
  const compare = comparer(sort, isReversed);
  const matches = matcher(filter);
  const rows: Row[] = [];
  const groups = groupsOf(samples).toSorted((one, other) => compare(one.sample, other.sample));
  for (const { sample, members } of groups) {
    const key = rowKey(sample);
    const shown = members.filter(({ name }) => matches(name));
    if (shown.length === 0 && !matches(sample.name)) continue;
    const isFolded = folded.has(key);
    rows.push({ key, sample, name: sample.name, ...(members.length > 0 ? { isFolded } : {}) });
    if (isFolded) continue;
    for (const member of shown.toSorted(compare)) {
      const name = member.name.slice(member.name.indexOf("/") + 1);
      rows.push({ key: member.name, sample: member, name, parent: key });
    }
  }
  return rows;
}

function groupsOf(samples: ReadonlyMap<string, Sample>): Group[] {
  const groups: Group[] = [];
  const members = new Map<string, Sample[]>();
  for (const sample of samples.values()) {
    if (sample.kind === "topic" || sample.kind === "pattern") members.set(sample.name, []);
  }
  for (const sample of samples.values()) {
    if (sample.kind === "queue") groups.push({ sample, members: [] });
    if (sample.kind !== "subscription") continue;
    const topic = members.get(sample.name.slice(0, sample.name.indexOf("/")));
    // Who asked for this subscription alone has not asked for its topic.
    if (topic === undefined) groups.push({ sample, members: [] });
    else topic.push(sample);
  }
  for (const sample of samples.values()) {
    const { name, kind, inPerS, atMs } = sample;
    if (kind !== "topic" && kind !== "pattern") continue;
    const own = members.get(name)!;
    const newestMs = own.reduce((newest, one) => Math.max(newest, one.atMs), atMs);
    groups.push({ sample: topicSample(name, kind, inPerS, own, newestMs), members: own });
  }
  return groups;
}

function comparer(sort: ColumnKey, isReversed: boolean) {
  const { order, isDescending = false } = columnOf(sort);
  const sign = isDescending === isReversed ? 1 : -1;
  return (one: Sample, other: Sample): number => {
    const [left, right] = [order(one), order(other)];
    // Whatever the direction: what nobody knows is no smallest and no largest.
    if (left === undefined || right === undefined) {
      if (left !== right) return left === undefined ? 1 : -1;
    } else if (left !== right) return left < right ? -sign : sign;
    return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
  };
}

/** Words that all have to be in the name, in either case; `!word` must not be. */
function matcher(filter: string): (name: string) => boolean {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "" && word !== "!");
  return (name) => {
    const lower = name.toLowerCase();
    return words.every((word) =>
      word.startsWith("!") ? !lower.includes(word.slice(1)) : lower.includes(word),
    );
  };
}
