/** The terminal's side of a session: its size, its keys, and a text for each line. */
import { Box, Text, useApp, useInput, useWindowSize } from "ink";
import { memo, useEffect, useReducer } from "react";

import { keysOf } from "./bindings.ts";
import type { Session } from "./session.ts";
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
  const suspend = async (): Promise<void> => {
    await suspendTerminal(stopUntilContinued);
    session.sampler.forgive();
    draw();
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
      if (effect === "quit") exit();
      else if (effect === "suspend") suspend().catch(exit);
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
