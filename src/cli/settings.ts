/** Settings on the command line: `name=value`, in help, and as `show` prints them. */
import { SpoolError } from "../errors.ts";
import { describeSettings, parseSetting } from "../queue/settings-file.ts";
import type { SettingsTable } from "../queue/settings-file.ts";
import type { Context, GlobalOptions } from "./context.ts";
import { plain, table } from "./format.ts";

export function settingsHelp<T>(settings: SettingsTable<T>): string {
  const defaults = describeSettings(settings, settings.defaults);
  const lines = Object.entries(settings.settings).map(
    ([name, { summary }]) => `  ${name.padEnd(16)} ${summary} [${defaults[name]}]`,
  );
  return `\nSettings:\n${lines.join("\n")}`;
}

/** What words like `max-attempts=3` change. @throws USAGE, BAD_VALUE */
export function parseWords<T>(settings: SettingsTable<T>, words: readonly string[]): Partial<T> {
  let change: Partial<T> = {};
  for (const word of words) {
    const at = word.indexOf("=");
    if (at < 1) {
      throw new SpoolError("USAGE", `not a setting: ${word}`, "Give it like max-attempts=3.");
    }
    change = { ...change, ...parseSetting(settings, word.slice(0, at), word.slice(at + 1)) };
  }
  return change;
}

/** @param of  what JSON starts with: whose settings these are. */
export async function showSettings<T>(
  context: Context,
  options: GlobalOptions,
  of: Readonly<Record<string, string>>,
  settings: SettingsTable<T>,
  values: T,
): Promise<void> {
  const described = describeSettings(settings, values);
  const output = context.outputOf(options);
  if (output === "json") {
    await context.write(`${JSON.stringify({ ...of, ...described })}\n`);
    return;
  }
  const rows = Object.entries(described).map(([key, value]) => [key, String(value)]);
  await context.write((output === "plain" ? plain : table)(["SETTING", "VALUE"], rows));
}
