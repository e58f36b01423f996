/** ^C and SIGTERM: the first asks the command to end well, the second ends it. */

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/**
 * Starts to listen; call what it returns to stop. The signal is the reason that `stop` aborts with;
 * `onSecond` may kill what still runs.
 */
export function onSignals(stop: AbortController, onSecond: () => void = () => {}): () => void {
  const listener = (signal: NodeJS.Signals): void => {
    if (!stop.signal.aborted) {
      stop.abort(signal);
      return;
    }
    onSecond();
    // Dead without a word more: the next consumer sees that at once and takes over.
    process.exit(128 + (NUMBERS[signal] ?? 0));
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return () => {
    for (const signal of SIGNALS) process.removeListener(signal, listener);
  };
}
