/** Settings are whole, and those that were told last or may have come later; a dead letter says why. */
import assert from "node:assert/strict";

import { QUEUE } from "./history.ts";
import type { Configured, History } from "./history.ts";

export function checkSettings(history: History): void {
  const { foundSettings, configured, subscriptions } = history;
  for (const { place, letter, reason } of history.reasons) {
    const isKnown = !reason.startsWith("unknown") || mayBeForgotten(history, place);
    assert.ok(isKnown, `${place}: dead letter ${letter} has no reason`);
  }
  if (foundSettings === undefined) return;
  for (const [place, calls] of Map.groupBy(configured, (call) => call.place)) {
    if (subscriptions.some(({ name, closing }) => name === place && closing !== undefined))
      continue;
    for (const { began, result = "ok" } of calls) {
      // Its reply was lost, and another one has set it anew before it was looked for: it is not told apart.
      if (history.isReplyLost && result === "IO") continue;
      assert.equal(result, "ok", `${place}: not configured at ${began}`);
    }
    const found = foundSettings.get(place);
    const isPromised = calls.some(({ result }) => result === "ok");
    assert.ok(found !== undefined || !isPromised, `${place} is gone`);
    if (found === undefined) continue;
    const isPossible = calls.some((call) => call.value === found && !isOver(history, call, calls));
    const told = calls.map(
      ({ value, isMake, began, ended, result }) =>
        `${isMake ? "made with" : "set to"} ${value} at ${began} to ${ended}: ${result}`,
    );
    assert.ok(isPossible, `${place} is set to ${found}; ${told.join("; ")}`);
  }
}

/** A power cut may bring back a letter that was put back to ready, and not its reason. */
function mayBeForgotten({ redrives, cuts }: History, place: string): boolean {
  return place === QUEUE && redrives.some(({ began }) => cuts.some((cut) => cut >= began));
}

/** True where what a call wrote, if it did, cannot be what is there in the end. */
function isOver(history: History, call: Configured, calls: readonly Configured[]): boolean {
  const end = call.ended ?? history.lives.get(call.process)?.end ?? Number.POSITIVE_INFINITY;
  return calls.some((other) => {
    if (other === call || other.result !== "ok") return false;
    // What is there already is not made anew, and made is not what was changed.
    if (call.isMake && (other.ended ?? Number.POSITIVE_INFINITY) < call.began) return true;
    return !other.isMake && other.began > end;
  });
}
