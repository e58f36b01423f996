/** The command line as the build puts it into one file; entry.ts and make-cache.cjs give it `start`. */
import { main } from "./main.ts";

declare const start: (run: typeof main) => void;

start(main);
