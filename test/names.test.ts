import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  checkName,
  checkQueueName,
  checkSubscriptionName,
  checkTopicName,
  isPattern,
  matchesTopic,
  pathOfQueue,
  pathOfTopic,
  topicOfDirectory,
} from "../src/names.ts";

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

describe("patterns", () => {
  test.for([
    ["logs", "logs"],
    ["*", "*"],
    ["#", "#"],
    [">", "*.#"],
    ["logs.>", "logs.*.#"],
    ["logs.*.error", "logs.*.error"],
    ["*.error", "*.error"],
    ["#.error.#", "#.error.#"],
    ["logs..*", "logs..*"],
    ["a_b.c-d.#", "a_b.c-d.#"],
    [`${"x".repeat(124)}.*`, `${"x".repeat(124)}.*`],
    [`${"x".repeat(122)}.>`, `${"x".repeat(122)}.*.#`],
  ] as const)("%j is kept as %j", ([name, kept]) => {
    expect(checkTopicName(name)).toBe(kept);
    expect(checkTopicName(kept)).toBe(kept);
    expect(isPattern(kept)).toBe(kept !== "logs");
    expect(checkSubscriptionName(`${name}/a`)).toEqual({ topic: kept, subscription: "a" });
  });

  test.for([
    ["a star in a word", "lo*s"],
    ["a star before a word", "*a"],
    ["two stars", "**"],
    ["a hash in a word", "logs#"],
    ["two hashes", "##"],
    ["> in the middle", "logs.>.error"],
    ["> in a word", "logs>"],
    ["> twice", ">.>"],
    ["nothing before the first dot", ".*"],
    ["a leading dash", "-a.*"],
    ["a slash", "a/*"],
    ["what it is called on the disk", "logs.+"],
    ["a space", "a b.*"],
    ["a letter beyond ASCII", "ä.*"],
    ["a newline", "*\n"],
    ["a NUL", "*\0"],
    ["129 bytes", `${"x".repeat(127)}.*`],
  ] as const)("%s, %j, is refused", ([, name]) => {
    expect(() => checkTopicName(name)).toThrow(badName);
    expect(() => checkQueueName(`${name}/a`)).toThrow(badName);
    expect(() => checkSubscriptionName(`${name}/a`)).toThrow(badName);
    expect(() => pathOfTopic(name)).toThrow(badName);
  });

  // The length is taken before > becomes *.#, so the directory that is made is no topic's any more.
  test("what is accepted is accepted again as it is kept, however long", () => {
    for (const length of [122, 123, 124]) {
      let kept: string;
      try {
        kept = checkTopicName(`${"x".repeat(length)}.>`);
      } catch {
        continue;
      }
      expect(checkTopicName(kept)).toBe(kept);
    }
  });

  test("stand for topics, not for queues or subscriptions", () => {
    for (const name of ["*", "#", ">", "logs.*"]) {
      expect(() => checkName(name)).toThrow(badName);
      expect(() => checkQueueName(name)).toThrow(badName);
      expect(() => checkQueueName(`logs/${name}`)).toThrow(badName);
    }
  });

  test("a subscription is named by its topic, too", () => {
    expect(() => checkSubscriptionName("logs")).toThrow(badName);
    for (const name of ["", "/", "/a", "logs/", "logs/a/b", "logs/.a", "logs/-a"]) {
      expect(() => checkSubscriptionName(name)).toThrow(badName);
    }
  });

  test("live in a directory that every file system can name", () => {
    expect(pathOfTopic("logs.>")).toBe("topics/logs.+.#");
    expect(pathOfQueue("*.error/alerts")).toBe("topics/+.error/subscriptions/alerts");
  });

  test.for(["*", "logs.*", "a+b", "logs.>", ">", ".x", "-x", "", "..", "a b", "++", ".removed-1"])(
    "a directory %j is no topic's",
    (directory) => {
      expect(topicOfDirectory(directory)).toBeUndefined();
    },
  );
});

const word = fc.constantFrom("a", "b", "ab", "");
const topicName = fc
  .array(word, { minLength: 1, maxLength: 5 })
  .filter(([first]) => first !== "")
  .map((words) => words.join("."));
const pattern = fc
  .array(fc.oneof(word, fc.constantFrom("*", "#")), { minLength: 1, maxLength: 5 })
  .filter(([first]) => first !== "")
  .map((words) => words.join("."));

/** The same by another road: a word with the dot before it is one step. */
function asRegExp(text: string): RegExp {
  const steps = text.split(".").map((one) => {
    if (one === "#") return "(?:,[^,]*)*";
    return one === "*" ? ",[^,]*" : `,${one}`;
  });
  return new RegExp(`^${steps.join("")}$`);
}

describe("a pattern matches", () => {
  test.for([
    ["logs.*", "logs.web", true],
    ["logs.*", "logs", false],
    ["logs.*", "logs.web.error", false],
    ["logs.#", "logs", true],
    ["logs.#", "logs.web.error", true],
    ["logs.*.#", "logs", false],
    ["logs.*.#", "logs.web", true],
    ["#", "logs", true],
    ["#.error", "error", true],
    ["#.error", "logs.web.error", true],
    ["#.error", "logs.error.web", false],
    ["*.*.error", "logs.web.error", true],
    ["logs.*.error", "logsXweb.error", false],
    ["#.a.#.b.#", "a.x.b", true],
    ["#.a.#.b.#", "b.a", false],
    ["logs", "logs", true],
    ["logs", "log", false],
  ] as const)("%s: %s: %j", ([one, topic, expected]) => {
    expect(matchesTopic(one, topic)).toBe(expected);
  });

  test("what a regular expression of it matches", () => {
    fc.assert(
      fc.property(pattern, topicName, (one, topic) => {
        const expected = asRegExp(one).test(`,${topic.replaceAll(".", ",")}`);
        expect(matchesTopic(one, topic)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  test("in a time that does not explode", () => {
    const many = Array.from({ length: 40 }, () => "#.a").join(".");
    expect(matchesTopic(many, Array.from({ length: 60 }, () => "a").join("."))).toBe(true);
    expect(matchesTopic(`${many}.b`, Array.from({ length: 60 }, () => "a").join("."))).toBe(false);
  });
});

test("the name of a topic or a pattern comes back from its directory", () => {
  fc.assert(
    fc.property(fc.oneof(pattern, topicName), (name) => {
      const directory = pathOfTopic(name).slice("topics/".length);
      expect(directory).not.toMatch(/[*>/]/);
      expect(topicOfDirectory(directory)).toBe(checkTopicName(name));
    }),
  );
});
