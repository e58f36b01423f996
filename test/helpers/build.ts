/** Vitest's global setup: tests of the command line run what `npm run build` makes, so it is built once. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The last that a build writes, and the first. */
const BUILT = ["dist/spool.cjs", "dist/lib/index.js"].map((name) => ROOT + name);

const SOURCES = ["src", "bin/spool", "build.mjs", "package.json", "tsconfig.build.json"].map(
  (name) => ROOT + name,
);

export default function setup(): void {
  if (!isStale()) return;
  const { status, stdout, stderr } = spawnSync("npm", ["run", "build"], {
    cwd: ROOT,
    encoding: "utf8",
    timeout: 120_000,
  });
  if (status !== 0) throw new Error(`npm run build failed\n${stdout}${stderr}`);
}

function isStale(): boolean {
  if (!BUILT.every((path) => existsSync(path))) return true;
  const builtMs = Math.min(...BUILT.map((path) => statSync(path).mtimeMs));
  return SOURCES.some((path) => newestMs(path) > builtMs);
}

function newestMs(path: string): number {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newestMs(`${path}/${name}`)));
}
