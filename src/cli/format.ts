/** How figures and tables look to people. Pure. */

/** "3s", "12m", "4h", "9d": one unit, for a column. */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** "512", "1.5k", "20M": three digits at the most. */
export function formatSize(bytes: number): string {
  let value = bytes;
  for (const unit of ["", "k", "M", "G", "T"]) {
    if (value < 1000 || unit === "T") {
      return unit === "" || value >= 100
        ? `${Math.round(value)}${unit}`
        : `${value.toFixed(1)}${unit}`;
    }
    value /= 1024;
  }
  return String(bytes);
}

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
