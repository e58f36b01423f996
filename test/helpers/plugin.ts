/** What a monitoring plugin printed, read as strictly as the guidelines are written. */

export interface PerfValue {
  readonly value: number;
  readonly unit: string;
  readonly warn: string;
  readonly crit: string;
  readonly min: string;
  readonly max: string;
}

export interface PluginOutput {
  readonly state: string;
  readonly text: string;
  /** The lines behind the first. */
  readonly long: readonly string[];
  readonly perfdata: ReadonlyMap<string, PerfValue>;
}

const NUMBER = String.raw`-?\d+(?:\.\d+)?`;
const RANGE = `(?:${NUMBER}:?)?`;
const PERF = new RegExp(
  `^(${NUMBER})(s|B|)(?:;(${RANGE}))?(?:;(${RANGE}))?(?:;((?:${NUMBER})?))?(?:;((?:${NUMBER})?))?$`,
);

/** @throws where it is not what a plugin may print */
export function readPlugin(stdout: string): PluginOutput {
  if (!stdout.endsWith("\n")) throw new Error("the last line has no end");
  const [first = "", ...long] = stdout.slice(0, -1).split("\n");
  if (long.some((line) => line === "" || line.includes("|"))) throw new Error(`in ${stdout}`);
  const halves = first.split("|");
  if (halves.length > 2) throw new Error(`more than one bar: ${first}`);
  const [, state, text] =
    /^SPOOL (OK|WARNING|CRITICAL|UNKNOWN) - (\S.*?) ?$/.exec(halves[0]!) ?? [];
  if (state === undefined) throw new Error(`no state: ${first}`);
  return { state, text: text!, long, perfdata: readPerfdata(halves[1] ?? "") };
}

function readPerfdata(text: string): Map<string, PerfValue> {
  const found = new Map<string, PerfValue>();
  let rest = text.trim();
  while (rest !== "") {
    const [whole, label, fields] = /^'([^'=]+)'=(\S+)(?: |$)/.exec(rest) ?? [];
    const [, value, unit, warn, crit, min, max] = PERF.exec(fields ?? "") ?? [];
    if (whole === undefined || value === undefined) throw new Error(`no performance data: ${rest}`);
    if (found.has(label!)) throw new Error(`twice: ${label}`);
    found.set(label!, {
      value: Number(value),
      unit: unit!,
      warn: warn ?? "",
      crit: crit ?? "",
      min: min ?? "",
      max: max ?? "",
    });
    rest = rest.slice(whole.length);
  }
  return found;
}
