/** The table of planted bugs, for people. */
import type { Outcome } from "./catchers.ts";
import type { Mutation } from "./mutation.ts";

export interface Row {
  readonly mutation: Mutation;
  readonly outcome: Outcome;
  readonly seconds: number;
}

const BEGIN = "<!-- mutations -->";
const END = "<!-- /mutations -->";

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const line = (...cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;

/** One line for whoever waits. */
export function summary({ mutation, outcome, seconds }: Row): string {
  const { kind, by = "", needed = "", said = "" } = outcome;
  const where = kind === "caught" ? ` by ${by} (${needed})` : "";
  return `${kind.toUpperCase()}${where} after ${seconds.toFixed(0)} s: ${mutation.name}: ${said}`;
}

/** All that were caught, then those that were not, with the reason. */
export function table(rows: readonly Row[]): string {
  const caught = rows.filter(({ outcome }) => outcome.kind === "caught");
  const others = rows.filter(({ outcome }) => outcome.kind !== "caught");
  const lines = [
    `Of ${rows.length} planted bugs ${caught.length} were found.`,
    "",
    line("bug", "what it breaks", "found by", "runs, or the test", "seconds"),
    line("---", "---", "---", "---", "---:"),
  ];
  for (const { mutation, outcome, seconds } of caught) {
    const { name, breaks } = mutation;
    const { by = "", needed = "" } = outcome;
    lines.push(line(name, breaks, by, needed, seconds.toFixed(0)));
  }
  if (others.length === 0) return lines.join("\n");
  lines.push(
    "",
    line("bug that was not found", "what it would break", "why, or who did find it"),
    line("---", "---", "---"),
  );
  for (const { mutation, outcome } of others) {
    const why = outcome.kind === "broken" ? `does not run: ${outcome.said}` : mutation.survives;
    lines.push(line(mutation.name, mutation.breaks, why ?? "**not explained**"));
  }
  return lines.join("\n");
}

/** Who found each bug, by the table of the last time in the page: by the bug's name. */
export function lastFinders(page: string): Map<string, string> {
  const lines = page.slice(page.indexOf(BEGIN), page.indexOf(END)).split("\n");
  const rows = lines.map((text) => text.split(/(?<!\\)\|/).map((one) => one.trim()));
  return new Map(
    rows.flatMap(([, name = "", , by = "", ...more]) =>
      more.length > 2 && /^(simulation|test\/.*\.ts)$/.test(by) ? [[name, by] as const] : [],
    ),
  );
}

/** The page with this table between its two marks. @throws where it has none. */
export function placed(page: string, text: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`no ${BEGIN} … ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n${text}\n${page.slice(end)}`;
}
