/** Keys while one queue is looked at. Pure, as ui.ts. */
import type { Act } from "./bindings.ts";
import type { MessageRow } from "../stats/detail.ts";
import { asked } from "./asking.ts";
import { back, show, turn, VIEWS, viewStateOf } from "./inside.ts";
import type { Inside, InsideAround, View } from "./inside.ts";
import type { Chosen } from "./plans.ts";
import type { Sample } from "../stats/sample.ts";
import type { Next, Ui } from "./ui-state.ts";

export interface QueueAround extends InsideAround {
  /** The queue's row of the list; undefined: it is not there (any more). */
  readonly sample: Sample | undefined;
  /** The message that is open; undefined: none, or it is not read yet. */
  readonly open: MessageRow | undefined;
}

export function pressInside(ui: Ui, inside: Inside, act: Act, around: QueueAround): Next {
  const turned = turn(inside, act, around);
  if (turned !== undefined) return { ui: { ...ui, inside: turned } };
  if ((VIEWS as readonly Act[]).includes(act)) {
    return { ui: { ...ui, inside: show(inside, act as View) } };
  }
  switch (act) {
    case "clear":
    case "fold": {
      const outer = back(inside);
      return { ui: { ...ui, inside: outer, views: inside.views } };
    }
    case "filter":
      if (inside.message !== undefined) return { ui };
      return { ui: { ...ui, mode: "filter", draft: viewStateOf(inside).filter } };
    case "sortMenu":
      return { ui: { ...ui, note: "< and > choose the column, r turns it round" } };
    case "page":
    case "copy":
    case "edit":
      return onMessage(ui, inside, act, around);
    default:
      return asked(ui, act, chosenIn(inside, around));
  }
}

const cursorRow = (inside: Inside, { table }: InsideAround): MessageRow | undefined => {
  const row = table?.rows[inside.at];
  return inside.view === "messages" && row !== undefined ? (row.of as MessageRow) : undefined;
};

function chosenIn(inside: Inside, around: QueueAround): Chosen {
  const queues = around.sample === undefined ? [] : [around.sample];
  if (inside.view !== "messages") return { queues };
  const { message, marked, state } = inside;
  const own = ownRow(inside, around);
  const rows = (around.table?.rows ?? []).map(({ of }) => of as MessageRow);
  // What was marked and is not there any more is not meant.
  const chosen =
    message === undefined && marked.size > 0
      ? rows.filter(({ id }) => marked.has(id))
      : own === undefined
        ? []
        : [own];
  const letters = new Map(chosen.map((row) => [row.letter?.name ?? row.id, row]));
  const ids = [...letters.values()].map(({ id }) => id);
  const counts = [...letters.values()].map(({ letter }) => letter?.messages ?? 1);
  const count = counts.reduce((sum, one) => sum + one, 0);
  return { queues, messages: { state, ids, count } };
}

/** The message that is open, or else that the cursor is on. */
function ownRow(inside: Inside, around: QueueAround): MessageRow | undefined {
  if (inside.message === undefined) return cursorRow(inside, around);
  return around.open?.id === inside.message ? around.open : undefined;
}

function onMessage(
  ui: Ui,
  inside: Inside,
  act: "page" | "copy" | "edit",
  around: QueueAround,
): Next {
  const { queue, state } = inside;
  const row = ownRow(inside, around);
  const id = inside.message ?? row?.id;
  if (act === "copy") return { ui, effect: { kind: "copy", text: id ?? queue } };
  if (id === undefined) return { ui: { ...ui, note: "no message is chosen" } };
  if (act === "page") return { ui, effect: { kind: "page", queue, state, id } };
  if (state !== "dead") return { ui: { ...ui, note: "only dead letters are edited" } };
  if (row?.letter !== undefined) {
    const note = `a letter of ${row.letter.messages} messages goes whole: it cannot be edited, only redriven or dropped`;
    return { ui: { ...ui, note } };
  }
  return { ui, effect: { kind: "edit", queue, id } };
}
