/** A table where the screen is too narrow for all of it: so that its last column, the payload, can still be read. Pure. */
import type { DetailTable } from "./detail-table.ts";
import { widthOf } from "./format.ts";

/** The last column has so much room at the least, as long as there is anything to be left out. */
const LAST = 16;

/** Texts take the room that they need, and then what can be spared is left out, the least important first. */
export function narrowed(table: DetailTable, width: number): DetailTable {
  const rest = (columns: DetailTable["columns"]): number =>
    columns.reduce((left, column) => (column.width === 0 ? left : left - column.width - 1), width);
  if (table.rows.length === 0 || rest(table.columns) >= LAST) return table;
  const columns = table.columns.map((column, index) => {
    if (column.isLeft !== true || column.width === 0) return column;
    // And the arrow behind the title.
    let most = widthOf(column.title) + 1;
    for (const { cells } of table.rows) most = Math.max(most, widthOf(cells[index] ?? ""));
    return { ...column, width: Math.min(column.width, most) };
  });
  let kept = columns;
  while (rest(kept) < LAST) {
    const spare = Math.max(...kept.map((column) => column.spare ?? 0));
    if (spare === 0) break;
    kept = kept.filter((column) => column.spare !== spare);
  }
  const indexes = kept.map((column) => columns.indexOf(column));
  const rows = table.rows.map((row) => ({
    ...row,
    cells: indexes.map((index) => row.cells[index] ?? ""),
  }));
  return { ...table, columns: kept, rows };
}
