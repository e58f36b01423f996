// For the build: runs the hot verbs once, and keeps the code that V8 has made for them.
//
//   node src/cli/make-cache.cjs DIST SCRATCH
const { readFileSync, writeFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { resolve } = require("node:path");
const { Script } = require("node:vm");

const [dist, scratch] = process.argv.slice(2).map((path) => resolve(path));
const filename = `${dist}/core.cjs`;
const script = new Script(readFileSync(filename, "latin1"), { filename });

async function warmUp(main) {
  const env = { SPOOL_DIR: scratch };
  const calls = [
    ["put", "jobs", "-m", "first"],
    ["put", "jobs", "-m", "second"],
    ["put", "jobs", "-m", "third", "-H", "Type: text", "-p", "5", "--delay", "1ms"],
    ["take", "jobs"],
    ["take", "jobs"],
    ["take", "jobs", "--lease", "1m"],
    ["take", "jobs"],
    ["take", "none"],
    ["status"],
  ];
  for (const call of calls) await main(call, env);
  writeFileSync(`${dist}/core.cache`, script.createCachedData());
  process.exit();
}

script.runInThisContext()({}, createRequire(filename), (main) => void warmUp(main));
