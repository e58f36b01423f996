/**
 * What is published, by topic: the inflow of all of its subscriptions, who are not told of it one by one.
 *
 * A pattern's subscriptions get what is published to each topic that it matches.
 */
import { isPattern, matchesTopic, pathOfTopic } from "../names.ts";
import type { Spool } from "../spool.ts";
import { FlowReader, recentFlow } from "./flow-reader.ts";

interface Known {
  readonly reader: FlowReader;
  /** Of what was read last, in ms; by the clock that the caller has. */
  lookedAtMs: number;
}

export class TopicFlows {
  readonly #spool: Spool;
  readonly #known = new Map<string, Known>();
  #topics: readonly string[] = [];

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** All topics that there are, patterns not included. */
  setTopics(names: readonly string[]): void {
    this.#topics = names;
    const there = new Set(names);
    for (const name of this.#known.keys()) if (!there.has(name)) this.#known.delete(name);
  }

  /** Messages a second that are published; null where nobody has ever told. */
  perSecond(topic: string, nowMs: number, seconds: number): number | null {
    const topics = isPattern(topic)
      ? this.#topics.filter((name) => matchesTopic(topic, name))
      : [topic];
    const rates = topics.map((name) => this.#of(name, nowMs, seconds));
    const known = rates.filter((rate) => rate !== null);
    return known.length === 0 && rates.length > 0
      ? null
      : known.reduce((sum, rate) => sum + rate, 0);
  }

  #of(topic: string, nowMs: number, seconds: number): number | null {
    let known = this.#known.get(topic);
    if (known === undefined) {
      const directory = `${this.#spool.dir}/${pathOfTopic(topic)}/flow`;
      known = { reader: new FlowReader(directory, recentFlow(nowMs)), lookedAtMs: 0 };
      this.#known.set(topic, known);
    }
    // Twenty subscriptions ask one after the other.
    if (Math.abs(nowMs - known.lookedAtMs) > 200) {
      known.reader.look(nowMs);
      known.lookedAtMs = nowMs;
    }
    return known.reader.hasAny ? known.reader.perSecond(nowMs, seconds).in : null;
  }
}
