/**
 * Setting aside: what does not belong where it lies goes to aside/, is reported, and is kept.
 *
 * Nothing there is delivered, followed or removed by anyone but a person.
 */
import { isDirectory, makeDirectory } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import type { Site } from "./site.ts";

/** Told of what was found and could not be used, one line each. */
export type Warn = (line: string) => void;

/** Where things are set aside: a queue's, a topic's, or the spool's own. */
export type AsidePlace = Pick<Site, "fs"> & {
  readonly disk: Pick<Site["disk"], "random">;
  readonly layout: Pick<Site["layout"], "aside">;
};

/** Returns where it is now; undefined where it was not there (any more). */
export async function setAside(
  site: AsidePlace,
  path: string,
  why: string,
  warn: Warn,
): Promise<string | undefined> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const unique = Math.floor(site.disk.random() * 36 ** 6).toString(36);
  const target = `${site.layout.aside}/${name.slice(0, 200)}.${unique}`;
  try {
    await site.fs.rename(path, target);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  warn(`${path}: ${why}; set aside as ${target}`);
  return target;
}

/**
 * Sees to it that a directory of ours is one, before something is renamed into it: a symbolic link at its
 * name would lead that out of the spool. Such a thing goes aside.
 */
export async function needDirectory(site: Site, path: string, warn: Warn): Promise<void> {
  if (await isDirectory(site.fs, path)) return;
  await setAside(site, path, "not a directory", warn);
  await makeDirectory(site.fs, path);
}
