// Builds dist/: the command line as CommonJS chunks, because Node starts those fastest and loads
// only what a verb needs; and the library as ES modules with their types.
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, rmSync } from "node:fs";

import { rolldown } from "rolldown";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));
// Built beside and then put in its place, because others may be running what is there.
rmSync("dist.new", { recursive: true, force: true });
const bundle = await rolldown({
  input: { spool: "src/cli/entry.ts" },
  platform: "node",
  transform: { define: { SPOOL_VERSION: JSON.stringify(version) } },
});
await bundle.write({
  dir: "dist.new",
  format: "cjs",
  minify: true,
  entryFileNames: "[name].cjs",
  chunkFileNames: "cli/[name]-[hash].cjs",
});
await bundle.close();
execFileSync("tsc", ["-p", "tsconfig.build.json", "--outDir", "dist.new/lib"], {
  stdio: "inherit",
});
rmSync("dist", { recursive: true, force: true });
renameSync("dist.new", "dist");
