/**
 * What the keys do: one table, of which the screen, its help and docs/top.md are made.
 *
 * A key is named as it is typed; those that are not a character by a word.
 */

export type Act =
  | "up"
  | "down"
  | "pageUp"
  | "pageDown"
  | "halfUp"
  | "halfDown"
  | "first"
  | "last"
  | "fold"
  | "unfold"
  | "toggle"
  | "filter"
  | "clear"
  | "sortMenu"
  | "sortLeft"
  | "sortRight"
  | "reverse"
  | "mark"
  | "faster"
  | "slower"
  | "freeze"
  | "theme"
  | "wide"
  | "command"
  | "help"
  | "suspend"
  | "quit";

export interface Binding {
  readonly keys: readonly string[];
  readonly act: Act;
  readonly help: string;
}

export const BINDINGS: readonly Binding[] = [
  { keys: ["up", "k"], act: "up", help: "one row up" },
  { keys: ["down", "j"], act: "down", help: "one row down" },
  { keys: ["pageup"], act: "pageUp", help: "one screen up" },
  { keys: ["pagedown"], act: "pageDown", help: "one screen down" },
  { keys: ["ctrl-u"], act: "halfUp", help: "half a screen up" },
  { keys: ["ctrl-d"], act: "halfDown", help: "half a screen down" },
  { keys: ["g", "home"], act: "first", help: "the first row" },
  { keys: ["G", "end"], act: "last", help: "the last row" },
  { keys: ["enter"], act: "toggle", help: "fold or unfold a topic's subscriptions" },
  { keys: ["left", "h"], act: "fold", help: "fold the topic, also from its subscriptions" },
  { keys: ["right", "l"], act: "unfold", help: "unfold the topic" },
  { keys: ["/"], act: "filter", help: "show the names with these words; !word: without it" },
  { keys: ["esc"], act: "clear", help: "no filter any more; then: no marks any more" },
  { keys: ["s"], act: "sortMenu", help: "choose the column to sort by" },
  { keys: ["<"], act: "sortLeft", help: "sort by the column to the left" },
  { keys: [">"], act: "sortRight", help: "sort by the column to the right" },
  { keys: ["r"], act: "reverse", help: "the other way round" },
  {
    keys: ["space"],
    act: "mark",
    help: "mark the row, or no more; below are the sums of the marked",
  },
  { keys: ["+"], act: "slower", help: "look less often" },
  { keys: ["-"], act: "faster", help: "look more often" },
  { keys: ["f"], act: "freeze", help: "freeze what is shown, or go on" },
  { keys: ["t"], act: "theme", help: "the next theme of colours" },
  { keys: ["w"], act: "wide", help: "all digits and whole names, or short ones" },
  {
    keys: [":"],
    act: "command",
    help: "a command: :sort COLUMN, :filter WORDS, :interval 5s, :theme NAME, :q",
  },
  { keys: ["?"], act: "help", help: "these keys" },
  { keys: ["ctrl-z"], act: "suspend", help: "back to the shell; fg comes back" },
  { keys: ["q", "ctrl-c"], act: "quit", help: "quit" },
];

const BY_KEY = new Map(BINDINGS.flatMap(({ keys, act }) => keys.map((key) => [key, act] as const)));

export const actOf = (key: string): Act | undefined => BY_KEY.get(key);

const NAMES: Readonly<Record<string, string>> = {
  up: "↑",
  down: "↓",
  left: "←",
  right: "→",
  pageup: "PgUp",
  pagedown: "PgDn",
  home: "Home",
  end: "End",
  enter: "Enter",
  esc: "Esc",
  space: "Space",
};

/** As people call it: "^D". */
function spelled(key: string): string {
  return NAMES[key] ?? key.replace(/^ctrl-(.)$/, (_, letter: string) => `^${letter.toUpperCase()}`);
}

/** Keys, and what they do: for the help on the screen, and for docs/top.md. */
export function keyTable(): (readonly [keys: string, help: string])[] {
  return BINDINGS.map(({ keys, help }) => [keys.map(spelled).join(" "), help]);
}

/** What Ink says of a key; `text` is empty for those that are no character. */
interface Pressed {
  readonly [key: string]: boolean | string | undefined;
}

const SPECIAL: readonly (readonly [flag: string, key: string])[] = [
  ["upArrow", "up"],
  ["downArrow", "down"],
  ["leftArrow", "left"],
  ["rightArrow", "right"],
  ["pageUp", "pageup"],
  ["pageDown", "pagedown"],
  ["home", "home"],
  ["end", "end"],
  ["return", "enter"],
  ["escape", "esc"],
  ["backspace", "backspace"],
  ["delete", "backspace"],
  ["tab", "tab"],
];

/** The keys of one event: what is pasted, or typed while the screen was busy, comes as one text. */
export function keysOf(text: string, pressed: Pressed): string[] {
  const special = SPECIAL.find(([flag]) => pressed[flag] === true);
  if (special !== undefined) return [special[1]];
  if (pressed["ctrl"] === true) return [`ctrl-${text}`];
  return Array.from(text).map((one) =>
    one === " " ? "space" : one === "\r" || one === "\n" ? "enter" : one,
  );
}
