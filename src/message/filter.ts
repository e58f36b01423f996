/**
 * Filters: which messages a subscription gets, by their headers.
 *
 *   level=error,app^=web       both terms must hold
 *   level=error|fatal          one of these values
 *
 * A term is a header's name, an operator and a value:
 *
 *   =  !=          is, is not                      ^=  $=  *=     starts with, ends with, contains
 *   <  <=  >  >=   as numbers                      name  !name    is there, is not there
 *
 * A header that is missing satisfies `!=` and `!name` only. A value that holds a comma, a bar or a
 * quote, that starts with `=` or ends with a space, or has what looks like another term, stands in double quotes, with \" and \\ inside. Names are
 * compared as they are, letter by letter. Pure.
 */
import { quote, SpoolError } from "../errors.ts";
import type { Headers } from "./batch.ts";

export type Filter = (headers: Headers) => boolean;

const TEST: Readonly<Record<string, (value: string, wanted: string) => boolean>> = {
  "=": (value, wanted) => value === wanted,
  "^=": (value, wanted) => value.startsWith(wanted),
  "$=": (value, wanted) => value.endsWith(wanted),
  "*=": (value, wanted) => value.includes(wanted),
  "<": (value, wanted) => numberOf(value) < numberOf(wanted),
  "<=": (value, wanted) => numberOf(value) <= numberOf(wanted),
  ">": (value, wanted) => numberOf(value) > numberOf(wanted),
  ">=": (value, wanted) => numberOf(value) >= numberOf(wanted),
};

/** Not a number: then no comparison holds. */
const numberOf = (text: string): number => (text.trim() === "" ? Number.NaN : Number(text));

const TERM = /\s*(?:(!?)([A-Za-z0-9._-]+)\s*(=|!=|\^=|\$=|\*=|<=|>=|<|>)?)/y;
const VALUE = /\s*(?:"((?:[^"\\]|\\["\\])*)"|([^,|"]*))\s*/y;

/** Reads an expression; an empty one takes everything. @throws BAD_VALUE */
export function parseFilter(text: string): Filter {
  if (text.trim() === "") return () => true;
  const terms: Filter[] = [];
  for (let at = 0; ;) {
    const [term, end] = parseTerm(text, at);
    terms.push(term);
    if (end === text.length) break;
    if (text[end] !== ",") throw badFilter(text, end);
    at = end + 1;
  }
  return (headers) => terms.every((term) => term(headers));
}

function parseTerm(text: string, from: number): [term: Filter, end: number] {
  TERM.lastIndex = from;
  const match = TERM.exec(text);
  if (match === null) throw badFilter(text, from);
  const [, not, name = "", operator] = match;
  const at = TERM.lastIndex;
  const valueOf = (headers: Headers): string | undefined =>
    Object.hasOwn(headers, name) ? headers[name] : undefined;
  if (operator === undefined) {
    const isThere: Filter = (headers) => (valueOf(headers) === undefined) === (not === "!");
    return [isThere, skipSpace(text, at)];
  }
  if (not === "!") throw badFilter(text, from);
  const [values, end] = parseValues(text, at);
  const isNegated = operator === "!=";
  const test = TEST[isNegated ? "=" : operator]!;
  if (/^[<>]/.test(operator) && values.some((value) => Number.isNaN(numberOf(value)))) {
    throw badFilter(text, at);
  }
  const holds: Filter = (headers) => {
    const value = valueOf(headers);
    if (value === undefined) return isNegated;
    return values.some((wanted) => test(value, wanted)) !== isNegated;
  };
  return [holds, end];
}

function parseValues(text: string, from: number): [values: string[], end: number] {
  const values: string[] = [];
  for (let at = from; ;) {
    VALUE.lastIndex = at;
    const match = VALUE.exec(text);
    if (match === null) throw badFilter(text, at);
    const [, quoted, bare = ""] = match;
    // Slips, and no values: `level==error`, `level=error app=web`.
    if (/^\s*=|\s\S*[=<>]/.test(bare.trimEnd())) throw badFilter(text, at);
    values.push(quoted === undefined ? bare.trim() : quoted.replaceAll(/\\(.)/g, "$1"));
    at = VALUE.lastIndex;
    if (text[at] !== "|") return [values, at];
    at++;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === " ") at++;
  return at;
}

function badFilter(text: string, at: number): SpoolError {
  const place = at >= text.length ? "at its end" : `at ${quote(text.slice(at, at + 20))}`;
  return new SpoolError(
    "BAD_VALUE",
    `not a filter: ${quote(text)}, ${place}`,
    "Give it like level=error,app^=web.",
  );
}
