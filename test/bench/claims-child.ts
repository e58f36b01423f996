/** A consumer in a process of its own: it empties each queue that it is told, and reports. Used by claims.ts. */
import { isErrno } from "../../src/errors.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { openSpool } from "../../src/spool.ts";

export interface Report {
  readonly acked: number;
  /** Renames out of ready/ that came too late, and those that did not. */
  readonly lost: number;
  readonly won: number;
  /** From the word until the last ack, by the clock that all processes share. */
  readonly startMs: number;
  readonly endMs: number;
}

class CountingFileSystem extends NodeFileSystem {
  lost = 0;
  won = 0;

  override rename(from: string, to: string): void {
    if (!from.includes("/ready/")) {
      super.rename(from, to);
      return;
    }
    try {
      super.rename(from, to);
      this.won++;
    } catch (error) {
      if (isErrno(error, "ENOENT")) this.lost++;
      throw error;
    }
  }
}

/** Of CLOCK_MONOTONIC: the same in all processes of a machine. */
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const fs = new CountingFileSystem();
const spool = await openSpool({ dir: process.argv[2]!, parts: { fs } });

async function run(name: string): Promise<Report> {
  fs.lost = 0;
  fs.won = 0;
  const startMs = nowMs();
  let endMs = startMs;
  let acked = 0;
  for await (const message of spool.queue(name).messages({ untilEmpty: true })) {
    await message.body();
    await message.ack();
    acked++;
    endMs = nowMs();
  }
  return { acked, lost: fs.lost, won: fs.won, startMs, endMs };
}

process.on("message", (name: string) => {
  void run(name).then((report) => process.send?.(report));
});
process.send?.("ready");
