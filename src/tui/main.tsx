/**
 * Shows `spool top` on the terminal until it is told to quit.
 *
 * Whatever ends it, the terminal is as it was: Ink leaves the alternate screen and raw mode as it is unmounted,
 * and that happens on each way out: a key, a signal, an error anywhere, the end of the process.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { render } from "ink";

import type { Failure } from "../stats/sampler-messages.ts";
import { App } from "./app.tsx";
import { LentTerminal } from "./lent-terminal.ts";
import { screenStdout } from "./screen-stdout.ts";
import { Session } from "./session.ts";
import type { SessionOptions } from "./session.ts";

/** A disk that answers at once has no screen flash by before an error, in ms. */
const FIRST_MS = 300;

/** A key waits for the next frame: no longer than this has it. News comes twice a second at the most. */
const MAX_FPS = 30;

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Resolves when it is over; with why, where there was nothing to show. */
export async function showTop(options: SessionOptions): Promise<Failure | undefined> {
  const session = new Session(options);
  const first = session.first();
  try {
    const failure = await Promise.race([first, sleep(FIRST_MS)]);
    return failure ?? (await show(session, first));
  } finally {
    session.end();
    for (const line of session.acts.lastWords) options.say(line);
  }
}

async function show(
  session: Session,
  first: Promise<Failure | undefined>,
): Promise<Failure | undefined> {
  let over: Failure | undefined;
  let error: unknown;
  const lent = new LentTerminal(process.stdin);
  const app = render(<App session={session} lent={lent} />, {
    stdout: screenStdout(process.stdout),
    alternateScreen: true,
    incrementalRendering: true,
    maxFps: MAX_FPS,
    // Where CI is set Ink takes no terminal for one.
    interactive: true,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  const fail = (thrown: unknown): void => {
    error ??= thrown;
    if (!lent.signalled("SIGTERM")) app.unmount();
  };
  const end = (signal: NodeJS.Signals): void => {
    if (!lent.signalled(signal)) session.acts.stop().then(() => app.unmount(), fail);
  };
  for (const signal of SIGNALS) process.on(signal, end);
  process.on("uncaughtException", fail);
  first.then((failure) => {
    if (failure === undefined) return;
    over = failure;
    if (!lent.signalled("SIGTERM")) app.unmount();
  }, fail);
  try {
    await app.waitUntilExit();
  } finally {
    process.off("uncaughtException", fail);
    for (const signal of SIGNALS) process.off(signal, end);
    lent.end();
  }
  if (error !== undefined) throw error;
  return over;
}
