/** What the person at the screen has chosen: plain data. */
import type { State } from "../stats/detail.ts";
import type { Inside } from "./inside.ts";
import type { OpenPlan, Plan } from "./plans.ts";
import type { ThemeName } from "./theme.ts";
import type { Arrangement } from "./tree.ts";

type Mode = "rows" | "filter" | "command" | "sort" | "help" | "queueName" | "confirm";

export interface Ui extends Arrangement {
  readonly mode: Mode;
  /** What is being typed: a filter or a command. */
  readonly draft: string;
  /**
   * The row that the cursor stays on while others come and go; undefined: it stays on the first one, whichever
   * that is, until somebody moves it.
   */
  readonly cursor: string | undefined;
  /** Where the cursor is. */
  readonly at: number;
  /** The first row that is shown. */
  readonly top: number;
  readonly marked: ReadonlySet<string>;
  readonly intervalMs: number;
  readonly isFrozen: boolean;
  readonly theme: ThemeName;
  readonly isWide: boolean;
  /** In a menu or the help: which line. */
  readonly menuAt: number;
  /** One line for the person, until the next key. */
  readonly note: string;
  /** The queue that is looked at; undefined: the list is. */
  readonly inside: Inside | undefined;
  /** Its views, as they were left. */
  readonly views: Inside["views"];
  /** What was asked for and not answered. */
  readonly plan: Plan | OpenPlan | undefined;
  /** Nothing can be changed from here. */
  readonly isReadonly: boolean;
  /** The terminal tells of its mouse. */
  readonly isMouse: boolean;
}

export type Effect =
  | "quit"
  | "suspend"
  | { readonly kind: "seek"; readonly byMs: number }
  | { readonly kind: "run"; readonly plan: Plan }
  | { readonly kind: "page"; readonly queue: string; readonly state: State; readonly id: string }
  | { readonly kind: "edit"; readonly queue: string; readonly id: string }
  | { readonly kind: "copy"; readonly text: string };

export interface Next {
  readonly ui: Ui;
  readonly effect?: Effect;
}

export function firstUi(intervalMs: number, theme: ThemeName, isReadonly = false): Ui {
  return {
    mode: "rows",
    sort: "name",
    isReversed: false,
    filter: "",
    folded: new Set(),
    draft: "",
    cursor: undefined,
    at: 0,
    top: 0,
    marked: new Set(),
    intervalMs,
    isFrozen: false,
    theme,
    isWide: false,
    menuAt: 0,
    note: "",
    inside: undefined,
    views: {},
    plan: undefined,
    isReadonly,
    isMouse: false,
  };
}
