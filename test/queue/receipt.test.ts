import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { formatSlice } from "../../src/message/slice.ts";
import { parseLeaseName } from "../../src/queue/lease.ts";
import { formatReceipt, parseReceipt } from "../../src/queue/receipt.ts";
import { anyId, anySlice } from "../helpers/model-slices.ts";

const ID = "01kdvdna000003f9x2c7m1q8zt";
const LEASE = `${ID}_30000_none_host-1`;
const SLICE = `5-1767225600000-${ID}-0000000-n1-o0-b5-a0`;

const anyLease = fc
  .tuple(anyId, fc.nat({ max: 1e12 }), fc.constantFrom("none", "b12345678.n1.p2.s3"))
  .map(([id, ttlMs, process]) => `${id}_${ttlMs}_${process}_my-host`);

describe("a receipt", () => {
  test("reads back as what it names", () => {
    const names = fc.constantFrom("jobs", "logs/archive", "a.b_c-d");
    const single = anySlice.map((slice) => ({ ...slice, count: 1, restAttempts: slice.attempts }));
    fc.assert(
      fc.property(names, anyLease, single, (queue, lease, slice) => {
        const text = formatReceipt({ queue, lease, slice: formatSlice(slice) });
        const receipt = parseReceipt(text);
        expect(receipt).toEqual({ queue, lease: parseLeaseName(lease), slice });
      }),
    );
  });

  test.for([
    ["nothing", ""],
    ["a word", "receipt"],
    ["colons alone", "::"],
    ["no slice", `jobs:${LEASE}`],
    ["no lease", `jobs::${SLICE}`],
    ["something more", `jobs:${LEASE}:${SLICE}:x`],
    ["a lease that leads elsewhere", `jobs:../${LEASE}:${SLICE}`],
    ["a host that leads elsewhere", `jobs:${LEASE}/../x:${SLICE}`],
    ["a slice that leads elsewhere", `jobs:${LEASE}:../${SLICE}`],
    ["a slice that goes on", `jobs:${LEASE}:${SLICE}/..`],
    ["a slice of two messages", `jobs:${LEASE}:${SLICE.replace("n1", "n2")}`],
    ["a lock for a lease", `jobs:${LEASE}.lock:${SLICE}`],
    ["a NUL", `jobs:${LEASE}:${SLICE}\0`],
    ["a newline", `jobs:${LEASE}:${SLICE}\n`],
  ] as const)("is refused with %s", ([, text]) => {
    expect(() => parseReceipt(text)).toThrow(expect.objectContaining({ code: "BAD_RECEIPT" }));
  });

  test.for(["", "..", "../jobs", "a/b/c", ".x", "-x"])("with the queue %j is refused", (queue) => {
    expect(() => parseReceipt(`${queue}:${LEASE}:${SLICE}`)).toThrow(
      expect.objectContaining({ code: "BAD_NAME" }),
    );
  });
});

describe("a lease's name", () => {
  test("says since when, for how long, by whom", () => {
    expect(parseLeaseName(LEASE)).toEqual({
      name: LEASE,
      ttlMs: 30_000,
      process: "none",
      host: "host-1",
      sinceMs: 1_767_225_600_000,
    });
  });

  // Its lock lies beside it: were that taken for a lease, a reaper would take every live one away.
  test("is not its lock's name", () => {
    expect(parseLeaseName(`${LEASE}.lock`)).toBeUndefined();
  });

  test.for([
    "",
    "x",
    ".x",
    `${ID}_30000_none`,
    `${ID}_x_none_h`,
    `${LEASE}/x`,
    `../${LEASE}`,
    `${LEASE} `,
  ])("is not %j", (name) => {
    expect(parseLeaseName(name)).toBeUndefined();
  });
});
