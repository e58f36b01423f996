/** What is typed behind a `:`. Pure. */
import { SpoolError } from "../errors.ts";
import { formatDuration, parseDurationMs } from "../units.ts";
import { COLUMNS } from "./columns.ts";
import { THEME_NAMES } from "./theme.ts";
import type { Next, Ui } from "./ui-state.ts";

/** Looking more often than this is no use, in ms. */
export const LEAST_INTERVAL_MS = 100;

type Run = (ui: Ui, words: string) => Next;

const noted = (ui: Ui, note: string): Next => ({ ui: { ...ui, note } });

const COMMANDS: Readonly<Record<string, Run>> = {
  q: (ui) => ({ ui, effect: "quit" }),
  quit: (ui) => ({ ui, effect: "quit" }),
  help: (ui) => ({ ui: { ...ui, mode: "help", menuAt: 0 } }),
  filter: (ui, filter) => ({ ui: { ...ui, filter } }),
  sort: (ui, word) => {
    const wanted = word.toLowerCase();
    const column = COLUMNS.find(
      ({ key, title }) => key === wanted || title.toLowerCase() === wanted,
    );
    if (column === undefined) {
      return noted(ui, `:sort is followed by one of ${COLUMNS.map(({ key }) => key).join(" ")}`);
    }
    return { ui: { ...ui, sort: column.key, isReversed: false } };
  },
  theme: (ui, word) => {
    const theme = THEME_NAMES.find((name) => name === word);
    if (theme === undefined)
      return noted(ui, `:theme is followed by one of ${THEME_NAMES.join(" ")}`);
    return { ui: { ...ui, theme } };
  },
  interval: (ui, word) => {
    try {
      const intervalMs = parseDurationMs(word);
      if (intervalMs >= LEAST_INTERVAL_MS) return { ui: { ...ui, intervalMs } };
      return noted(ui, `:interval is ${formatDuration(LEAST_INTERVAL_MS)} at the least`);
    } catch (error) {
      if (!(error instanceof SpoolError)) throw error;
      return noted(ui, `${error.message}: give it like 5s or 500ms`);
    }
  },
};

export function runCommand(ui: Ui, text: string): Next {
  const [, name = "", words = ""] = /^\s*(\S*)\s*(.*?)\s*$/.exec(text) ?? [];
  if (name === "") return { ui };
  const run = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return (
    run?.(ui, words) ??
    noted(ui, `no such command: ${name}; there are ${Object.keys(COMMANDS).join(" ")}`)
  );
}
