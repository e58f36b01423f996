/**
 * A copy of the tree in which a bug is planted. The tree itself is never touched, so others may work in it.
 *
 * In the copy the tests do not say how many calls there are to die at: a bug that only costs a call more
 * or less is not found by counting, but by what it breaks.
 */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { mutated } from "./mutation.ts";
import type { Mutation } from "./mutation.ts";

const ROOT = join(import.meta.dirname, "../..");

const CONFIG = `export default { test: { include: ["test/**/*.test.ts"], testTimeout: 90_000 } };\n`;

/** What the crash tests expect where they count calls: `[14, 14]`, `expect(crashes).toBe(15)`. */
const COUNTS = /\[\d+, \d+\]/g;
const COUNT = /expect\(crashes\)\.toBe\(\d+\)/g;

export class Workplace {
  readonly dir: string;

  constructor() {
    this.dir = fs.mkdtempSync(join(tmpdir(), "mutation-"));
    process.once("exit", () => this.remove());
    fs.cpSync(join(ROOT, "package.json"), join(this.dir, "package.json"));
    fs.cpSync(join(ROOT, "tsconfig.json"), join(this.dir, "tsconfig.json"));
    fs.symlinkSync(join(ROOT, "node_modules"), join(this.dir, "node_modules"));
    fs.writeFileSync(join(this.dir, "vitest.config.ts"), CONFIG);
    const sources = { extends: "./tsconfig.json", include: ["src"] };
    fs.writeFileSync(join(this.dir, "tsconfig.src.json"), JSON.stringify(sources));
    fs.cpSync(join(ROOT, "test"), join(this.dir, "test"), { recursive: true });
    for (const name of fs.globSync("test/crash/*.test.ts", { cwd: this.dir })) {
      const text = fs.readFileSync(join(this.dir, name), "utf8");
      const uncounted = text
        .replaceAll(COUNTS, "[expect.any(Number), expect.any(Number)]")
        .replaceAll(COUNT, "expect(crashes).toBeGreaterThan(0)");
      fs.writeFileSync(join(this.dir, name), uncounted);
    }
  }

  /** The sources as they are, with this bug, or with none. @throws where it does not fit. */
  plant(mutation?: Mutation): void {
    const src = join(this.dir, "src");
    fs.rmSync(src, { recursive: true, force: true });
    fs.cpSync(join(ROOT, "src"), src, { recursive: true });
    if (mutation === undefined) return;
    const path = join(src, mutation.file);
    fs.writeFileSync(path, mutated(fs.readFileSync(path, "utf8"), mutation));
  }

  /** The test files whose path starts like that. */
  tests(prefix: string): string[] {
    const files = fs.globSync("test/**/*.test.ts", { cwd: this.dir });
    return files.filter((file) => file.startsWith(prefix)).toSorted();
  }

  remove(): void {
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
