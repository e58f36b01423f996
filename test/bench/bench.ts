/**
 * `npm run bench`: what the spool costs, each figure as a ratio to a floor measured in the same run.
 *
 * Rounds of the thing and of its floor alternate, so that a noisy machine disturbs both alike; the
 * median of the rounds is shown with the least and the most beside it. With --write the table goes to
 * docs/performance.md. Everything lives in a directory below TMPDIR and is removed at the end.
 */
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";

import { kindOf } from "../../src/disk/kind.ts";
import { openSpool } from "../../src/spool.ts";
import { elapsedMs, spread } from "./measure.ts";
import type { Row, Spread } from "./measure.ts";
import { diskUse, fanOut } from "./topics.ts";

const ROOT = join(import.meta.dirname, "../..");
const SPOOL = join(ROOT, "bin/spool");
const scratch = fs.mkdtempSync(join(tmpdir(), "spool-bench-"));
const env = { ...process.env, SPOOL_DIR: join(scratch, "spool") };

function runProcess(file: string, args: readonly string[], input = ""): void {
  const { status, stderr } = spawnSync(file, args, {
    env,
    input,
    stdio: ["pipe", "ignore", "pipe"],
  });
  if (status !== 0)
    throw new Error(`${file} ${args.join(" ")}: exit ${status}: ${stderr.toString()}`);
}

/** Whole processes, against a bare Node of the same version that does nothing. */
function startUp(rounds: number): Row[] {
  const node: number[] = [];
  const put: number[] = [];
  const take: number[] = [];
  const seed = elapsedMs(() => runProcess(SPOOL, ["put", "jobs", "-m", "first"]));
  if (seed <= 0) throw new Error("the clock stands still");
  for (let round = 0; round < rounds; round++) {
    node.push(elapsedMs(() => runProcess(process.execPath, ["-e", "0"])));
    put.push(elapsedMs(() => runProcess(SPOOL, ["put", "jobs", "-m", "payload"])));
    take.push(elapsedMs(() => runProcess(SPOOL, ["take", "jobs"])));
  }
  const floor = { floor: "node -e 0", unit: "ms" as const, theirs: spread(node) };
  return [
    { what: "one-shot spool put", ...floor, ours: spread(put) },
    { what: "one-shot spool take", ...floor, ours: spread(take) },
  ];
}

const PAYLOAD = Buffer.alloc(100, "x");

/** Durable puts, one after the other, against their system calls in a bare loop. */
async function durablePuts(rounds: number, count: number): Promise<Row> {
  const spool = await openSpool({ dir: join(scratch, "puts"), blocking: true });
  const queue = spool.queue("jobs");
  const bare = join(scratch, "bare");
  for (const name of ["", "tmp", "ready"]) fs.mkdirSync(join(bare, name), { recursive: true });
  fs.writeFileSync(join(bare, "bell"), "");
  await queue.put(PAYLOAD);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    for (let index = 0; index < count; index++) await queue.put(PAYLOAD);
    ours.push((1000 * count) / (performance.now() - startMs));
    const bareMs = elapsedMs(() => {
      for (let index = 0; index < count; index++) {
        const name = `${round}-${index}`;
        const fd = fs.openSync(join(bare, "tmp", name), "wx");
        fs.writeSync(fd, PAYLOAD);
        fs.renameSync(join(bare, "tmp", name), join(bare, "ready", name));
        fs.fsyncSync(fd);
        fs.closeSync(fd);
        fs.utimesSync(join(bare, "bell"), 1, index);
      }
    });
    theirs.push((1000 * count) / bareMs);
  }
  return {
    what: "durable put, one at a time",
    floor: "open write rename fsync close utimes",
    unit: "per s",
    ours: spread(ours),
    theirs: spread(theirs),
  };
}

/** Claim and ack of one-message slices, against rename, open-read-close and unlink in a bare loop. */
async function claims(rounds: number, count: number): Promise<Row> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const spool = await openSpool({ dir: join(scratch, `claims${round}`), blocking: true });
    const queue = spool.queue("jobs");
    for (let index = 0; index < count; index++) await queue.put(PAYLOAD, { sync: "none" });
    const startMs = performance.now();
    let taken = 0;
    for await (const message of queue.messages({ untilEmpty: true })) {
      await message.body();
      await message.ack();
      taken++;
    }
    if (taken !== count) throw new Error(`${taken} of ${count} messages were taken`);
    ours.push((1000 * count) / (performance.now() - startMs));
    theirs.push(bareClaims(round, count));
  }
  return {
    what: "claim + ack, one-message slices",
    floor: "rename open read close unlink",
    unit: "per s",
    ours: spread(ours),
    theirs: spread(theirs),
  };
}

function bareClaims(round: number, count: number): number {
  const from = join(scratch, `from${round}`);
  const to = join(scratch, `to${round}`);
  fs.mkdirSync(from);
  fs.mkdirSync(to);
  for (let index = 0; index < count; index++) fs.writeFileSync(join(from, String(index)), PAYLOAD);
  const into = Buffer.alloc(4096);
  const bareMs = elapsedMs(() => {
    for (const name of fs.readdirSync(from)) {
      fs.renameSync(join(from, name), join(to, name));
      const fd = fs.openSync(join(to, name), "r");
      fs.readSync(fd, into);
      fs.closeSync(fd);
      fs.unlinkSync(join(to, name));
    }
  });
  return (1000 * count) / bareMs;
}

/** A million log lines from a pipe, against `cat > file; sync file`. */
function lines(rounds: number, count: number): Row {
  const log = join(scratch, "log");
  const line = "2026-11-23T10:00:00Z web-17 nginx[4242]: GET /index.html HTTP/1.1 200 612 request=";
  const fd = fs.openSync(log, "w");
  for (let at = 0; at < count; at += 10_000) {
    fs.writeSync(
      fd,
      Array.from({ length: 10_000 }, (_, index) => `${line}${at + index}\n`).join(""),
    );
  }
  fs.closeSync(fd);
  const ours: number[] = [];
  const theirs: number[] = [];
  const shell = (script: string): number =>
    elapsedMs(() => void execFileSync("sh", ["-c", script, SPOOL, log, scratch], { env }));
  for (let round = 0; round < rounds; round++) {
    ours.push((1000 * count) / shell(`cat "$1" | "$0" put lines${round} --lines`));
    theirs.push((1000 * count) / shell(`cat "$1" | cat > "$2/copy"; sync "$2/copy"; rm "$2/copy"`));
  }
  return {
    what: `put --lines of ${count.toLocaleString("en")} log lines`,
    floor: "cat > file; sync file",
    unit: "per s",
    ours: spread(ours),
    theirs: spread(theirs),
  };
}

function render(rows: readonly Row[]): string {
  const show = ({ median, least, most }: Spread, unit: Row["unit"]): string => {
    const figure = (value: number): string =>
      unit !== "per s" ? value.toFixed(1) : Math.round(value).toLocaleString("en");
    return `${figure(median)} (${figure(least)} to ${figure(most)})`;
  };
  const cells = rows.map(({ what, floor, unit, ours, theirs }) => [
    what,
    unit,
    show(ours, unit),
    floor,
    show(theirs, unit),
    (ours.median / theirs.median).toFixed(2),
  ]);
  const head = ["what", "unit", "spool: median (least to most)", "floor", "floor: median", "ratio"];
  const widths = head.map((name, at) =>
    Math.max(name.length, ...cells.map((row) => row[at]!.length)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...cells.map(line)].join(
    "\n",
  );
}

function machine(): string {
  const { type } = fs.statfsSync(scratch);
  const memory = Math.round(totalmem() / 1024 ** 3);
  return (
    `${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"}), ${memory} GiB, ` +
    `Linux ${release()}, ${kindOf(type).name}, Node ${process.version}`
  );
}

try {
  const rows = [
    ...startUp(15),
    await durablePuts(5, 1000),
    await claims(5, 5000),
    lines(5, 1_000_000),
    ...(await fanOut(scratch, 5, 200)),
  ];
  const text = `${machine()}\n\n${render(rows)}\n\n${await diskUse(scratch)}\n`;
  process.stdout.write(text);
  if (process.argv.includes("--write")) {
    const page =
      "# Performance\n\nMade by `npm run bench -- --write`. Each figure stands beside a floor that was\n" +
      "measured in the same run, in turns with it: for times a ratio above 1 is what the spool adds, for\n" +
      `rates a ratio below 1 is what it takes away.\n\n${text}`;
    fs.writeFileSync(join(ROOT, "docs/performance.md"), page);
  }
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
