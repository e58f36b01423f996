/**
 * A file of settings: an object of names and values as people write them.
 *
 *   {"lease":"30s","max-attempts":5,"backoff":"1s..5m"}
 *
 * A setting that is not in the file has its default. What the file says and we do not understand is
 * an error (exit code 78), never a guess. The command line and the file are read by the same table.
 */
import { dirname } from "node:path";

import { ignore, readFile, replaceFile, syncDirectory, syncFile } from "../disk/durable.ts";
import type { Durability } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";

interface Setting<T> {
  readonly summary: string;
  readonly parse: (text: string) => Partial<T>;
  readonly format: (settings: T) => string | number;
}

/** Every setting, by the name that it has in the file, on the command line and in the docs. */
export interface SettingsTable<T> {
  readonly settings: Readonly<Record<string, Setting<T>>>;
  readonly defaults: T;
}

/** What one `name=value` changes. @throws BAD_VALUE */
export function parseSetting<T>(
  { settings }: SettingsTable<T>,
  name: string,
  value: string,
): Partial<T> {
  const setting = Object.hasOwn(settings, name) ? settings[name] : undefined;
  if (setting === undefined) {
    const known = Object.keys(settings).join(", ");
    throw new SpoolError("BAD_VALUE", `no such setting: ${name}`, `There are: ${known}.`);
  }
  try {
    return setting.parse(value);
  } catch (error) {
    if (!(error instanceof SpoolError)) throw error;
    throw new SpoolError("BAD_VALUE", `${name}: ${error.message}`, error.hint);
  }
}

/** All settings by name, as people write them. */
export function describeSettings<T>(
  table: SettingsTable<T>,
  settings: T,
): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(table.settings).map(([name, setting]) => [name, setting.format(settings)]),
  );
}

const SETTINGS_BYTES = 64 * 1024;

/** Reads the file. @throws ENOENT where it is not there; BAD_SETTINGS with the reason. */
export async function loadSettings<T>(
  disk: Durability,
  path: string,
  table: SettingsTable<T>,
): Promise<T> {
  let text: string;
  try {
    text = (await readFile(disk.fs, path, SETTINGS_BYTES)).toString();
  } catch (error) {
    if (isErrno(error, "EISDIR", "ELOOP")) throw badSettings(path, "it is not a regular file");
    throw error;
  }
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch (error) {
    throw badSettings(path, (error as Error).message);
  }
  if (typeof said !== "object" || said === null || Array.isArray(said)) {
    throw badSettings(path, "it is not a JSON object");
  }
  let settings = table.defaults;
  for (const [name, value] of Object.entries(said)) {
    if (typeof value !== "string" && typeof value !== "number") {
      throw badSettings(path, `${name}: not a string or a number`);
    }
    try {
      settings = { ...settings, ...parseSetting(table, name, String(value)) };
    } catch (error) {
      if (error instanceof SpoolError) throw badSettings(path, error.message);
      throw error;
    }
  }
  return settings;
}

function badSettings(path: string, reason: string): SpoolError {
  return new SpoolError("BAD_SETTINGS", `${path}: ${reason}`, "Mend or remove that file.");
}

/** Writes those settings that differ from the defaults. */
export async function saveSettings<T>(
  disk: Durability,
  path: string,
  table: SettingsTable<T>,
  settings: T,
  draft: string,
): Promise<void> {
  await replaceFile(disk, path, Buffer.from(textOfSettings(table, settings)), draft);
}

/** The file's text. @throws BAD_VALUE  where it would be too long to be read. */
export function textOfSettings<T>(table: SettingsTable<T>, settings: T): string {
  const defaults = describeSettings(table, table.defaults);
  const chosen = Object.entries(describeSettings(table, settings)).filter(
    ([name, value]) => value !== defaults[name],
  );
  const text = `${JSON.stringify(Object.fromEntries(chosen), undefined, 2)}\n`;
  if (Buffer.byteLength(text) > SETTINGS_BYTES) {
    throw new SpoolError("BAD_VALUE", `settings of more than ${SETTINGS_BYTES} bytes`);
  }
  return text;
}

/** Whoever made the file may be on the way to his last sync: what is said to be there has to last. */
export async function assureSettings({ fs, kind }: Durability, path: string): Promise<void> {
  const act = (): Promise<void> =>
    kind.oneSync ? syncFile(fs, path) : syncDirectory(fs, dirname(path));
  // Removed meanwhile; or no file of ours, which whoever reads it says.
  await ignore(act, "ENOENT", "ELOOP", "ENXIO", "EACCES", "EPERM");
}
