/** Dedup keys whose time is over. */
import { ignore, listIfThere } from "../disk/durable.ts";
import type { Site } from "./site.ts";

/** Epochs that are there while keys are put: this one, the next, and some that may be forgotten. */
const EPOCHS = 5;

/** Forgets old keys now and then, so that a queue without `gc` does not keep them for ever. */
export async function tidy(site: Site, windowMs: number): Promise<void> {
  if ((await listIfThere(site.fs, site.layout.dedup)).length < EPOCHS) return;
  await forgetKeys(site, windowMs, await site.now());
}

/** Removes the epochs that no put looks at any more. Returns how many markers went. */
export async function forgetKeys(site: Site, windowMs: number, nowMs: number): Promise<number> {
  const { fs, layout } = site;
  // An epoch later than needed: a writer may be late.
  const oldestMs = nowMs - 3 * windowMs;
  let forgotten = 0;
  for (const epoch of await listIfThere(fs, layout.dedup)) {
    if (!/^\d+$/.test(epoch) || Number(epoch) >= oldestMs) continue;
    const directory = `${layout.dedup}/${epoch}`;
    for (const name of await listIfThere(fs, directory)) {
      if (await ignore(() => fs.unlink(`${directory}/${name}`), "ENOENT")) forgotten++;
    }
    await ignore(() => fs.rmdir(directory), "ENOENT", "ENOTEMPTY");
  }
  return forgotten;
}
