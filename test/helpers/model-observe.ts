/** What is really in a queue's directory: every name, read without the engine's own readers. */
import assert from "node:assert/strict";

import type { FileSystem } from "../../src/disk/file-system.ts";
import { covers, formatSlice, parseSlice } from "../../src/message/slice.ts";
import type { Slice } from "../../src/message/slice.ts";
import { QueueLayout } from "../../src/queue/layout.ts";
import { keyOf } from "./model-queue.ts";

export interface Place {
  readonly place: "ready" | "lease" | "reclaim" | "dead";
  /** The bucket or the lease. */
  readonly directory: string;
  readonly slice: Slice;
  readonly attempts: number;
}

export interface Observed {
  readonly places: ReadonlyMap<string, Place>;
  readonly leases: ReadonlySet<string>;
  readonly locks: ReadonlySet<string>;
  readonly strays: readonly string[];
}

/**
 * Reads a queue's directory.
 *
 * @param isQuiet  false while calls are under way: then a lease may hold a half-done link.
 * @throws where a message is in two places.
 */
export function observe(fs: FileSystem, root: string, isQuiet = true): Observed {
  const layout = new QueueLayout(root);
  const places = new Map<string, Place>();
  const strays: string[] = [];
  const list = (path: string): string[] => {
    try {
      return fs.list(path) as string[];
    } catch {
      return [];
    }
  };
  const add = (place: Place["place"], directory: string, names: readonly string[]): void => {
    const slices = names.flatMap((name) => {
      const slice = parseSlice(name);
      if (slice === undefined) strays.push(`${place}/${directory}/${name}`);
      else assert.equal(formatSlice(slice), name);
      return slice ?? [];
    });
    for (const slice of slices) {
      const isHalfDone = slices.some((other) => covers(other, slice));
      if (isHalfDone && !isQuiet && (place === "lease" || place === "reclaim")) continue;
      for (let index = slice.first; index < slice.first + slice.count; index++) {
        const key = keyOf(slice.batch, index);
        const before = places.get(key);
        assert.equal(
          before && `${before.place}/${before.directory}/${formatSlice(before.slice)}`,
          undefined,
          `in two places: ${key}, also ${place}/${directory}/${formatSlice(slice)}`,
        );
        const attempts = index === slice.first ? slice.attempts : slice.restAttempts;
        places.set(key, { place, directory, slice, attempts });
      }
    }
  };
  for (const bucket of list(layout.ready)) {
    const names = list(layout.bucket(bucket));
    for (const name of names) assert.ok(name >= bucket, `${name} is before its bucket ${bucket}`);
    add("ready", bucket, names);
  }
  const leases = new Set<string>();
  const locks = new Set<string>();
  for (const name of list(layout.leases)) {
    if (name.endsWith(".lock")) locks.add(name.slice(0, -".lock".length));
    else {
      leases.add(name);
      add("lease", name, list(layout.lease(name)));
    }
  }
  for (const name of list(layout.reclaim)) {
    strays.push(`reclaim/${name}`);
    add("reclaim", name, list(layout.reclaimed(name)));
  }
  const dead = list(layout.dead);
  const letters = dead.filter((name) => !name.endsWith(".reason"));
  add("dead", "", letters);
  if (isQuiet) {
    assert.deepEqual(
      dead.filter((name) => name.endsWith(".reason")).toSorted(),
      letters.map((name) => `${name}.reason`).toSorted(),
      "each dead letter has its reason",
    );
  }
  for (const name of list(layout.tmp)) strays.push(`tmp/${name}`);
  for (const name of list(layout.aside)) strays.push(`aside/${name}`);
  return { places, leases, locks, strays };
}
