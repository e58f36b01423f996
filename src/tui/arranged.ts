/** The rows of the main list, kept: sorting thousands of them takes longer than drawing fifty. */
import type { Sample } from "../stats/sample.ts";
import { totalsOf } from "../stats/topic-summary.ts";
import type { Totals } from "../stats/topic-summary.ts";
import { arrange } from "./tree.ts";
import type { Arrangement, Row } from "./tree.ts";

export interface List {
  readonly rows: readonly Row[];
  readonly longestName: number;
  readonly totals: Totals;
  /** The subscriptions of each topic. */
  readonly members: ReadonlyMap<string, readonly string[]>;
}

export class Arranged {
  #of: readonly unknown[] = [];
  #list: List | undefined;

  /** @param version  another one where the samples are others. */
  of(samples: ReadonlyMap<string, Sample>, how: Arrangement, version: number): List {
    const of = [how.sort, how.isReversed, how.filter, how.folded, samples, version];
    if (this.#list !== undefined && of.every((one, index) => one === this.#of[index])) {
      return this.#list;
    }
    this.#of = of;
    const rows = arrange(samples, how);
    const longestName = rows.reduce((most, { name }) => Math.max(most, name.length + 2), 0);
    const members = Map.groupBy(
      [...samples.values()].filter(({ kind }) => kind === "subscription").map(({ name }) => name),
      (name) => name.slice(0, name.indexOf("/")),
    );
    this.#list = { rows, longestName, members, totals: totalsOf(samples.values()) };
    return this.#list;
  }
}
