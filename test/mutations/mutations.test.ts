/**
 * Goal: the planted bugs still fit the engine: what each replaces is there, once. Whether they are found
 * is for `node test/mutations/run.ts` to say, which takes hours.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { mutated } from "./mutation.ts";
import { MUTATIONS } from "./mutations.ts";

const SRC = join(import.meta.dirname, "../../src");

test.for(MUTATIONS)("$name: it can be planted", (mutation) => {
  const source = readFileSync(join(SRC, mutation.file), "utf8");
  expect(mutated(source, mutation)).not.toBe(source);
  expect(mutation.breaks).toMatch(/^[A-Z].*\.$/);
});

test("each has a name of its own, which a table can hold", () => {
  const names = MUTATIONS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => name.includes("|"))).toEqual([]);
});
