/**
 * chokidar for simulated processes: `fuzz.ts` puts this in its place. A bell that is touched on the
 * simulated disk is heard by who watches it, or not: events get lost.
 */
import { EventEmitter } from "node:events";

const watchers = new Map<string, Set<EventEmitter>>();

export function watch(path: string): EventEmitter & { close(): Promise<void> } {
  const emitter = new EventEmitter();
  const all = watchers.get(path) ?? new Set();
  watchers.set(path, all.add(emitter));
  queueMicrotask(() => emitter.emit("ready"));
  const close = (): Promise<void> => {
    all.delete(emitter);
    return Promise.resolve();
  };
  return Object.assign(emitter, { close });
}

export function hear(path: string): void {
  for (const emitter of watchers.get(path) ?? []) emitter.emit("raw", "change");
}

/** At the end of a run: nobody watches any more. */
export function forgetWatchers(): void {
  watchers.clear();
}
