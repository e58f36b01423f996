/**
 * Goal: whatever is in a queue and however narrow the screen, no line of its views is wider than it, and keys in any
 * order are harmless.
 *
 * Method: answers, sizes and keys by chance; widths as a terminal has them, by string-width.
 */
import { stripVTControlCharacters } from "node:util";

import * as fc from "fast-check";
import stringWidth from "string-width";
import { describe, expect, test } from "vitest";

import type { Ask, Detail, MessageDetail, MessageRow } from "../../src/stats/detail.ts";
import { BINDINGS } from "../../src/tui/bindings.ts";
import { askOf, enter, MESSAGE_STATES, settleInside, VIEWS } from "../../src/tui/inside.ts";
import type { Inside } from "../../src/tui/inside.ts";
import { contentOf, insideLines } from "../../src/tui/inside-lines.ts";
import { commandLine, planOf } from "../../src/tui/plans.ts";
import { painter, THEME_NAMES } from "../../src/tui/theme.ts";
import { press } from "../../src/tui/ui.ts";
import { firstUi } from "../../src/tui/ui-state.ts";
import type { Ui } from "../../src/tui/ui-state.ts";
import { insideFrame } from "../helpers/inside-frame.ts";
import { sampleOf } from "../helpers/samples.ts";

const text = fc.string({ unit: "grapheme", maxLength: 60 });
const ms = fc.nat(2_000_000_000_000);

const row: fc.Arbitrary<MessageRow> = fc.record(
  {
    id: fc.stringMatching(/^[0-9a-z]{26}(\.\d{1,5})?$/),
    enqueuedMs: ms,
    visibleMs: ms,
    attempts: fc.nat(9999),
    priority: fc.nat(9),
    bytes: fc.nat(),
    preview: text,
    holder: text,
    heldSinceMs: ms,
    reason: text,
  },
  { requiredKeys: ["id", "enqueuedMs", "visibleMs", "attempts", "priority", "bytes", "preview"] },
);

const message: fc.Arbitrary<MessageDetail> = fc
  .tuple(row, fc.dictionary(text, text, { maxKeys: 3 }), fc.uint8Array({ maxLength: 300 }), text)
  .map(([one, headers, payload, stderr]) => ({
    ...one,
    headers,
    payload: Buffer.from(payload).toString("base64"),
    file: "ready/x: 1 of 1",
    stderr,
    diedMs: 5,
  }));

const detail: fc.Arbitrary<Detail> = fc.oneof(
  fc.record({
    kind: fc.constant("messages" as const),
    rows: fc.uniqueArray(row, { maxLength: 8, selector: ({ id }) => id }),
    isCut: fc.boolean(),
  }),
  message.map((one): Detail => ({ kind: "message", message: one })),
  fc
    .array(
      fc.record({
        lease: text,
        holder: text,
        sinceMs: ms,
        leftMs: fc.integer(),
        messages: fc.nat(),
        attempts: fc.nat(9999),
        isGone: fc.boolean(),
      }),
      { maxLength: 5 },
    )
    .map((rows): Detail => ({ kind: "workers", rows })),
  fc
    .array(fc.record({ reason: text, messages: fc.nat(), firstMs: ms, lastMs: ms }), {
      maxLength: 5,
    })
    .map((rows): Detail => ({ kind: "reasons", rows, isCut: false })),
  fc
    .array(fc.record({ upToMs: ms, messages: fc.nat() }), { maxLength: 9 })
    .map((rows): Detail => ({ kind: "ages", rows, isCut: true })),
  fc
    .array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 10, maxLength: 300 })
    .map((depth): Detail => ({
      kind: "graphs",
      graphs: { spanMs: 60_000, depth, in: depth, out: depth },
    })),
  text.map((why): Detail => ({ kind: "failed", message: why })),
);

const SIZES = fc.record({
  columns: fc.integer({ min: 40, max: 220 }),
  page: fc.integer({ min: 3, max: 40 }),
});

const frameOf = (inside: Inside, found: Detail, columns: number, page: number, isAscii: boolean) =>
  insideFrame(inside, found, { columns, page, isAscii });

describe("a queue on the screen", () => {
  test("has no line that is too wide, and not too many", () => {
    fc.assert(
      fc.property(
        detail,
        SIZES,
        fc.constantFrom(...THEME_NAMES),
        fc.boolean(),
        fc.constantFrom("text", "json", "hex" as const),
        (found, { columns, page }, theme, isAscii, format) => {
          const first = { ...enter("jobs", "messages", {}, "ready"), format };
          const frame = frameOf(first, found, columns, page, isAscii);
          const content = contentOf(frame);
          const lines = insideLines(frame, content, painter(theme));
          expect(lines.length).toBeLessThanOrEqual(page + 4);
          for (const line of lines) {
            const shown = stripVTControlCharacters(line);
            expect(shown).not.toMatch(/\p{Cc}/u);
            expect(stringWidth(shown), JSON.stringify(shown)).toBeLessThanOrEqual(columns);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("takes keys in any order", () => {
    const keys = fc.array(
      fc.constantFrom(...BINDINGS.flatMap((one) => one.keys), "y", "x", "esc", "tab", "backspace"),
      { maxLength: 40 },
    );
    const sample = sampleOf({ name: "jobs", ready: 5, scheduled: 1, dead: 2 });
    const rows = [{ key: "jobs", sample, name: "jobs" }];
    fc.assert(
      fc.property(keys, detail, (pressed, found) => {
        let ui = firstUi(1000, "auto");
        for (const key of pressed) {
          const inside = ui.inside && frameOf(ui.inside, found, 80, 20, false);
          const content = inside && contentOf(inside);
          const around = content && {
            table: content.table,
            lines: content.text?.length ?? 0,
            page: 20,
            sample,
            open: found.kind === "message" ? found.message : undefined,
          };
          if (ui.inside && around) ui = { ...ui, inside: settleInside(ui.inside, around) };
          const next = press(ui, key, { rows, page: 20, ...(around && { inside: around }) });
          ({ ui } = next);
          const { effect } = next;
          // Nothing is ever run that was not shown, and answered with a yes.
          if (typeof effect === "object" && effect.kind === "run") expect(key).toBe("y");
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("a narrow screen", () => {
  const found = (state: Inside["state"]): Detail => {
    const common = { id: "01m8jztkjg0008faw5pgd1hbg7.12", enqueuedMs: 1, visibleMs: 1e12 };
    const held = state === "inflight" ? { holder: "28728@worker-7", heldSinceMs: 1 } : {};
    const reason = "exit 65: the customer is not known";
    const death = state === "dead" ? { reason } : {};
    const one = { attempts: 1, priority: 4, bytes: 36, preview: "the payload", ...common };
    return { kind: "messages", rows: [{ ...one, ...held, ...death }], isCut: false };
  };
  const shown = (state: Inside["state"], columns: number, reason?: string): string[] => {
    const inside = { ...enter("jobs", "messages", {}, state), reason };
    const frame = frameOf(inside, found(state), columns, 10, false);
    return insideLines(frame, contentOf(frame), painter("mono")).map((line) =>
      stripVTControlCharacters(line),
    );
  };
  const said = { ready: "ready", scheduled: "scheduled", inflight: "in flight", dead: "dead" };

  test.each([40, 60, 80, 120])("of %i columns says which state is shown", (columns) => {
    for (const state of MESSAGE_STATES) {
      expect(shown(state, columns)[2]).toContain(`[${said[state]}]`);
    }
    for (const [index, view] of VIEWS.entries()) {
      const inside = enter("jobs", view, {}, "ready");
      const frame = frameOf(inside, found("ready"), columns, 10, false);
      const lines = insideLines(frame, contentOf(frame), painter("mono"));
      expect(lines[2]).toContain(`[${index + 1} ${view}]`);
    }
    const ofReason = shown("dead", columns, "no such customer, nor will there ever be one")[2];
    expect(ofReason).toMatch(/\[dead\] +of "no such/);
  });

  test("of 80 columns shows how payloads begin, and says all of it where there is room", () => {
    for (const state of MESSAGE_STATES) expect(shown(state, 80).join("\n")).toMatch(/the pay/);
    expect(shown("dead", 80)[3]).not.toMatch(/PRIO/);
    expect(shown("dead", 120)[3]).toMatch(/^ {2}ID +AGE TRIES PRIO  BYTES REASON +PAYLOAD$/);
    expect(shown("ready", 80)[2]).toMatch(/ready.* scheduled .* in flight .* dead /);
    expect(shown("ready", 120)[2]).toMatch(/ 5 graphs .*\[ready\]/);
  });
});

describe("a dead letter of several messages", () => {
  const letter = { name: "5-1", messages: 3 };
  const rows = ["a", "b", "c", "d"].map((id): MessageRow => ({
    id,
    enqueuedMs: 1,
    visibleMs: 1,
    attempts: 1,
    priority: 4,
    bytes: 1,
    preview: id,
    ...(id === "d" ? {} : { letter }),
  }));
  const asked = (key: string, marked: readonly string[]): Ui => {
    const inside = { ...enter("jobs", "messages", {}, "dead"), marked: new Set(marked) };
    const found: Detail = { kind: "messages", rows, isCut: false };
    const { table } = contentOf(frameOf(inside, found, 120, 20, false));
    const sample = sampleOf({ name: "jobs", dead: 4 });
    const ui = { ...firstUi(1000, "auto"), inside };
    const around = { table, lines: 0, page: 20, sample, open: undefined };
    return press(ui, key, {
      rows: [{ key: "jobs", sample, name: "jobs" }],
      page: 20,
      inside: around,
    }).ui;
  };

  test("is counted whole, and named once", () => {
    expect(asked("D", [])).toMatchObject({
      plan: {
        question: "throw away 3 dead letters of jobs, all that share a letter",
        commands: [["dlq", "drop", "jobs", "a", "-f"]],
      },
    });
    expect(asked("D", ["b", "c", "d"])).toMatchObject({
      plan: {
        question: "throw away 4 dead letters of jobs, all that share a letter",
        commands: [["dlq", "drop", "jobs", "c", "d", "-f"]],
      },
    });
    expect(asked("D", ["d"])).toMatchObject({
      plan: { question: "throw away 1 dead letter of jobs" },
    });
  });

  test("is not edited: the others would be dropped with it", () => {
    expect(asked("e", []).note).toMatch(/a letter of 3 messages goes whole/);
  });
});

describe("a question to the disk", () => {
  test("is of the view that is shown", () => {
    const kinds = VIEWS.map((view): Ask["kind"] => askOf(enter("q", view, {}, "ready"), 10).kind);
    expect(kinds).toEqual(["messages", "workers", "reasons", "ages", "graphs"]);
  });
});

describe("a command line", () => {
  const queues = [sampleOf({ name: "jobs", ready: 5, scheduled: 1, dead: 2 })];

  test("is quoted as a shell wants it", () => {
    expect(commandLine(["put", "jobs", "/tmp/a b", "-H", "To: it's"])).toBe(
      String.raw`spool put jobs '/tmp/a b' -H 'To: it'\''s'`,
    );
  });

  test("has no more ids than a system takes", () => {
    const ids = Array.from({ length: 1200 }, (_, at) => `01k8xmn3h0000tq7v5c9d2f4g6.${at}`);
    const plan = planOf("drop", { queues, messages: { state: "ready", ids, count: 1200 } });
    expect(typeof plan === "object" && "commands" in plan && plan.commands.length).toBe(3);
  });

  test("is not there for what means nothing", () => {
    expect(planOf("redrive", { queues: [sampleOf({ name: "jobs" })] })).toBe(
      "jobs: no dead letters",
    );
    const held = { state: "inflight", ids: ["x"], count: 1 } as const;
    expect(planOf("drop", { queues, messages: held })).toMatch(/a consumer holds it/);
    expect(planOf("drop", { queues: [] })).toMatch(/no queue is chosen/);
  });
});
