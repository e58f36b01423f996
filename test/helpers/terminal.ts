/** A real terminal (tmux.ts) for a test: its server is the test's own, and ends with it. */
import { test as base } from "./cli.ts";
import { Terminal } from "./tmux.ts";

export { hasTmux, NO_TMUX } from "./tmux.ts";
export type { Terminal } from "./tmux.ts";

export const test = base.extend("terminal", ({ dir, cli }, { onCleanup }) => {
  const open: Terminal[] = [];
  onCleanup(() => {
    for (const terminal of open) terminal.end();
  });
  return (
    size: { columns?: number; rows?: number; env?: Record<string, string> } = {},
  ): Terminal => {
    const env = { ...cli.env, LANG: "C.UTF-8", ...size.env };
    const terminal = new Terminal(`${dir}/tmux.${open.length}`, env, size.columns, size.rows);
    open.push(terminal);
    return terminal;
  };
});
