/**
 * The program's first lines: the right Node, then the command line, then its exit code.
 *
 * The command line is compiled from V8's cache, which `npm run build` makes with the Node that it is for:
 * that halves what a put costs beyond Node's own start. A cache of another Node, or of other flags, is refused by
 * V8, and the source is compiled. But V8 trusts its bytes, and of the source looks at the length alone: one that was
 * torn by a power cut ends the process by a signal. So the cache file holds V8's code twice, and between both the
 * source that it was made of. Comparing them is the cheapest check that there is: a sum in JavaScript takes longer
 * than a put, and so does loading zlib. Plain JavaScript of old, because an old Node reads this, too.
 */
import { readFileSync } from "node:fs";
import { Script } from "node:vm";

import type { main } from "./main.ts";

const NEEDED = 24;

if (Number.parseInt(process.versions.node, 10) < NEEDED) {
  process.stderr.write(
    `spool: needs Node ${NEEDED} or newer; this is ${process.version}. Run npm install in its directory, or install a newer one.\n`,
  );
  process.exit(78);
}

type Core = (exports: object, load: NodeJS.Require, start: (run: typeof main) => void) => void;

/** Status 1 would say to a script what `verify` says with it. */
const BROKEN = 70;

function fail(error: unknown): never {
  const what = error instanceof Error ? String(error.stack) : String(error);
  process.stderr.write(
    `spool: dirspool does not load: is its directory whole? Install it again\n${what}\n`,
  );
  process.exit(BROKEN);
}

/** V8's code for this very source; undefined where it is not there, or not as it was made. */
function codeOf(source: Buffer): Buffer | undefined {
  try {
    const kept = readFileSync(`${__dirname}/core.cache`);
    const bytes = (kept.length - source.length) / 2;
    const code = kept.subarray(0, bytes);
    const isWhole =
      source.equals(kept.subarray(bytes, -bytes)) && code.equals(kept.subarray(-bytes));
    return isWhole ? code : undefined;
  } catch {
    // It is as good without, and a little slower.
    return undefined;
  }
}

function start(run: typeof main): void {
  run(process.argv.slice(2), process.env).then((code) => {
    process.exitCode = code;
    // Nothing is left to be done: what still ticks (a watch, an unused handle) shall not delay the end.
    process.exit();
  }, fail);
}

try {
  // Its real path: as the other verbs' files require it, whatever links Node was told not to follow.
  const filename = require.resolve(`${__dirname}/core.cjs`);
  const exported = {};
  require.cache[filename] = {
    exports: exported,
    loaded: true,
    children: [],
  } as unknown as NodeModule;
  const source = readFileSync(filename);
  // The build leaves only ASCII in there.
  const script = new Script(source.toString("latin1"), { filename, cachedData: codeOf(source) });
  (script.runInThisContext() as Core)(exported, require, start);
} catch (error) {
  fail(error);
}
