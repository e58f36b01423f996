/**
 * Prometheus's text format 0.0.4, read as strictly as promtool and the textfile collector do together: HELP and TYPE once
 * and before all samples of a metric, which stand together; sound names and escapes; no series twice; no time stamps;
 * a line end at the end.
 */

export interface Series {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Scrape {
  readonly series: Series[] = [];
  /** In the order in which they stand. */
  readonly metrics: string[] = [];

  /** The value of one series, which has at least these labels; undefined where there is none. */
  value(metric: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const found = this.of(metric).filter((one) =>
      Object.entries(labels).every(([label, text]) => one.labels[label] === text),
    );
    if (found.length > 1) throw new Error(`${found.length} series of ${metric}`);
    return found[0]?.value;
  }

  of(metric: string): Series[] {
    return this.series.filter((one) => one.metric === metric);
  }
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = String.raw`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"`;
const SAMPLE = new RegExp(String.raw`^(${NAME})\{((?:${LABEL}(?:,(?=[a-zA-Z_]))?)*)\} (\S+)$`);

/** @throws where a line is not as it should be */
export function readExposition(text: string): Scrape {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const scrape = new Scrape();
  const seen = new Set<string>();
  let help: string | undefined;
  let current: string | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    if (line.startsWith("#")) {
      const [, kind, metric, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
      if (metric === undefined || !new RegExp(`^${NAME}$`).test(metric)) throw new Error(line);
      if (kind === "HELP") {
        if (help !== undefined || /(^|[^\\])(\\\\)*\\[^\\n]/.test(rest!)) throw new Error(line);
        if (scrape.metrics.includes(metric)) throw new Error(`twice: ${line}`);
        help = metric;
      } else {
        if (help !== metric || rest !== "gauge") throw new Error(line);
        help = undefined;
        current = metric;
        scrape.metrics.push(metric);
      }
      continue;
    }
    const [, metric, pairs, , , number] = SAMPLE.exec(line) ?? [];
    if (metric === undefined || metric !== current || help !== undefined) throw new Error(line);
    const labels = labelsOf(pairs!);
    const identity = `${metric} ${pairs!.split(",").toSorted().join(",")}`;
    if (seen.has(identity)) throw new Error(`twice: ${line}`);
    seen.add(identity);
    const value = Number(number);
    if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(number!) || !Number.isFinite(value))
      throw new Error(line);
    scrape.series.push({ metric, labels, value });
  }
  const empty = scrape.metrics.filter((metric) => scrape.of(metric).length === 0);
  if (empty.length > 0) throw new Error(`no sample: ${empty.join(" ")}`);
  return scrape;
}

function labelsOf(pairs: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, label, text] of pairs.matchAll(new RegExp(LABEL, "g"))) {
    if (Object.hasOwn(labels, label!) || label!.startsWith("__")) throw new Error(`label ${label}`);
    labels[label!] = text!.replaceAll(/\\(.)/g, (_, one: string) => (one === "n" ? "\n" : one));
  }
  return labels;
}
