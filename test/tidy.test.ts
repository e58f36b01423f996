/** Goal: the house stays as it was drawn. Method: its files are read as text. */
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";

import { describe, expect, test } from "vitest";

import { EXIT_CODES } from "../src/errors.ts";

/** Who may import whom. A room may always import itself and the files directly in src/. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  disk: [],
  message: [],
  queue: ["disk", "message"],
  topic: ["disk", "message", "queue"],
  stats: ["disk", "message", "queue", "topic"],
  bench: ["disk", "queue"],
  cli: ["message", "queue", "topic", "stats", "bench", "tui"],
  tui: ["stats"],
};

/** Single files that another room may use all the same. */
const EXCEPTIONS: readonly string[] = [
  "cli > disk/stdio.ts",
  "cli > disk/payload-file.ts",
  "cli > disk/probe.ts",
  "cli > disk/text-file.ts",
  "tui > disk/edit-file.ts",
  // It loads the rest.
  "cli/entry.ts > node:fs",
];

/** Modules that only one room may touch. */
const RESERVED: Readonly<Record<string, string>> = {
  "node:fs": "disk",
  "node:fs/promises": "disk",
  fs: "disk",
  "fs/promises": "disk",
  chokidar: "disk",
  "proper-lockfile": "disk",
  commander: "cli",
  ink: "tui",
  react: "tui",
};

/** Drawers, into which anything goes. */
const DRAWERS = /(^|[/.-])(utils?|helpers?|common|managers?|services?|lib|misc)([/.-]|$)/i;

const FILE_LINES = 300;

const SRC = join(import.meta.dirname, "../src");
const files = globSync("**/*.{ts,tsx}", { cwd: SRC }).toSorted();

function roomOf(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : "";
}

/** Everything that a source imports, now or by `import()`. */
function importsOf(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  return [...code.matchAll(/\b(?:from|import|require)\s*\(?\s*["'`]([^"'`\n]+)["'`]/g)].map(
    ([, specifier = ""]) => specifier,
  );
}

/** What is wrong with an import, or undefined. */
function complaint(file: string, specifier: string): string | undefined {
  const room = roomOf(file);
  if (!specifier.startsWith(".")) {
    const owner = RESERVED[specifier];
    return owner === undefined || owner === room || EXCEPTIONS.includes(`${file} > ${specifier}`)
      ? undefined
      : `src/${file} imports ${specifier}, which belongs to ${owner}/`;
  }
  const target = relative(SRC, join(SRC, dirname(file), specifier));
  const isAllowed = ["", room, ...(ALLOWED[room] ?? [])].includes(roomOf(target));
  return isAllowed || EXCEPTIONS.includes(`${room} > ${target}`)
    ? undefined
    : `src/${file} imports ${target}: ${room || "src"}/ may not know ${roomOf(target)}/`;
}

describe("rooms", () => {
  test("there are files to look at", () => {
    expect(files.length).toBeGreaterThan(40);
    expect(importsOf(readFileSync(join(SRC, "disk/bell.ts"), "utf8"))).toContain("chokidar");
  });

  // spool.ts and index.ts wire the rooms together; the rest of the floor stands under all of them.
  test.for(files.filter((file) => !["spool.ts", "index.ts"].includes(file)))(
    "src/%s imports only what its room may",
    (file) => {
      const specifiers = importsOf(readFileSync(join(SRC, file), "utf8"));
      expect(specifiers.flatMap((specifier) => complaint(file, specifier) ?? [])).toEqual([]);
    },
  );

  test("every room is drawn", () => {
    const drawn = Object.keys(ALLOWED);
    const rooms = new Set(files.map(roomOf).filter((room) => room !== ""));
    expect([...rooms].filter((room) => !drawn.includes(room))).toEqual([]);
  });

  test.for([
    ["message/id.ts", `import { x } from "../queue/lease.ts";`],
    ["message/id.ts", `import * as fs from "node:fs";`],
    ["queue/put.ts", `const { watch } = await import("chokidar");`],
    ["stats/x.ts", `export { main } from "../cli/main.ts";`],
    ["tui/x.ts", `import("../queue/queue.ts")`],
    ["errors.ts", `import type { X } from "./queue/queue.ts";`],
    ["cli/x.ts", `import "../disk/durable.ts";`],
  ] as const)("a wrong import is found: in %s, %s", ([file, source]) => {
    expect(importsOf(source).map((specifier) => complaint(file, specifier))).not.toContain(
      undefined,
    );
    expect(importsOf(source)).toHaveLength(1);
  });
});

describe("files", () => {
  test.for(files)(`src/%s has ${FILE_LINES} lines at the most, and no drawer's name`, (file) => {
    const lines = readFileSync(join(SRC, file), "utf8").trimEnd().split("\n").length;
    expect(lines).toBeLessThanOrEqual(FILE_LINES);
    expect(DRAWERS.test(file), `${basename(file)} is a drawer`).toBe(false);
  });

  test("a drawer's name is found", () => {
    for (const name of [
      "utils.ts",
      "cli/helpers.ts",
      "queue/common/x.ts",
      "queue/lease-manager.ts",
    ]) {
      expect(DRAWERS.test(name)).toBe(true);
    }
  });
});

describe("errors", () => {
  test.for(Object.keys(EXIT_CODES))("%s has its section in docs/errors.md", (code) => {
    const page = readFileSync(join(SRC, "../docs/errors.md"), "utf8");
    const headings = page.split("\n").filter((line) => line.startsWith("#"));
    expect(headings.some((line) => new RegExp(`\\b${code}\\b`).test(line))).toBe(true);
  });
});
