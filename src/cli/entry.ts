/**
 * The program's first lines: the right Node, then the command line, then its exit code.
 *
 * The command line is compiled from V8's cache, which `npm run build` makes with the Node that it is for:
 * that halves what a put costs beyond Node's own start. A cache that does not fit (another Node, other flags of V8)
 * is refused by V8, and the source is compiled. Plain JavaScript of old, because an old Node reads this, too.
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

const filename = `${__dirname}/core.cjs`;

function loadCore(): Core {
  let cachedData: Buffer | undefined;
  try {
    cachedData = readFileSync(`${__dirname}/core.cache`);
  } catch {
    // It is as good without, and a little slower.
  }
  // The build leaves only ASCII in there.
  const source = readFileSync(filename, "latin1");
  return new Script(source, { filename, cachedData }).runInThisContext() as Core;
}

// The other verbs' files require it by its name.
const exported = {};
require.cache[filename] = {
  exports: exported,
  loaded: true,
  children: [],
} as unknown as NodeModule;

loadCore()(exported, require, (run) => {
  void run(process.argv.slice(2), process.env).then((code) => {
    process.exitCode = code;
    // Nothing is left to be done: what still ticks (a watch, an unused handle) shall not delay the end.
    process.exit();
  });
});
