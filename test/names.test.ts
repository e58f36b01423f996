import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { checkName, checkQueueName, pathOfQueue } from "../src/names.ts";

const badName = expect.objectContaining({ code: "BAD_NAME" });

const BAD = [
  ["nothing", ""],
  ["a step up", ".."],
  ["a path up", "../x"],
  ["a path down", "x/.."],
  ["an absolute path", "/etc"],
  ["300 bytes", "x".repeat(300)],
  ["129 bytes", "x".repeat(129)],
  ["a leading dash", "-rf"],
  ["a leading dot", ".hidden"],
  ["a newline", "a\nb"],
  ["a newline at its end", "a\n"],
  ["a NUL", "a\0b"],
  ["a space", "a b"],
  ["a bell", "\u0007"],
  ["a letter beyond ASCII", "ä"],
  ["a colon, which a receipt has", "a:b"],
  ["a backslash", "a\\b"],
  ["a percent sign", "%2e%2e"],
] as const;

describe("names", () => {
  test.for(["a", "jobs", "Jobs_2", "_", "0", "a.b-c", "a..b", "x".repeat(128)])(
    "%j will do",
    (name) => {
      expect(checkName(name)).toBe(name);
      expect(pathOfQueue(name)).toBe(`queues/${name}`);
    },
  );

  test.for(BAD)("%s is refused", ([, name]) => {
    expect(() => checkName(name)).toThrow(badName);
    expect(() => checkQueueName(name)).toThrow(badName);
    expect(() => pathOfQueue(name)).toThrow(badName);
  });

  test("a subscription is a topic and a name", () => {
    expect(pathOfQueue("logs/archive")).toBe("topics/logs/subscriptions/archive");
  });

  test.for(["a/b/c", "a/", "/a", "/", "a//b", "a/.b", "a/-b", "a/..", "./a"])(
    "%j is refused",
    (name) => {
      expect(() => checkQueueName(name)).toThrow(badName);
    },
  );

  test("no name leads out of the spool", () => {
    const pieces = fc.constantFrom("a", "..", ".", "/", "-", "\0", "\n", "x", "~", "queues");
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 6 }), (list) => {
        let path: string;
        try {
          path = pathOfQueue(list.join(""));
        } catch (error) {
          expect(error).toEqual(badName);
          return;
        }
        expect(path.split("/").every((part) => /^[a-z0-9_][\w.-]*$/i.test(part))).toBe(true);
      }),
    );
  });

  test("a refusal shows the name, cut and quoted", () => {
    expect(() => checkName("\u001b[31m")).toThrow(String.raw`"\u001b[31m"`);
    expect(() => checkName("y".repeat(500))).toThrow(/^not a name: "y{60}…"$/);
  });
});
