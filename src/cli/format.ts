/** How figures and tables look to people. Pure. */

export { formatAge, formatSize } from "../units.ts";

/** A cell on one line: what people wrote may hold anything. */
const flat = (cell: string): string => cell.replaceAll(/\p{Cc}+/gu, " ");

/** Rows in columns; the first column to the left, figures to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows.map((row) => row.map(flat))];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const lines = all.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

/** The same for programs: a tab between the cells. */
export function plain(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return `${[head, ...rows].map((row) => row.map(flat).join("\t")).join("\n")}\n`;
}

/** "1 message", "2 messages". */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
