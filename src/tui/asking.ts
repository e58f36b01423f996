/** Before anything is changed: a question, and the command line that it stands for. Pure, as ui.ts. */
import type { Act } from "./bindings.ts";
import { planOf } from "./plans.ts";
import type { Chosen, Plan } from "./plans.ts";
import type { Next, Ui } from "./ui-state.ts";

/** Asks for what an act would do; or says why it would do nothing. */
export function asked(ui: Ui, act: Act, chosen: Chosen): Next {
  const plan = planOf(act, chosen);
  if (typeof plan === "string") return { ui: { ...ui, note: plan } };
  if ("withQueue" in plan) return { ui: { ...ui, mode: "queueName", plan, draft: "" } };
  return { ui: { ...ui, mode: "confirm", plan } };
}

export const confirming = (ui: Ui, plan: Plan): Ui => ({ ...ui, mode: "confirm", plan });

export function answer(ui: Ui, key: string): Next {
  const { plan } = ui;
  const done: Ui = { ...ui, mode: "rows", plan: undefined };
  if (plan === undefined || "withQueue" in plan) return { ui: done };
  if (key !== "y" && key !== "Y") {
    const kept = plan.edited === undefined ? "" : `; what was edited is in ${plan.edited.path}`;
    return { ui: { ...done, note: `nothing was done${kept}` } };
  }
  // What was marked is done with.
  const inside = ui.inside && { ...ui.inside, message: undefined, marked: new Set<string>() };
  return { ui: { ...done, inside, marked: new Set() }, effect: { kind: "run", plan } };
}

/** A queue's name was typed. */
export function named(ui: Ui): Next {
  const { plan, draft } = ui;
  const name = draft.trim();
  if (plan === undefined || !("withQueue" in plan) || name === "") {
    return { ui: { ...ui, mode: "rows", plan: undefined, draft: "", note: "nothing was done" } };
  }
  return { ui: { ...ui, mode: "confirm", plan: plan.withQueue(name), draft: "" } };
}
