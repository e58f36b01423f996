/**
 * Setting aside: what does not belong where it lies goes to aside/, is reported, and is kept.
 *
 * Nothing there is delivered, followed or removed by anyone but a person.
 */
import { dirname } from "node:path";

import { ignore, isDirectory, makeDirectory, syncDirectory } from "../disk/durable.ts";
import { SpoolError } from "../errors.ts";
import type { Site } from "./site.ts";

/** Told of what was found and could not be used, one line each. */
export type Warn = (line: string) => void;

/** Where things are set aside: a queue's, a topic's, or the spool's own. */
export type AsidePlace = Pick<Site, "fs"> & {
  readonly disk: Pick<Site["disk"], "random" | "kind">;
  readonly layout: Pick<Site["layout"], "aside">;
};

/** Returns where it is now; undefined where it was not there (any more). */
export async function setAside(
  site: AsidePlace,
  path: string,
  why: string,
  warn: Warn,
): Promise<string | undefined> {
  const name = shortened(path.slice(path.lastIndexOf("/") + 1));
  const unique = Math.floor(site.disk.random() * 36 ** 6).toString(36);
  const target = `${site.layout.aside}/${name}.${unique}`;
  if (!(await moveAside(site, path, target))) return undefined;
  warn(`${path}: ${why}; set aside as ${target}`);
  return target;
}

/** A name's 255 bytes must do for what is put behind it, too. */
function shortened(name: string): string {
  let short = name.slice(0, 200);
  while (Buffer.byteLength(short) > 200) short = short.slice(0, -1);
  return short;
}

/** False where it was not there. */
async function moveAside({ fs, disk, layout }: AsidePlace, path: string, target: string) {
  const move = (): Promise<boolean> => ignore(() => fs.rename(path, target), "ENOENT");
  if (await move()) return true;
  // It may be aside/ that is not there, as after a backup without empty directories.
  let isMade = false;
  await ignore(async () => {
    isMade = await makeDirectory(fs, layout.aside);
    // What goes into it must not get lost with it.
    if (!disk.kind.ordered) await syncDirectory(fs, dirname(layout.aside));
  }, "ENOENT");
  return isMade && move();
}

/**
 * Sees to it that a directory of ours is one, before something is renamed into it: a symbolic link at its
 * name would lead that out of the spool. Such a thing goes aside.
 */
export async function needDirectory(site: Site, path: string, warn: Warn): Promise<void> {
  if (await isDirectory(site.fs, path)) return;
  await setAside(site, path, "not a directory", warn);
  if (!(await makeDirectory(site.fs, path)) && !(await isDirectory(site.fs, path))) {
    throw new SpoolError("IO", `${path}: not a directory`, "Look at it and remove it.");
  }
  // What goes into it must not get lost with it.
  if (!site.disk.kind.ordered) await syncDirectory(site.fs, dirname(path));
}
