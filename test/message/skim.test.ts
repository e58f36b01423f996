/** Goal: skimming a name is reading it. Method: names by chance, whole and changed, read both ways. */
import * as fc from "fast-check";
import { expect, test } from "vitest";

import { timeOfId } from "../../src/message/id.ts";
import { Skimmer } from "../../src/message/skim.ts";
import { FENCE, formatSlice, parseHeldName, parseSlice } from "../../src/message/slice.ts";
import { randomRuns } from "../helpers/model-chance.ts";
import { anySlice } from "../helpers/model-slices.ts";

/** One skimmer for all, as it is used: nothing of a name may be left for the next one. */
const skimmer = new Skimmer();

function skimmed(name: string, isHeld: boolean): unknown {
  if (!(isHeld ? skimmer.readHeld(name) : skimmer.read(name))) return undefined;
  const { visibleMs, timeMs, count, bytes, attempts, expiresMs } = skimmer;
  return { visibleMs, timeMs, count, bytes, attempts, expiresMs };
}

function read(name: string, isHeld: boolean): unknown {
  const slice = isHeld ? parseHeldName(name) : parseSlice(name);
  if (slice === undefined) return undefined;
  const { visibleMs, batch, count, bytes, attempts, expiresMs = Infinity } = slice;
  return { visibleMs, timeMs: timeOfId(batch), count, bytes, attempts, expiresMs };
}

const character = fc.oneof(
  fc.constantFrom(...Array.from("0123456789-nobarxcy~abfzil./ :`{@é")),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
);
const edit = fc.record({
  at: fc.nat(),
  text: fc.array(character, { maxLength: 2 }).map((all) => all.join("")),
  cut: fc.nat(2),
});

test("a name says the same skimmed, also where something was changed in it", () => {
  const scene = fc.record({
    slice: anySlice,
    edits: fc.array(edit, { maxLength: 2 }),
    isFenced: fc.boolean(),
    isHeld: fc.boolean(),
  });
  let taken = 0;
  fc.assert(
    fc.property(scene, ({ slice, edits, isFenced, isHeld }) => {
      let name = (isFenced ? FENCE : "") + formatSlice(slice);
      for (const { at, text, cut } of edits) {
        const place = at % (name.length + 1);
        name = name.slice(0, place) + text + name.slice(place + cut);
      }
      const said = read(name, isHeld);
      if (said !== undefined && edits.length > 0) taken++;
      expect(skimmed(name, isHeld)).toEqual(said);
    }),
    randomRuns(10_000),
  );
  // Changed names are no use as a test where none of them is a slice's.
  expect(taken).toBeGreaterThan(50);
});

test("what is cut off anywhere is read as it is read whole", () => {
  fc.assert(
    fc.property(anySlice, (slice) => {
      const name = formatSlice(slice);
      for (let end = 0; end <= name.length; end++) {
        const part = name.slice(0, end);
        expect(skimmed(part, false)).toEqual(read(part, false));
      }
    }),
    randomRuns(100),
  );
});

test("the fields that not every name has come in one order only", () => {
  const fields = ["-r2", "-x1767225600000", "-c0123abcd", `-y${"0".repeat(26)}`];
  const front = `5-1767225600000-${"0".repeat(26)}-0000000-n2-o0-b1-a0`;
  for (let mask = 0; mask < 4 ** 4; mask++) {
    const chosen = [0, 1, 2, 3].map((digit) => fields[(mask >> (2 * digit)) & 3]);
    for (let count = 0; count <= 4; count++) {
      const name = front + chosen.slice(0, count).join("");
      expect(skimmed(name, false)).toEqual(read(name, false));
    }
  }
});
