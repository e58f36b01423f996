/**
 * Prometheus's text format, version 0.0.4. Pure.
 *
 * All samples of a metric stand together under its HELP and TYPE, in an order that does not change. There are no time
 * stamps, which the textfile collector of node_exporter refuses. Every sample says its spool, because the same
 * collector refuses two files with the same series.
 */
interface Metric {
  readonly name: string;
  readonly help: string;
}

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** Metrics with their samples. All are gauges: what is counted here goes up and down. */
export class Exposition {
  readonly #common: Labels;
  readonly #samples = new Map<Metric, Sample[]>();

  /** @param metrics  in the order in which they are to stand. @param common  labels of each sample. */
  constructor(metrics: readonly Metric[], common: Labels) {
    this.#common = common;
    for (const metric of metrics) this.#samples.set(metric, []);
  }

  /** @param value  undefined where nobody knows it: then there is no sample, which is not the same as 0. */
  add(metric: Metric, value: number | undefined, labels: Labels = {}): void {
    if (value === undefined) return;
    this.#samples.get(metric)?.push({ labels: { ...this.#common, ...labels }, value });
  }

  toText(): string {
    const lines: string[] = [];
    for (const [{ name, help }, samples] of this.#samples) {
      if (samples.length === 0) continue;
      lines.push(`# HELP ${name} ${escape(help)}`, `# TYPE ${name} gauge`);
      for (const { labels, value } of samples) {
        const pairs = Object.entries(labels).map(([label, text]) => `${label}="${quoted(text)}"`);
        lines.push(`${name}{${pairs.join(",")}} ${value}`);
      }
    }
    return `${lines.join("\n")}\n`;
  }

  toJson(): string {
    const metrics = [...this.#samples]
      .filter(([, samples]) => samples.length > 0)
      .map(([{ name, help }, samples]) => ({ name, type: "gauge", help, samples }));
    return `${JSON.stringify({ metrics })}\n`;
  }
}

const escape = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
const quoted = (text: string): string => escape(text).replaceAll('"', '\\"');
