/**
 * Colours, and the glyphs that say the same without them. Pure.
 *
 * Of `auto` each colour has a contrast of 3 or more on white and on black; `dark` and `light` have more, on theirs.
 * What is bad is orange and what is good is blue, which are told apart by those who see no red or no green, and
 * each state has a glyph and a word: colour never says anything alone.
 */
import type { State } from "../stats/state.ts";

export type Role = "bad" | "warn" | "good" | "quiet" | "title";

/** Numbers of the 256 colours of a terminal; undefined: the terminal's own. */
type Palette = Readonly<Record<Role, number | undefined>>;

export const THEMES = {
  auto: { bad: 166, warn: 136, good: 31, quiet: 244, title: undefined },
  dark: { bad: 209, warn: 221, good: 117, quiet: 248, title: undefined },
  light: { bad: 124, warn: 94, good: 25, quiet: 240, title: undefined },
  mono: { bad: undefined, warn: undefined, good: undefined, quiet: undefined, title: undefined },
} as const satisfies Readonly<Record<string, Palette>>;

export type ThemeName = keyof typeof THEMES;
export const THEME_NAMES = Object.keys(THEMES) as readonly ThemeName[];

interface Mark {
  readonly glyph: string;
  readonly ascii: string;
  readonly role: Role | undefined;
}

const MARKS: Readonly<Record<State, Mark>> = {
  unknown: { glyph: "?", ascii: "?", role: "bad" },
  FULL: { glyph: "■", ascii: "#", role: "bad" },
  PAUSED: { glyph: "=", ascii: "=", role: "warn" },
  STALLED: { glyph: "×", ascii: "x", role: "bad" },
  "DLQ!": { glyph: "!", ascii: "!", role: "warn" },
  growing: { glyph: "▲", ascii: "^", role: "warn" },
  draining: { glyph: "▼", ascii: "v", role: "good" },
  ok: { glyph: "●", ascii: "+", role: "good" },
  idle: { glyph: "○", ascii: ".", role: "quiet" },
};

export const glyphOf = (state: State, isAscii: boolean): string =>
  isAscii ? MARKS[state].ascii : MARKS[state].glyph;

export const roleOf = (state: State): Role | undefined => MARKS[state].role;

/** Writes a text in a colour. */
export type Paint = (role: Role | undefined, text: string) => string;

export function painter(name: ThemeName): Paint {
  const palette: Palette = THEMES[name];
  return (role, text) => {
    const bold = role === "bad" || role === "title" ? text && `\x1b[1m${text}\x1b[22m` : text;
    const colour = role && palette[role];
    return colour === undefined ? bold : `\x1b[38;5;${colour}m${bold}\x1b[39m`;
  };
}

/** A text and what it means. */
export interface Part {
  readonly text: string;
  readonly role?: Role | undefined;
}

export const painted = (parts: readonly Part[], paint: Paint): string =>
  parts.map(({ text, role }) => paint(role, text)).join("");

export const inverse = (text: string): string => `\x1b[7m${text}\x1b[27m`;

/** What is known of the terminal. */
export function themeFor(env: NodeJS.ProcessEnv): ThemeName {
  const { NO_COLOR = "", TERM = "", COLORFGBG = "" } = env;
  if (NO_COLOR !== "" || /^(vt|ansi-m|.*-m(ono)?$)/.test(TERM)) return "mono";
  const background = Number.parseInt(/;(\d+)$/.exec(COLORFGBG)?.[1] ?? "", 10);
  if (Number.isNaN(background)) return "auto";
  return background === 7 || background === 15 ? "light" : "dark";
}

/** True where the terminal may not know more than ASCII. */
export function isAsciiOnly(env: NodeJS.ProcessEnv): boolean {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  return !/utf-?8/i.test(locale);
}
