/**
 * Setting aside: what does not belong where it lies goes to aside/, is reported, and is kept.
 *
 * Nothing there is delivered, followed or removed by anyone but a person.
 */
import { isErrno } from "../errors.ts";
import type { Site } from "./site.ts";

/** Told of what was found and could not be used, one line each. */
export type Warn = (line: string) => void;

export async function setAside(site: Site, path: string, why: string, warn: Warn): Promise<void> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const unique = Math.floor(site.disk.random() * 36 ** 6).toString(36);
  const target = `${site.layout.aside}/${name.slice(0, 200)}.${unique}`;
  try {
    await site.fs.rename(path, target);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw error;
  }
  warn(`${path}: ${why}; set aside as ${target}`);
}
