/** The terminal's side of a session: its size, its keys, and a text for each line. */
import { Box, Text, useApp, useInput, useStdin, useStdout, useWindowSize } from "ink";
import { memo, useEffect, useReducer } from "react";

import { keysOf } from "./bindings.ts";
import { MOUSE_OFF, MOUSE_ON, tapMouse } from "./mouse-keys.ts";
import { clipboard } from "./runner.ts";
import type { Session } from "./session.ts";
import type { Effect } from "./ui-state.ts";
import { stopUntilContinued } from "./stopping.ts";

/** An empty text has no height. */
const Line = memo(({ text }: { readonly text: string }) => (
  <Text wrap="truncate">{text || " "}</Text>
));

export function App({ session }: { readonly session: Session }) {
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
      for (const key of keys) session.key(key);
    });
    stdout.write(MOUSE_ON);
    return () => {
      untap();
      stdout.write(MOUSE_OFF);
    };
  }, [session, isMouse, stdin, stdout]);
  const withTerminal = async (use: () => Promise<void>): Promise<void> => {
    // Another program would take it for keys.
    if (isMouse) stdout.write(MOUSE_OFF);
    await suspendTerminal(use);
    if (isMouse) stdout.write(MOUSE_ON);
    session.sampler.forgive();
    draw();
  };
  const suspend = (): Promise<void> => withTerminal(stopUntilContinued);
  const perform = async (effect: Effect): Promise<void> => {
    if (effect === "quit") exit();
    else if (effect === "suspend") await suspend();
    else if (effect.kind === "seek") session.seek(effect.byMs);
    else if (effect.kind === "run") await session.run(effect.plan);
    else if (effect.kind === "page") await withTerminal(() => session.page(effect));
    else if (effect.kind === "edit") await withTerminal(() => session.edit(effect));
    else {
      stdout.write(clipboard(effect.text));
      session.note(`copied: ${effect.text}`);
    }
  };
  useEffect(() => {
    const stop = (): void => {
      suspend().catch(exit);
    };
    process.on("SIGTSTP", stop);
    return () => {
      process.off("SIGTSTP", stop);
    };
  });
  useInput((text, key) => {
    for (const one of keysOf(text, { ...key })) {
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
