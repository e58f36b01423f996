/** The terminal's side of a session: its size, its keys, and a text for each line. */
import { Box, Text, useApp, useInput, useStdin, useStdout, useWindowSize } from "ink";
import { memo, useEffect, useReducer } from "react";

import { keysOf } from "./bindings.ts";
import { MOUSE_OFF, MOUSE_ON, tapMouse } from "./mouse-keys.ts";
import type { LentTerminal } from "./lent-terminal.ts";
import type { Session } from "./session.ts";
import type { Effect } from "./ui-state.ts";
import { stopUntilContinued } from "./stopping.ts";

/** An empty text has no height. */
const Line = memo(({ text }: { readonly text: string }) => (
  <Text wrap="truncate">{text || " "}</Text>
));

/** For the terminal: put this on the clipboard (OSC 52, as xterm and tmux have it). */
const clipboard = (text: string): string => `\x1b]52;c;${Buffer.from(text).toString("base64")}\x07`;

export interface AppProps {
  readonly session: Session;
  readonly lent: LentTerminal;
}

export function App({ session, lent }: AppProps) {
  const { exit, suspendTerminal } = useApp();
  const { columns, rows } = useWindowSize();
  const [, draw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => session.onDraw(draw), [session]);
  const { stdout } = useStdout();
  const { stdin } = useStdin();
  const { isMouse } = session;
  useEffect(() => {
    if (!isMouse) return undefined;
    const untap = tapMouse(stdin as NodeJS.ReadStream, (keys) => {
      for (const key of keys) if (!lent.isLent) session.key(key);
    });
    stdout.write(MOUSE_ON);
    return () => {
      untap();
      stdout.write(MOUSE_OFF);
    };
  }, [session, lent, isMouse, stdin, stdout]);
  const lend = async (use: (terminal: LentTerminal) => Promise<void>): Promise<void> => {
    if (lent.isLent) return;
    const suspend = (whole: () => Promise<void>): Promise<void> => {
      // Another program would take it for keys.
      if (isMouse) stdout.write(MOUSE_OFF);
      return suspendTerminal(whole);
    };
    const end = (): Promise<void> => session.acts.stop().then(() => exit());
    await lent.lend(suspend, () => use(lent), end);
    if (lent.isOver) return;
    if (isMouse) stdout.write(MOUSE_ON);
    session.sampler.forgive();
    draw();
  };
  const perform = async (effect: Effect): Promise<void> => {
    if (effect === "quit") await session.acts.leave().then(() => exit());
    else if (effect === "suspend") await lend(stopUntilContinued);
    else if (session.acts.isLeaving) return;
    else if (effect.kind === "seek") session.seek(effect.byMs);
    else if (effect.kind === "run") await session.acts.run(effect.plan);
    else if (effect.kind === "page") await lend(() => session.acts.page(lent, effect));
    else if (effect.kind === "edit") await lend(session.acts.editing(effect));
    else {
      stdout.write(clipboard(effect.text));
      session.note(`copied: ${effect.text}`);
    }
  };
  useEffect(() => lent.onStop(() => void perform("suspend").catch(exit)));
  useInput((text, key) => {
    for (const one of keysOf(text, { ...key })) {
      // What is typed behind it is for who has the terminal.
      if (lent.isLent) return;
      const effect = session.key(one);
      if (effect !== undefined) perform(effect).catch(exit);
    }
  });
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      {session.lines({ columns, rows }).map((text, index) => (
        <Line key={index} text={text} />
      ))}
    </Box>
  );
}
