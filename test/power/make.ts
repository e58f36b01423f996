/** The places in which the workload works. That they are there is a promise, too. */
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import type { Role } from "./queue-roles.ts";

/** Longer than any run, so that keys and the log outlive the checks. */
const LONG_MS = 24 * 3600_000;

export const make: Role = async ({ spool, journal }) => {
  const queue = { ...DEFAULT_SETTINGS, dedupWindowMs: LONG_MS };
  for (const place of ["jobs", "side", "big"]) {
    await journal.tell({ what: "make", place }, () => spool.queue(place).create(queue));
  }
  const topic = await spool.topic("events");
  const kept = { ...DEFAULT_TOPIC_SETTINGS, retentionMs: LONG_MS, dedupWindowMs: LONG_MS };
  await journal.tell({ what: "make", place: "events" }, () => topic.create(kept));
  for (const name of ["all", "errors", "kept"]) {
    const settings = { ...queue, filter: name === "errors" ? "level=error" : "" };
    const call = { what: "make", place: `events/${name}` } as const;
    await journal.tell(call, () => topic.subscribe(name, { settings }));
  }
};
