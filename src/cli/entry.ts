/** The program's first lines: the right Node, then the command line, then its exit code. */
import { main } from "./main.ts";

const NEEDED = 24;

if (Number.parseInt(process.versions.node, 10) < NEEDED) {
  process.stderr.write(
    `spool: needs Node ${NEEDED} or newer; this is ${process.version}. Run npm install in its directory, or install a newer one.\n`,
  );
  process.exit(78);
}

void main(process.argv.slice(2), process.env).then((code) => {
  process.exitCode = code;
  // Nothing is left to be done: what still ticks (a watch, an unused handle) shall not delay the end.
  process.exit();
});
