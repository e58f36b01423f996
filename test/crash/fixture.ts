/** The directory of a crash test is in memory where that can be: thousands of spools are made there. */
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { test as base } from "vitest";

const MEMORY = "/dev/shm";

// oxlint-disable-next-line no-empty-pattern -- vitest wants a pattern
export const test = base.extend("dir", async ({}, { onCleanup }) => {
  const dir = await mkdtemp(join(isWritable(MEMORY) ? MEMORY : tmpdir(), "dirspool-crash-"));
  onCleanup(() => rm(dir, { recursive: true, force: true }));
  return dir;
});

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
