import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { formatSlice } from "../../src/message/slice.ts";
import { HostProcesses } from "../../src/disk/processes.ts";
import { formatLink, formatTicket, parseLink, parseTicket } from "../../src/topic/ticket.ts";
import { anyId, anySlice } from "../helpers/model-slices.ts";

const process = fc.constantFrom("none", "b0a1b2c3d.n4026531836.p12345.s987654", "p0");
/** What may be a subscription's own name, also one that looks like a part of a ticket. */
const subscription = fc.oneof(
  fc.constantFrom("archive", "a_b", "a.r", "_", "x.p_y", "a-b.c"),
  fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/),
);

describe("a ticket's name", () => {
  test("of a publish reads back, with who began it and when", () => {
    const kind = fc.constantFrom("publish" as const, "keyed" as const);
    fc.assert(
      fc.property(kind, anySlice, anyId, process, (what, slice, tag, who) => {
        const ticket = formatTicket(what, slice, tag, who);
        expect(parseTicket(ticket.name)).toEqual(ticket);
        expect(ticket).toMatchObject({ kind: what, slice, tag, process: who });
        expect(ticket.subscription).toBeUndefined();
      }),
    );
  });

  test("of a replay reads back, with the subscription", () => {
    fc.assert(
      fc.property(subscription, anyId, process, (own, tag, who) => {
        const ticket = formatTicket("replay", own, tag, who);
        expect(parseTicket(ticket.name)).toEqual(ticket);
        expect(ticket).toMatchObject({ kind: "replay", subscription: own, slice: undefined });
      }),
    );
  });

  test("fits into 255 bytes, with the longest name of a subscription and a real process", () => {
    const { self } = new HostProcesses();
    const tag = "01kdvdna000003f9x2c7m1q8zt";
    expect(formatTicket("replay", "x".repeat(128), tag, self).name.length).toBeLessThan(255);
    fc.assert(
      fc.property(anySlice, (slice) => {
        const longest = "bffffffff.n4294967295.p4194304.s99999999999999";
        expect(formatTicket("keyed", slice, tag, longest).name.length).toBeLessThan(255);
        expect(formatLink(slice, tag).length).toBeLessThan(255);
      }),
    );
  });

  const slice = "5-1767225600000-01kdvdna000003f9x2c7m1q8zt-0000000-n1-o0-b3-a0";
  const tag = "01kdvdna000003f9x2c7m1q8zt";

  test.for([
    ["nothing", ""],
    ["a slice alone", slice],
    ["a link", `${slice}.${tag}`],
    ["another letter", `${slice}.q${tag}_none`],
    ["a short tag", `${slice}.p${tag.slice(1)}_none`],
    ["an upper-case tag", `${slice}.p${tag.toUpperCase()}_none`],
    ["no process", `${slice}.p${tag}_`],
    ["no process at all", `${slice}.p${tag}`],
    ["two processes", `${slice}.p${tag}_none_none`],
    ["a publish of no slice", `archive.p${tag}_none`],
    ["a keyed one of no slice", `archive.k${tag}_none`],
    ["a replay for nobody", `.r${tag}_none`],
    ["a slice that is spelt otherwise", `${slice}-r0.p${tag}_none`],
    ["a newline after it", `${slice}.p${tag}_none\n`.replace("_none\n", "\n")],
    ["a path before it", `../${slice}.p${tag}_none`],
  ] as const)("is refused: %s", ([, name]) => {
    expect(parseTicket(`${slice}.p${tag}_none`)).toBeDefined();
    expect(parseTicket(name)).toBeUndefined();
  });

  test("has one spelling: whatever is read is written the same", () => {
    const edit = fc.record({ at: fc.nat(), text: fc.string({ maxLength: 3 }) });
    fc.assert(
      fc.property(anySlice, anyId, process, edit, (one, id, who, { at, text }) => {
        const { name } = formatTicket("publish", one, id, who);
        const place = at % name.length;
        const edited = name.slice(0, place) + text + name.slice(place + (at % 2));
        const read = parseTicket(edited);
        if (read !== undefined) expect(read.name).toBe(edited);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("a link's name", () => {
  test("reads back", () => {
    fc.assert(
      fc.property(anySlice, anyId, (slice, tag) => {
        expect(parseLink(formatLink(slice, tag))).toEqual({ slice, tag });
      }),
    );
  });

  test("is no message's and no ticket's, and theirs are no link's", () => {
    fc.assert(
      fc.property(anySlice, anyId, process, (slice, tag, who) => {
        expect(parseTicket(formatLink(slice, tag))).toBeUndefined();
        expect(parseLink(formatSlice(slice))).toBeUndefined();
        expect(parseLink(formatTicket("publish", slice, tag, who).name)).toBeUndefined();
      }),
    );
  });

  test.for([
    "",
    "foreign",
    ".hidden",
    "x.01kdvdna000003f9x2c7m1q8zt",
    "01kdvdna000003f9x2c7m1q8zt",
  ])("%j is none", (name) => {
    expect(parseLink(name)).toBeUndefined();
  });
});
