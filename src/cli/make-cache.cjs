// For the build: runs the hot verbs once, and keeps the code that V8 has made for them.
//
//   node src/cli/make-cache.cjs DIST SCRATCH
const { mkdirSync, readFileSync, writeFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { resolve } = require("node:path");
const { Script } = require("node:vm");

const [dist, scratch] = process.argv.slice(2).map((path) => resolve(path));
const filename = `${dist}/core.cjs`;
const source = readFileSync(filename);
const script = new Script(source.toString("latin1"), { filename });

async function warmUp(main) {
  const env = { SPOOL_DIR: `${scratch}/spool`, XDG_CACHE_HOME: `${scratch}/cache` };
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
  await lookTwice(main, env);
  // The code twice and the source in between: by that entry.ts sees whether it is whole, and of this source.
  const code = script.createCachedData();
  writeFileSync(`${dist}/core.cache`, Buffer.concat([code, source, code]));
  process.exit();
}

/** So many names are worth to be counted once only: the second look takes over from the first. */
async function lookTwice(main, env) {
  mkdirSync(env.XDG_CACHE_HOME);
  for (let at = 0; at < 600; at++) writeFileSync(`${env.SPOOL_DIR}/queues/jobs/dead/${at}`, "");
  await new Promise((done) => setTimeout(done, 100));
  for (let times = 0; times < 2; times++) await main(["status"], env);
}

script.runInThisContext()({}, createRequire(filename), (main) => void warmUp(main));
