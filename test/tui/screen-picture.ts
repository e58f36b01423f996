/** A terminal's screen, as tmux captures it with its colours, as an SVG. Pure. */

interface Style {
  readonly isBold: boolean;
  readonly isInverse: boolean;
  /** Of the 256 colours; undefined: the terminal's own. */
  readonly colour: number | undefined;
}

interface Run extends Style {
  readonly text: string;
}

const PLAIN: Style = { isBold: false, isInverse: false, colour: undefined };
const BACK = "#16181d";
const FRONT = "#d8dce4";
const CELL = { width: 8.4, height: 18 } as const;
const MARGIN = 12;

/** The first sixteen are a terminal's own; the rest is a cube and greys (xterm's 256colres). */
function hexOf(colour: number): string {
  if (colour < 16) return FRONT;
  const channels =
    colour < 232
      ? [Math.floor((colour - 16) / 36), Math.floor((colour - 16) / 6) % 6, (colour - 16) % 6].map(
          (level) => (level === 0 ? 0 : 55 + 40 * level),
        )
      : Array.from({ length: 3 }, () => 8 + 10 * (colour - 232));
  return `#${channels.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

function styled(before: Style, codes: readonly number[]): Style {
  let style = before;
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at]!;
    if (code === 0) style = PLAIN;
    else if (code === 1 || code === 22) style = { ...style, isBold: code === 1 };
    else if (code === 7 || code === 27) style = { ...style, isInverse: code === 7 };
    else if (code === 39) style = { ...style, colour: undefined };
    else if (code === 38 && codes[at + 1] === 5) {
      style = { ...style, colour: codes[at + 2] };
      at += 2;
    }
  }
  return style;
}

function runsOf(line: string, from: Style): { runs: Run[]; style: Style } {
  const runs: Run[] = [];
  let style = from;
  // oxlint-disable-next-line no-control-regex -- it is what a terminal is told
  for (const part of line.split(/(\x1b\[[\d;]*m)/)) {
    // oxlint-disable-next-line no-control-regex
    const codes = /^\x1b\[([\d;]*)m$/.exec(part)?.[1];
    if (codes !== undefined) style = styled(style, codes.split(";").map(Number));
    else if (part !== "") runs.push({ ...style, text: part });
  }
  return { runs, style };
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

export function pictureOf(screen: string, columns: number, title: string): string {
  const lines = screen.replace(/\n+$/, "").split("\n");
  const width = columns * CELL.width + 2 * MARGIN;
  const height = lines.length * CELL.height + 2 * MARGIN;
  const parts: string[] = [];
  let style = PLAIN;
  for (const [row, line] of lines.entries()) {
    const { runs, style: next } = runsOf(line, style);
    style = next;
    let column = 0;
    for (const { text, isBold, isInverse, colour } of runs) {
      const length = Array.from(text).length;
      const x = (MARGIN + column * CELL.width).toFixed(1);
      const top = MARGIN + row * CELL.height;
      const front = colour === undefined ? FRONT : hexOf(colour);
      const span = (length * CELL.width).toFixed(1);
      if (isInverse) {
        parts.push(
          `<rect x="${x}" y="${top}" width="${span}" height="${CELL.height}" fill="${front}"/>`,
        );
      }
      if (text.trim() !== "") {
        parts.push(
          `<text x="${x}" y="${top + 13}" textLength="${span}" fill="${isInverse ? BACK : front}"` +
            `${isBold ? ' font-weight="bold"' : ""} xml:space="preserve">${escaped(text)}</text>`,
        );
      }
      column += length;
    }
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width.toFixed(0)}" height="${height}" role="img" aria-label="${escaped(title)}"`,
    `  font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="100%" height="100%" rx="6" fill="${BACK}"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}
