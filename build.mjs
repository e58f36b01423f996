// Builds dist/: the command line as CommonJS, because Node starts that fastest, and the library as ES
// modules with their types.
//
//   spool.cjs             a few lines that load core.cjs
//   core.cjs, core.cache  what the hot verbs need, in one file, and V8's code for it
//   cli/                  the other verbs, each in a file of its own
//   tui/main.mjs          the screen of `spool top`, with Ink and React in it; an ES module, because Ink is one
//                         that awaits as it loads, which CommonJS cannot
//   lib/                  the library
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { rolldown } from "rolldown";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const CORE = "src/cli/core.ts";
// Built beside and then put in its place, because others may be running, or building, what is there.
const NEW = `dist.${process.pid}`;
const OLD = `${NEW}.old`;
process.on("exit", () => {
  for (const dir of [NEW, OLD]) rmSync(dir, { recursive: true, force: true });
});

// Each file that is loaded costs more than its bytes, so all that the hot verbs import by themselves is one.
async function modulesOf(input) {
  const found = new Set();
  const graph = {
    name: "graph",
    buildEnd() {
      const ids = [...this.getModuleIds()].filter((id) => this.getModuleInfo(id)?.isEntry);
      for (const id of ids) {
        if (found.has(id)) continue;
        found.add(id);
        ids.push(...this.getModuleInfo(id).importedIds);
      }
    },
  };
  const made = await rolldown({ input, platform: "node", plugins: [graph, screen] });
  await made.generate();
  await made.close();
  return found;
}

// Where a verb imports the screen it finds what is built of it.
const screen = {
  name: "screen",
  resolveId: (id) =>
    id.endsWith("/tui/main.tsx") ? { id: "../tui/main.mjs", external: true } : null,
};

async function bundle(input, options = {}) {
  const made = await rolldown({
    input,
    platform: "node",
    plugins: [screen],
    transform: { define: { SPOOL_VERSION: JSON.stringify(version) } },
  });
  await made.write({
    dir: NEW,
    format: "cjs",
    minify: true,
    entryFileNames: "[name].cjs",
    chunkFileNames: "cli/[name]-[hash].cjs",
    ...options,
  });
  await made.close();
}

async function bundleScreen() {
  const made = await rolldown({
    input: { main: "./src/tui/main.tsx" },
    platform: "node",
    // Only for who develops Ink itself, by DEV=true.
    external: ["react-devtools-core"],
    // React for developers takes several times as long for each frame.
    transform: { define: { "process.env.NODE_ENV": '"production"' } },
  });
  await made.write({
    dir: join(NEW, "tui"),
    format: "esm",
    minify: true,
    entryFileNames: "[name].mjs",
    chunkFileNames: "[name]-[hash].mjs",
  });
  await made.close();
}

const ascii = (text) =>
  text.replaceAll(/[^\0-\x7f]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

await bundle({ spool: "src/cli/entry.ts" });
const core = await modulesOf({ core: CORE });
await bundle(
  { core: CORE },
  {
    codeSplitting: {
      groups: [{ name: "core", test: (id) => core.has(id) || id.includes("rolldown/runtime") }],
    },
  },
);
await bundleScreen();
const file = join(NEW, "core.cjs");
writeFileSync(file, `(function(exports,require,start){${ascii(readFileSync(file, "utf8"))}\n})`);
// The code of what ran in these is in the cache; the spool that they work on is thrown away. V8 takes code only where
// it has the flags that it had when it made it.
const [, flags] = /^flags="(--.*)"$/m.exec(readFileSync("bin/spool", "utf8"));
const scratch = mkdtempSync(join(tmpdir(), "spool-build-"));
try {
  execFileSync(process.execPath, [...flags.split(" "), "src/cli/make-cache.cjs", NEW, scratch], {
    stdio: ["ignore", "ignore", "inherit"],
  });
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
execFileSync("tsc", ["-p", "tsconfig.build.json", "--outDir", join(NEW, "lib")], {
  stdio: "inherit",
});
if (existsSync("dist")) renameSync("dist", OLD);
renameSync(NEW, "dist");
