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
  | "messages"
  | "workers"
  | "reasons"
  | "ages"
  | "graphs"
  | "next"
  | "markAll"
  | "pause"
  | "redrive"
  | "retry"
  | "giveUp"
  | "drop"
  | "move"
  | "edit"
  | "page"
  | "copy"
  | "mouse"
  | "earlier"
  | "later"
  | "command"
  | "help"
  | "suspend"
  | "quit";

export interface Binding {
  readonly keys: readonly string[];
  readonly act: Act;
  readonly help: string;
  /** It changes what is on the disk: not there with --readonly. */
  readonly isActing?: boolean;
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
  {
    keys: ["enter"],
    act: "toggle",
    help: "open the queue, the message; of a topic: fold or unfold its subscriptions",
  },
  {
    keys: ["left", "h"],
    act: "fold",
    help: "back; in the list: fold the topic, also from its subscriptions",
  },
  { keys: ["right", "l"], act: "unfold", help: "open the queue, the message; unfold the topic" },
  { keys: ["1"], act: "messages", help: "of a queue: its messages" },
  { keys: ["2"], act: "workers", help: "of a queue: who holds what, since when" },
  { keys: ["3"], act: "reasons", help: "of a queue: its dead letters by their reasons" },
  { keys: ["4"], act: "ages", help: "of a queue: how old what is ready is" },
  { keys: ["5"], act: "graphs", help: "of a queue: depth, in and out over time" },
  {
    keys: ["tab"],
    act: "next",
    help: "messages: ready, scheduled, in flight, dead; graphs: 1m, 15m, 1h; a message: text, JSON, hex",
  },
  { keys: ["/"], act: "filter", help: "show the names with these words; !word: without it" },
  { keys: ["esc"], act: "clear", help: "back; in the list: no filter any more, then no marks" },
  { keys: ["s"], act: "sortMenu", help: "choose the column to sort by" },
  { keys: ["<"], act: "sortLeft", help: "sort by the column to the left" },
  { keys: [">"], act: "sortRight", help: "sort by the column to the right" },
  { keys: ["r"], act: "reverse", help: "the other way round" },
  {
    keys: ["space"],
    act: "mark",
    help: "mark the row, or no more; below are the sums of the marked",
  },
  { keys: ["a"], act: "markAll", help: "mark all that is listed" },
  { keys: ["p"], act: "pause", help: "pause the queue, or resume it", isActing: true },
  { keys: ["R"], act: "redrive", help: "redrive dead letters", isActing: true },
  { keys: ["n"], act: "retry", help: "make what is scheduled ready now", isActing: true },
  { keys: ["x"], act: "giveUp", help: "give messages up: dead letters", isActing: true },
  { keys: ["D"], act: "drop", help: "throw messages away", isActing: true },
  { keys: ["m"], act: "move", help: "move messages to another queue", isActing: true },
  {
    keys: ["e"],
    act: "edit",
    help: "edit a dead letter in $EDITOR and put it again in its place",
    isActing: true,
  },
  { keys: ["v"], act: "page", help: "the payload in $PAGER" },
  { keys: ["c"], act: "copy", help: "copy the message's id, or the queue's name" },
  { keys: ["+"], act: "slower", help: "look less often" },
  { keys: ["-"], act: "faster", help: "look more often" },
  {
    keys: ["f"],
    act: "freeze",
    help: "freeze what is shown, or go on; a recording stands still meanwhile",
  },
  { keys: ["["], act: "earlier", help: "of a recording: half a minute back" },
  { keys: ["]"], act: "later", help: "of a recording: half a minute on" },
  {
    keys: ["M"],
    act: "mouse",
    help: "the mouse, or no more: its wheel, a click on a row, a click on a title to sort",
  },
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

const CHANGES = new Set(BINDINGS.filter((binding) => binding.isActing).map(({ act }) => act));

/** True where it changes what is on the disk. */
export const isActing = (act: Act): boolean => CHANGES.has(act);

const NAMES: Readonly<Record<string, string>> = {
  up: "↑",
  down: "↓",
  tab: "Tab",
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
export function keyTable(isReadonly = false): (readonly [keys: string, help: string])[] {
  return BINDINGS.filter((binding) => !(isReadonly && binding.isActing)).map(({ keys, help }) => [
    keys.map(spelled).join(" "),
    help,
  ]);
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

/** Keys that come as characters where several come at once. */
const IN_TEXT: Readonly<Record<string, string>> = {
  " ": "space",
  "\r": "enter",
  "\n": "enter",
  "\t": "tab",
  "\x7f": "backspace",
};

/** The keys of one event: what is pasted, or typed while the screen was busy, comes as one text. */
export function keysOf(text: string, pressed: Pressed): string[] {
  const special = SPECIAL.find(([flag]) => pressed[flag] === true);
  if (special !== undefined) return [special[1]];
  if (pressed["ctrl"] === true) return [`ctrl-${text}`];
  return Array.from(text).map((one) => IN_TEXT[one] ?? one);
}
