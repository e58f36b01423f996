/** Loaded before everything else (`node --import`): chokidar is ./bells.ts from here on. */
import { registerHooks } from "node:module";

const bells = new URL("bells.ts", import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    return specifier === "chokidar" ? { url: bells, shortCircuit: true } : next(specifier, context);
  },
});
