/**
 * The plot of a run: a small SVG, made by hand, that can be read on light and dark.
 *
 * Two panels: cost against backlog, each line relative to its first point, so that flat is flat whatever the
 * unit; and the total rate of competing consumers.
 */
import type { Series } from "./scaling.ts";

const WIDTH = 860;
const HEIGHT = 330;
const PANEL = { top: 44, bottom: 250, width: 330 } as const;
const LEFTS = [56, 496] as const;
/** Of a contrast that does on white and on near-black. */
const COLOURS = ["#2f81f7", "#d9822b", "#2da44e", "#bf5af2"] as const;
const DASHES = ["", "6 3", "2 3", "8 3 2 3"] as const;

interface Line {
  readonly name: string;
  readonly points: readonly { readonly at: number; readonly value: number }[];
}

const escape = (words: string): string =>
  words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function text(x: number, y: number, words: string, more = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escape(words)}</text>`;
}

/** A round number at or above the value, and how many steps to it are drawn. */
function ceilingOf(value: number): { readonly top: number; readonly steps: number } {
  const power = 10 ** Math.floor(Math.log10(value));
  for (const [factor, steps] of [
    [1, 5],
    [1.5, 3],
    [2, 4],
    [3, 3],
    [5, 5],
    [10, 5],
  ] as const) {
    if (value <= factor * power) return { top: factor * power, steps };
  }
  return { top: value, steps: 1 };
}

interface Panel {
  readonly left: number;
  readonly title: string;
  readonly below: string;
  readonly lines: readonly Line[];
  readonly label: (value: number) => string;
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1000 ? `${value / 1000}k` : String(value);
}

/** Points stand at equal distances: backlogs and consumers are both powers. */
function panel({ left, title, below, lines, label }: Panel): string[] {
  const ats = lines[0]!.points.map(({ at }) => at);
  const values = lines.flatMap(({ points }) => points.map(({ value }) => value));
  const { top, steps } = ceilingOf(Math.max(...values) * 1.05);
  const x = (index: number): number =>
    left + 24 + (index * (PANEL.width - 48)) / Math.max(1, ats.length - 1);
  const y = (value: number): number => PANEL.bottom - (value / top) * (PANEL.bottom - PANEL.top);
  const parts = [text(left, PANEL.top - 20, title, 'class="title"')];
  for (let step = 0; step <= steps; step++) {
    const value = (top * step) / steps;
    const at = y(value).toFixed(1);
    parts.push(`<path class="grid" d="M${left} ${at}H${left + PANEL.width}"/>`);
    parts.push(text(left - 6, y(value) + 4, label(value), 'text-anchor="end"'));
  }
  for (const [index, at] of ats.entries()) {
    parts.push(text(x(index), PANEL.bottom + 18, short(at), 'text-anchor="middle"'));
  }
  parts.push(text(left + PANEL.width, PANEL.bottom + 36, below, 'text-anchor="end"'));
  for (const [index, { name, points }] of lines.entries()) {
    const colour = COLOURS[index % COLOURS.length]!;
    const path = points.map(({ value }, at) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
    const stroke = `stroke="${colour}" stroke-dasharray="${DASHES[index % DASHES.length]}"`;
    parts.push(`<path class="line" ${stroke} d="M${path.join("L")}"/>`);
    for (const [at, { value }] of points.entries()) {
      parts.push(
        `<circle cx="${x(at).toFixed(1)}" cy="${y(value).toFixed(1)}" r="3" fill="${colour}"/>`,
      );
    }
    const legendY = PANEL.bottom + 36 + 14 * index;
    parts.push(`<path class="line" ${stroke} d="M${left} ${legendY - 4}h22"/>`);
    parts.push(text(left + 28, legendY, name));
  }
  return parts;
}

/** @param costs  Against the backlog. @param rates  Against the number of consumers: one line. */
export function plot(costs: readonly Series[], rates: Series): string {
  const relative = costs.map(({ name, points }) => ({
    name,
    points: points.map(({ at, value }) => ({ at, value: value.median / points[0]!.value.median })),
  }));
  const total = {
    name: rates.name,
    points: rates.points.map(({ at, value }) => ({ at, value: value.median })),
  };
  const parts = [
    ...panel({
      left: LEFTS[0],
      title: "Cost of one, to that at a backlog of 1,000",
      below: "backlog",
      lines: relative,
      label: (value) => value.toFixed(1),
    }),
    ...panel({
      left: LEFTS[1],
      title: "Claim + ack, total rate",
      below: "consumers",
      lines: [total],
      label: short,
    }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">
<title>Cost against backlog, and rate against consumers</title>
<style>
text { font: 12px system-ui, sans-serif; fill: #6e7781; }
.title { font-weight: 600; font-size: 13px; }
.grid { stroke: #8b949e; stroke-opacity: 0.3; fill: none; }
.line { stroke-width: 2; fill: none; }
</style>
${parts.join("\n")}
</svg>
`;
}
