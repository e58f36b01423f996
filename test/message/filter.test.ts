import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { Headers } from "../../src/message/batch.ts";
import { parseFilter } from "../../src/message/filter.ts";

const badFilter = expect.objectContaining({
  code: "BAD_VALUE",
  exitCode: 64,
  hint: expect.stringContaining("level=error,app^=web") as string,
});

const takes = (filter: string, headers: Headers): boolean => parseFilter(filter)(headers);

describe("a filter", () => {
  test.for(["", " ", "\t"])("of nothing, %j, takes everything", (filter) => {
    expect(takes(filter, {})).toBe(true);
    expect(takes(filter, { level: "error" })).toBe(true);
  });

  test.for([
    // is, is not
    ["level=error", { level: "error" }, true],
    ["level=error", { level: "errors" }, false],
    ["level=error", { level: "Error" }, false],
    ["level=error", { Level: "error" }, false],
    ["level!=error", { level: "warn" }, true],
    ["level!=error", { level: "error" }, false],
    ["level=", { level: "" }, true],
    ["level=", { level: "x" }, false],
    ["level!=", { level: "" }, false],
    // the beginning, the end, the middle
    ["app^=web", { app: "web-1" }, true],
    ["app^=web", { app: "my-web" }, false],
    ["app$=-1", { app: "web-1" }, true],
    ["app$=-1", { app: "web-12" }, false],
    ["app*=eb", { app: "web" }, true],
    ["app*=eb", { app: "e-b" }, false],
    ["app^=", { app: "" }, true],
    // numbers: 9 is less than 10, which as text it is not
    ["size<10", { size: "9" }, true],
    ["size<10", { size: "10" }, false],
    ["size<=10", { size: "10.0" }, true],
    ["size<=10", { size: "10.5" }, false],
    ["size>-1", { size: "0" }, true],
    ["size>-1", { size: "-1" }, false],
    ["size>=1e3", { size: "1000" }, true],
    ["size>=1e3", { size: "999" }, false],
    // what is no number compares with none
    ["size<10", { size: "small" }, false],
    ["size>=0", { size: "" }, false],
    ["size>=0", { size: " " }, false],
    ["size>=0", { size: "1,000" }, false],
    // there, not there
    ["trace", { trace: "" }, true],
    ["trace", {}, false],
    ["!trace", {}, true],
    ["!trace", { trace: "" }, false],
    // a bar: one of these; with !=, none of them
    ["level=error|fatal", { level: "fatal" }, true],
    ["level=error|fatal", { level: "warn" }, false],
    ["level!=debug|trace", { level: "trace" }, false],
    ["level!=debug|trace", { level: "info" }, true],
    ["app^=web|api", { app: "api-3" }, true],
    ["size>=100|7", { size: "8" }, true],
    ["a=x|", { a: "" }, true],
    // a comma: all of these
    ["level=error,app^=web", { level: "error", app: "web" }, true],
    ["level=error,app^=web", { level: "error", app: "api" }, false],
    ["level=error,app^=web", { level: "warn", app: "web" }, false],
    ["size>1,size<3", { size: "2" }, true],
    ["size>1,size<3", { size: "3" }, false],
  ] as const)("%s of %j: %j", ([filter, headers, expected]) => {
    expect(takes(filter, headers)).toBe(expected);
  });

  test.for([
    ["a=x", false],
    ["a!=x", true],
    ["a^=x", false],
    ["a$=x", false],
    ["a*=", false],
    ["a<1", false],
    ["a<=1", false],
    ["a>1", false],
    ["a>=1", false],
    ["a", false],
    ["!a", true],
  ] as const)("%s of a header that is missing: %j", ([filter, expected]) => {
    expect(takes(filter, { b: "x" })).toBe(expected);
  });

  test.for(["toString", "__proto__", "constructor", "hasOwnProperty"])(
    "%s is there only where somebody gave it",
    (name) => {
      expect(takes(name, {})).toBe(false);
      expect(takes(`!${name}`, {})).toBe(true);
      const given = JSON.parse(`{"${name}":"x"}`) as Headers;
      expect(takes(`${name}=x`, given)).toBe(true);
    },
  );

  test.for([
    ['a="x,y"', "x,y"],
    ['a="x|y"', "x|y"],
    ['a="say \\"hi\\""', 'say "hi"'],
    ['a="back\\\\slash"', "back\\slash"],
    ['a="ends in a space "', "ends in a space "],
    ['a=""', ""],
    ['a="b"|"c,d"', "c,d"],
    ["a=two words", "two words"],
    ["a = x ", "x"],
    [" a= x", "x"],
    ["a=ü€😀", "ü€😀"],
    ["a=x=y", "x=y"],
    ['a="=x"', "=x"],
    ["a=!x", "!x"],
    ["a=back\\slash", "back\\slash"],
  ] as const)("%s takes the value %j", ([filter, value]) => {
    expect(takes(filter, { a: value })).toBe(true);
    expect(takes(filter, { a: `${value}.` })).toBe(false);
    expect(takes(`${filter},b`, { a: value, b: "" })).toBe(true);
  });
});

describe("what is no filter", () => {
  test.for([
    ["an operator alone", "=", "="],
    ["a comma alone", ",", ","],
    ["a comma at its end", "a=x,", "at its end"],
    ["two commas", "a=x,,b=y", ",b=y"],
    ["a name with a space", "a b=x", "b=x"],
    ["a name beyond ASCII", "ä=x", "ä=x"],
    ["not, with an operator", "!a=x", "!a=x"],
    ["not, twice", "!!a", "!!a"],
    ["not, of nothing", "!", "!"],
    ["a quote that does not end", 'a="x', '\\"x'],
    ["something after a quote", 'a="x"y', "y"],
    ["a quote in the middle", 'a=x"y"', '\\"y\\"'],
    ["an escape of nothing", 'a="\\n"', '\\"'],
    ["a number that is none", "a<ten", "ten"],
    ["no number at all", "a>=", "at its end"],
    ["a number that is none, among others", "a<1|x", "1|x"],
    ["an operator behind a bar", "a<1|>9", "1|>9"],
    ["an operator that is none", "a~=x", "~=x"],
    ["an operator of a programmer", "a==x", "=x"],
    ["the same, after a space", "a= =x", "=x"],
    ["the same, behind a bar", "a=y|=x", "=x"],
  ] as const)("%s, %s, is refused where it is wrong", ([, filter, place]) => {
    expect(() => parseFilter(filter)).toThrow(badFilter);
    expect(() => parseFilter(filter)).toThrow(/^not a filter: "[^\n]*", at /);
    expect(() => parseFilter(filter)).toThrow(place);
  });

  test("anything is read, or refused in one line", () => {
    const pieces = fc.constantFrom("a", "=", "!", "^=", "<", "1", '"', "\\", ",", "|", " ", "\n");
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (list) => {
        const text = list.join("");
        try {
          expect(typeof parseFilter(text)({ a: "1" })).toBe("boolean");
        } catch (error) {
          expect(error).toEqual(badFilter);
          expect((error as Error).message).not.toContain("\n");
        }
      }),
      { numRuns: 2000 },
    );
  });
});

interface Term {
  readonly name: string;
  readonly operator: string;
  readonly values: readonly string[];
}

const value = fc.oneof(
  fc.constantFrom("", "error", "web", "web-1", "10", "9", "-1.5", 'a,"b|', " x "),
  fc.string({ maxLength: 4 }).filter((text) => !/[\n\r\0]/.test(text)),
);
const number = fc.constantFrom("9", "10", "-1.5", "1e3");
const name = fc.constantFrom("level", "app", "x-1");
const headersOfAnyKind = fc.dictionary(name, value, { noNullPrototype: true });

const term: fc.Arbitrary<Term> = fc.oneof(
  fc.record({
    name,
    operator: fc.constantFrom("=", "!=", "^=", "$=", "*="),
    values: fc.array(value, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    name,
    operator: fc.constantFrom("<", "<=", ">", ">="),
    values: fc.array(number, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ name, operator: fc.constantFrom("there", "not there"), values: fc.constant([]) }),
);

const quoted = (text: string): string =>
  `"${text.replaceAll("\\", "\\\\").replaceAll('"', String.raw`\"`)}"`;

function textOf({ name: header, operator, values }: Term): string {
  if (operator === "there") return header;
  if (operator === "not there") return `!${header}`;
  return `${header}${operator}${values.map(quoted).join("|")}`;
}

/** What the term means, said anew. */
function means({ name: header, operator, values }: Term, headers: Headers): boolean {
  const found = new Map(Object.entries(headers)).get(header);
  if (operator === "there") return found !== undefined;
  if (operator === "not there") return found === undefined;
  if (operator === "!=") return found === undefined || !values.includes(found);
  if (found === undefined) return false;
  const figure = Number(found);
  const isFigure = found.trim() !== "" && !Number.isNaN(figure);
  switch (operator) {
    case "=":
      return values.includes(found);
    case "^=":
      return values.some((wanted) => found.slice(0, wanted.length) === wanted);
    case "$=":
      return values.some((wanted) => wanted === "" || found.slice(-wanted.length) === wanted);
    case "*=":
      return values.some((wanted) => found.indexOf(wanted) !== -1);
    case "<":
      return isFigure && values.some((wanted) => figure < Number(wanted));
    case "<=":
      return isFigure && values.some((wanted) => figure <= Number(wanted));
    case ">":
      return isFigure && values.some((wanted) => figure > Number(wanted));
    default:
      return isFigure && values.some((wanted) => figure >= Number(wanted));
  }
}

test("any filter takes what a plain reading of it takes", () => {
  fc.assert(
    fc.property(
      fc.array(term, { minLength: 1, maxLength: 3 }),
      headersOfAnyKind,
      (terms, headers) => {
        const expected = terms.every((one) => means(one, headers));
        expect(takes(terms.map(textOf).join(","), headers)).toBe(expected);
        expect(takes(terms.map(textOf).join(" , "), headers)).toBe(expected);
      },
    ),
    { numRuns: 2000 },
  );
});
