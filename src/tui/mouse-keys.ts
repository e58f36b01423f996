/** What a terminal says of its mouse, as keys. Pure. */

/** For the terminal: tell of buttons and the wheel, by numbers of any size (xterm's modes 1000 and 1006). */
export const MOUSE_ON = "\x1b[?1000h\x1b[?1006h";
export const MOUSE_OFF = "\x1b[?1006l\x1b[?1000l";

/** What a terminal sends: button, column and line from 1; `M` as it is pressed, `m` as it is let go. */
// oxlint-disable-next-line no-control-regex -- it is what a terminal says
const REPORT = /\x1b\[<(\d{1,3});(\d{1,4});(\d{1,4})([Mm])/g;

const WHEEL_UP = 64;
const WHEEL_DOWN = 65;

/** The keys that a text with reports stands for; undefined where there is none in it. */
function mouseKeys(text: string): string[] | undefined {
  const reports = [...text.matchAll(REPORT)];
  if (reports.length === 0) return undefined;
  return reports.flatMap(([, button, column, line, end]) => {
    if (Number(button) === WHEEL_UP) return ["up", "up", "up"];
    if (Number(button) === WHEEL_DOWN) return ["down", "down", "down"];
    return Number(button) === 0 && end === "M" ? [`click:${column}:${line}`] : [];
  });
}

/**
 * Gives what the mouse does to `tell`, and everything else to whoever reads: Ink takes what a terminal says of its
 * mouse for a reply that nobody wants. A report that comes in two pieces is lost. @returns how to stop that.
 */
export function tapMouse(stdin: NodeJS.ReadStream, tell: (keys: string[]) => void): () => void {
  const read = stdin.read.bind(stdin);
  stdin.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (typeof chunk !== "string" || !chunk.includes("[<")) return chunk;
    const keys = mouseKeys(chunk);
    if (keys === undefined) return chunk;
    tell(keys);
    return chunk.replaceAll(REPORT, "");
  };
  return () => {
    stdin.read = read;
  };
}
