/** Log lines through pipes: `put --lines` and `consume`, against cat; and how much memory they have. */
import * as fs from "node:fs";

import { readRssMB, SPOOL } from "./ground.ts";
import type { Ground, Section } from "./ground.ts";
import { atLeast, atMost } from "./measure.ts";
import type { Row } from "./measure.ts";

/** Writes a log of about so many bytes; returns how many MB they were. */
function writeLog(path: string, bytes: number): number {
  const line = "2026-11-23T10:00:00Z web-17 nginx[4242]: GET /index.html HTTP/1.1 200 612 request=";
  const block = Array.from({ length: 10_000 }, (_, at) => `${line}${at + 100_000}\n`).join("");
  const fd = fs.openSync(path, "w");
  let written = 0;
  while (written < bytes) written += fs.writeSync(fd, block);
  fs.closeSync(fd);
  return written / 1e6;
}

/** Figures of one kind, one a round: MB a second, ours and the floor's; and MB of memory. */
interface Figures {
  readonly ours: number[];
  readonly theirs: number[];
  readonly rss: number[];
}

const none = (): Figures => ({ ours: [], theirs: [], rss: [] });

class Streams {
  readonly put = none();
  readonly consume = none();
  readonly #ground: Ground;
  readonly #log: string;
  readonly #megabytes: number;

  constructor(ground: Ground, log: string, megabytes: number) {
    this.#ground = ground;
    this.#log = log;
    this.#megabytes = megabytes;
  }

  /** Not in turns backwards, as elsewhere: what is consumed has to be put before. */
  round(): void {
    const copy = this.#ground.fresh("copy");
    this.#watch(this.put, 'cat "$log" | "$@"', [SPOOL, "put", "logs", "--lines"]);
    this.put.theirs.push(this.#rate('cat "$log" | { cat > "$1"; sync "$1"; }', [copy]));
    fs.unlinkSync(copy);
    const consume = [SPOOL, "consume", "logs", "--until-empty"];
    this.#watch(this.consume, '"$@" | cat > /dev/null', consume);
    this.consume.theirs.push(this.#rate('cat "$log" | cat > /dev/null', []));
    // What was removed may cost the disk something later.
    this.#ground.settle();
  }

  #watch({ ours, rss }: Figures, script: string, argv: readonly string[]): void {
    const file = this.#ground.fresh("rss");
    const prefix = this.#ground.floors.rssPrefix(file);
    ours.push(this.#rate(script, [...prefix, ...argv]));
    if (prefix.length > 0) rss.push(readRssMB(file));
  }

  #rate(script: string, args: readonly string[]): number {
    const tookMs = this.#ground.shellMs(`log=$1; shift; ${script}`, this.#log, ...args);
    return (1000 * this.#megabytes) / tookMs;
  }
}

async function streams(ground: Ground): Promise<Row[]> {
  const log = ground.fresh("log");
  const megabytes = writeLog(log, ground.size(1000, 50) * 1e6);
  ground.settle();
  // Not counted: it warms the caches.
  new Streams(ground, log, megabytes).round();
  const measured = new Streams(ground, log, megabytes);
  for (let left = ground.rounds(5); left > 0; left--) measured.round();
  const { put, consume } = measured;
  fs.unlinkSync(log);
  const size = `${Math.round(megabytes).toLocaleString("en")} MB of log lines`;
  const row = { unit: "MB/s", measure: "ratio" } as const;
  const rows: Row[] = [
    {
      ...row,
      what: `put --lines of ${size} from a pipe`,
      ours: put.ours,
      floor: "cat > f; sync f",
      theirs: put.theirs,
      target: atLeast(0.5),
    },
    {
      ...row,
      what: "consume of the same",
      ours: consume.ours,
      floor: "cat f | cat",
      theirs: consume.theirs,
      target: atLeast(0.4),
    },
  ];
  const memory = { unit: "MB", floor: "", theirs: [], measure: "alone" } as const;
  if (put.rss.length > 0) {
    rows.push({ ...memory, what: "memory of that put", ours: put.rss, target: atMost(150) });
    rows.push({ ...memory, what: "memory of that consume", ours: consume.rss });
  }
  return rows;
}

export const streamRows: readonly Section[] = [
  { name: "lines", about: "put --lines of 1 GB and consume of the same", run: streams },
];
