// For the build: runs the hot verbs once, and keeps the code that V8 has made for them.
//
//   node src/cli/make-cache.cjs DIST SCRATCH
const { readFileSync, writeFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { resolve } = require("node:path");
const { Script } = require("node:vm");

const [dist, scratch] = process.argv.slice(2).map((path) => resolve(path));
const filename = `${dist}/core.cjs`;
const source = readFileSync(filename);
const script = new Script(source.toString("latin1"), { filename });

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
  ];
  for (const call of calls) await main(call, env);
  // The code twice and the source in between: by that entry.ts sees whether it is whole, and of this source.
  const code = script.createCachedData();
  writeFileSync(`${dist}/core.cache`, Buffer.concat([code, source, code]));
  process.exit();
}

script.runInThisContext()({}, createRequire(filename), (main) => void warmUp(main));
