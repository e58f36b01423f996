/** Keys in the sort menu and in the help. Pure, as ui.ts. */
import type { Act } from "./bindings.ts";
import { actOf } from "./bindings.ts";
import { COLUMNS } from "./columns.ts";
import type { Ui } from "./ui-state.ts";

export function choose(ui: Ui, key: string): Ui {
  const act = actOf(key);
  if (key === "enter" || key === "space" || key === "right") {
    return { ...ui, mode: "rows", sort: COLUMNS[ui.menuAt]!.key, isReversed: false };
  }
  if (key === "esc" || act === "quit" || act === "sortMenu") return { ...ui, mode: "rows" };
  if (act === "reverse") return { ...ui, mode: "rows", isReversed: !ui.isReversed };
  return { ...ui, menuAt: step(ui.menuAt, act, COLUMNS.length) };
}

/** As many lines as there may be are left to whoever draws. */
export function readHelp(ui: Ui, key: string): Ui {
  const act = actOf(key);
  if (key === "esc" || key === "enter" || act === "quit" || act === "help") {
    return { ...ui, mode: "rows", menuAt: 0 };
  }
  return { ...ui, menuAt: step(ui.menuAt, act, 100) };
}

function step(at: number, act: Act | undefined, count: number): number {
  const by: Partial<Record<Act, number>> = {
    up: -1,
    down: 1,
    pageUp: -5,
    pageDown: 5,
    halfUp: -3,
    halfDown: 3,
  };
  if (act === "first") return 0;
  if (act === "last") return count - 1;
  return Math.max(0, Math.min(at + ((act && by[act]) ?? 0), count - 1));
}
