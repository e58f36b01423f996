/** Which subscription a path belongs to: what a test sees of calls to the disk. */
import { NAMES, SUBSCRIPTIONS } from "./model-topic-history.ts";
import type { Name } from "./model-topic-history.ts";

const PATH =
  /\/topics\/([^/]+)\/(subscriptions|filling)\/([^/~]+)[^/]*(?:\/(ready|leases|incoming)\/(.*))?$/;

interface Place {
  readonly name: Name;
  /** Not visible to consumers yet. */
  readonly isFilling: boolean;
  readonly part: string;
  readonly rest: string;
}

/** The subscription that a path is in, or is, and the rest of the path. */
export function placeOf(path: string): Place | undefined {
  const [, directory = "", where = "", own = "", part = "", rest = ""] = PATH.exec(path) ?? [];
  const name = NAMES.find((one) => one === own);
  if (name === undefined || SUBSCRIPTIONS[name].topic.replace("*", "+") !== directory) {
    return undefined;
  }
  return { name, isFilling: where === "filling", part, rest };
}
