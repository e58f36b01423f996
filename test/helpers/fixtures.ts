/** vitest's `test` with a spool in a real temporary directory, gone when the test ends. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { test as base } from "vitest";

import { openSpool } from "../../src/spool.ts";

export const test = base
  // oxlint-disable-next-line no-empty-pattern -- vitest wants a pattern
  .extend("dir", async ({}, { onCleanup }) => {
    const dir = await mkdtemp(join(tmpdir(), "dirspool-"));
    // Who still tells what flowed makes a file meanwhile.
    onCleanup(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
    return dir;
  })
  // What flows would be told while the directory is removed.
  .extend("spool", ({ dir }) => openSpool({ dir, tellsFlow: false }))
  .extend("queue", ({ spool }) => spool.queue("jobs"));
