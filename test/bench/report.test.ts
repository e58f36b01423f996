/** Goal: each of the two benchmarks writes its part of docs/performance.md, and nothing else of it. */
import { describe, expect, test } from "vitest";

import { keepOthers, peersOf, withPeers } from "./report.ts";

const PEERS = `<!-- made by npm run bench:peers -- --write -->

## Beside its peers

old table

<!-- end of what bench:peers makes -->`;

const HAND = `<!-- kept by the bench: what is below is written by hand -->

## What bounds it

prose
`;

describe("bench --write", () => {
  test("replaces its page, and keeps the peers' table and the prose", () => {
    const old = `# Performance\n\nold\n\n${PEERS}\n\n${HAND}`;
    expect(keepOthers("# Performance\n\nnew\n", old)).toBe(
      `# Performance\n\nnew\n\n${PEERS}\n\n${HAND}`,
    );
  });

  test("keeps either alone, and needs neither", () => {
    expect(keepOthers("new\n", `old\n\n${PEERS}\n`)).toBe(`new\n\n${PEERS}\n`);
    expect(keepOthers("new\n", `old\n\n${HAND}`)).toBe(`new\n\n${HAND}`);
    expect(keepOthers("new\n", "old\n")).toBe("new\n");
    expect(keepOthers("new\n", "")).toBe("new\n");
  });

  test("keeps the peers' table where it stands among the prose, once", () => {
    const old = `old\n\n${HAND}\n${PEERS}\n\nmore prose\n`;
    expect(keepOthers("new\n", old)).toBe(`new\n\n${HAND}\n${PEERS}\n\nmore prose\n`);
  });

  test("twice is as once", () => {
    const once = keepOthers("new\n", `old\n\n${PEERS}\n\n${HAND}`);
    expect(keepOthers("new\n", once)).toBe(once);
  });
});

describe("bench:peers --write", () => {
  const NEW = PEERS.replace("old table", "new table");

  const text = "## Beside its peers\n\nnew table\n";

  test("replaces its table where it is", () => {
    expect(withPeers(`page\n\n${PEERS}\n\n${HAND}`, text)).toBe(`page\n\n${NEW}\n\n${HAND}`);
    expect(withPeers(`page\n\n${HAND}\n${PEERS}\nmore`, text)).toBe(
      `page\n\n${HAND}\n${NEW}\nmore`,
    );
  });

  test("puts the first one before the prose, or at the end", () => {
    expect(withPeers(`page\n\n${HAND}`, text)).toBe(`page\n\n${NEW}\n\n${HAND}`);
    expect(withPeers("page\n", text)).toBe(`page\n\n${NEW}\n`);
  });

  test("and the other bench keeps it", () => {
    const page = withPeers(`old\n\n${HAND}`, text);
    expect(keepOthers("new\n", page)).toBe(`new\n\n${NEW}\n\n${HAND}`);
  });

  test("says the date, the machine, and who is missing", () => {
    const peers = { date: "2027-01-31", machine: "2 cores", rows: "| table |" };
    const made = peersOf({ ...peers, missing: ["nq is not installed"] });
    expect(made).toContain("\n2027-01-31: 2 cores\n\n| table |\n");
    expect(made).toContain("\nNot measured: nq is not installed.\n");
    expect(peersOf({ ...peers, missing: [] })).not.toContain("Not measured");
  });
});
