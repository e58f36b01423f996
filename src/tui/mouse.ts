/** The mouse, where it was asked for: the wheel moves, a click chooses a row, a click on a title sorts by it. Pure. */
import type { DetailColumn } from "./detail-table.ts";
import { withView, viewStateOf } from "./inside.ts";
import { placeColumns, MARGIN } from "./columns.ts";
import type { DetailTable } from "./detail-table.ts";
import type { Row } from "./tree.ts";
import type { Ui } from "./ui-state.ts";

/** Lines above the rows: the head; then the titles. */
const TITLE_LINE = 4;

const CLICK = /^click:(\d+):(\d+)$/;

export interface Clickable {
  readonly rows: readonly Row[];
  readonly longestName: number;
  readonly columns: number;
  readonly page: number;
  /** Where a queue is looked at. */
  readonly table: DetailTable | undefined;
}

/** What a click makes of the choices; undefined: it is no click. `isOpen`: on the row that was chosen already. */
export function click(
  ui: Ui,
  key: string,
  around: Clickable,
): { ui: Ui; isOpen: boolean } | undefined {
  const [, column, line] = CLICK.exec(key) ?? [];
  if (column === undefined) return undefined;
  const [x, y] = [Number(column) - 1, Number(line)];
  const same = { ui, isOpen: false };
  if (ui.mode !== "rows" || y < TITLE_LINE || y > TITLE_LINE + around.page) return same;
  if (y === TITLE_LINE) return { ui: sorted(ui, x, around), isOpen: false };
  const index = y - TITLE_LINE - 1;
  if (ui.inside === undefined) {
    const at = ui.top + index;
    const row = around.rows[at];
    if (row === undefined) return same;
    return { ui: { ...ui, at, cursor: row.key }, isOpen: at === ui.at };
  }
  const at = ui.inside.top + index;
  const row = around.table?.rows[at];
  if (row === undefined) return same;
  return {
    ui: { ...ui, inside: { ...ui.inside, at, cursor: row.key } },
    isOpen: at === ui.inside.at,
  };
}

/** By this column; a second time: the other way round. */
function sorted(ui: Ui, x: number, { columns, longestName, table }: Clickable): Ui {
  if (ui.inside !== undefined) {
    const title = table && titleAt(table.columns, x - MARGIN);
    if (title === undefined) return ui;
    const { sort, isReversed } = viewStateOf(ui.inside);
    const change = { sort: title, isReversed: sort === title && !isReversed };
    return { ...ui, inside: withView(ui.inside, change) };
  }
  let left = MARGIN;
  for (const { column, width } of placeColumns(columns, longestName, ui.isWide)) {
    if (x >= left && x <= left + width) {
      const isReversed = ui.sort === column.key && !ui.isReversed;
      return { ...ui, sort: column.key, isReversed };
    }
    left += width + 1;
  }
  return ui;
}

function titleAt(columns: readonly DetailColumn[], x: number): string | undefined {
  let left = 0;
  for (const { title, width } of columns) {
    if (x < left + width || width === 0) return title;
    left += width + 1;
  }
  return undefined;
}
