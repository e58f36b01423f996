/** spool bench — see how fast a spool is on this disk. */
import type { Verb } from "../verb.ts";

import { bench } from "../../bench/bench.ts";
import type { Report } from "../../bench/bench.ts";
import { quantile, ratio, spread } from "../../bench/figures.ts";
import type { Measured, Spread } from "../../bench/figures.ts";
import { Stopped } from "../../bench/pace.ts";
import { SpoolError } from "../../errors.ts";
import { parseCount } from "../../units.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { plain, table } from "../format.ts";
import { command, examples } from "../options.ts";
import { Progress } from "../progress.ts";
import { onSignals } from "../signals.ts";

interface Options extends GlobalOptions {
  readonly seconds: number;
}

const SECONDS = 15;
const MOST_SECONDS = 60;

export default function benchCommand(context: Context): Verb {
  return command("bench", "see how fast a spool is on this disk")
    .description(
      "Measure puts, takes, wake-up and fan-out on the disk of the spool, each beside a floor: the " +
        "plain system calls that it cannot do without. In a directory of its own beside the spool, " +
        "which is removed at the end; the spool itself is not touched.",
    )
    .option("--seconds <n>", "how long it may take (default 15)", parseSeconds, SECONDS)
    .after(examples("spool bench", "spool bench -C /mnt/shared/spool --seconds 20 --json"))
    .action((options: Options) => run(context, options));
}

function parseSeconds(text: string): number {
  const seconds = parseCount(text);
  if (seconds >= 1 && seconds <= MOST_SECONDS) return seconds;
  throw new SpoolError("BAD_VALUE", `--seconds: 1 to ${MOST_SECONDS}, not ${text}`);
}

async function run(context: Context, options: Options): Promise<void> {
  const stop = new AbortController();
  const restore = onSignals(stop);
  const progress = await Progress.on(context);
  try {
    const report = await bench({
      dir: context.dirOf(options),
      seconds: options.seconds,
      signal: stop.signal,
      waiter: [process.argv[1]!, "__waiter"],
      onPart: (what) => progress.show(() => `measuring: ${what}`),
    });
    progress.clear();
    await print(context, report, options);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    // All is cleared away: now it dies of the signal, as programs do.
    restore();
    process.kill(process.pid, stop.signal.reason as NodeJS.Signals);
  } finally {
    progress.clear();
    restore();
  }
}

async function print(context: Context, report: Report, options: GlobalOptions): Promise<void> {
  for (const what of report.missing) context.say(`there was no time to measure: ${what}`);
  const output = context.outputOf(options);
  if (output === "json") await context.write(`${JSON.stringify(document(report))}\n`);
  else if (output === "plain") await context.write(plain(HEAD, report.results.map(plainRow)));
  else await context.write(page(report));
}

const rounded = (value: number): number => Number(value.toPrecision(4));

interface Said extends Spread {
  readonly p99?: number;
}

/** Four digits of each; the time that 99 of 100 are below only where single times were taken. */
function said(values: readonly number[], isLatency: boolean): Said {
  const { median, least, most } = spread(values);
  return {
    median: rounded(median),
    least: rounded(least),
    most: rounded(most),
    ...(isLatency && { p99: rounded(quantile(values, 0.99)) }),
  };
}

function document({ fileSystem, seconds, results, missing, ...machine }: Report): object {
  return {
    ...machine,
    file_system: fileSystem,
    seconds: rounded(seconds),
    results: results.map(({ name, what, unit, beside, figures, isLatency = false }) => {
      const ours = { name, what, unit, ...said(figures.ours, isLatency) };
      const rounds = figures.ours.length;
      const compared = ratio(figures);
      if (compared === undefined) return { ...ours, rounds };
      const floor = { what: beside, ...said(figures.floor, isLatency) };
      return { ...ours, rounds, floor, ratio: rounded(compared) };
    }),
    missing,
  };
}

const HEAD = ["NAME", "UNIT", "MEDIAN", "LEAST", "MOST", "P99"].concat([
  "FLOOR",
  "LEAST",
  "MOST",
  "P99",
  "RATIO",
]);

function plainRow({ name, unit, figures, isLatency = false }: Measured): string[] {
  const four = (values: readonly number[]): string[] => {
    if (values.length === 0) return ["", "", "", ""];
    const { median, least, most, p99 } = said(values, isLatency);
    return [median, least, most, p99].map((value) => (value === undefined ? "" : String(value)));
  };
  const compared = ratio(figures);
  const last = compared === undefined ? "" : String(rounded(compared));
  return [name, unit, ...four(figures.ours), ...four(figures.floor), last];
}

function page({ dir, fileSystem, kernel, node, cores, cpu, seconds, results }: Report): string {
  const rows = results.flatMap(({ what, unit, beside, figures, isLatency = false }) => {
    const line = (label: string, values: readonly number[], last = ""): string[][] => {
      const { median, least, most, p99 } = said(values, isLatency);
      const all = [label, unit, figure(median), figure(least), figure(most), last];
      return p99 === undefined ? [all] : [all, ["    99 of 100 take less", unit, figure(p99)]];
    };
    const compared = ratio(figures);
    if (compared === undefined) return line(what, figures.ours);
    return [
      ...line(what, figures.ours, compared.toFixed(2)),
      ...line(`  ${beside}`, figures.floor),
    ];
  });
  const head = ["", "", "MEDIAN", "LEAST", "MOST", "RATIO"];
  return (
    `${fileSystem} in ${dir}; ${kernel}; Node ${node}; ${cores} cores (${cpu}); ` +
    `${seconds.toFixed(1)} s\n\n${table(head, rows)}`
  );
}

/** Three digits, for people. */
function figure(value: number): string {
  if (value >= 100) return Number(value.toPrecision(3)).toLocaleString("en");
  return value.toFixed(value >= 10 ? 1 : 2);
}
