/**
 * What a spool costs on this very disk, each figure beside a floor that is measured in the same run.
 *
 * Everything lies in a directory of its own, which is gone when this returns or throws. Each part stops at
 * its share of the time that is left, so one that takes longer is paid for by those after it. The time is that of
 * the process: `performance.now()` began with it.
 */
import { cpus, release, type } from "node:os";

import { Scratch } from "../disk/scratch.ts";
import { fanOuts } from "./fan-out.ts";
import type { Measured } from "./figures.ts";
import { Ground } from "./ground.ts";
import type { GroundOptions, Part } from "./ground.ts";
import { NoTime, Pace, Stopped } from "./pace.ts";
import type { Begin } from "./pace.ts";
import { puts } from "./puts.ts";
import { takes } from "./takes.ts";
import { wakes } from "./wake.ts";

/** Of the time, what is left for the clearing away: thousands of files, whose unlinks may wait for the disk. */
const CLEARING = 0.2;

/** What removes files comes last: on ext4 those after it would pay for that. */
export const PARTS: readonly Part[] = [...puts, ...wakes, ...fanOuts, ...takes];

export interface BenchOptions extends GroundOptions {
  /** Where the spool is, or would be. */
  readonly dir: string;
  readonly seconds: number;
  /** Told what is measured now. */
  readonly onPart: (what: string) => void;
}

export interface Report {
  /** Where it was measured. */
  readonly dir: string;
  readonly fileSystem: string;
  readonly kernel: string;
  readonly node: string;
  readonly cores: number;
  readonly cpu: string;
  readonly seconds: number;
  readonly results: readonly Measured[];
  /** For what there was no time. */
  readonly missing: readonly string[];
}

/** @throws Stopped where the signal said so; NOT_PERMITTED, DISK_FULL, … */
export async function bench(options: BenchOptions): Promise<Report> {
  const endMs = 1000 * options.seconds * (1 - CLEARING);
  const scratch = Scratch.make(options.dir);
  const results: Measured[] = [];
  const missing: string[] = [];
  let fileSystem: string;
  try {
    const ground = await Ground.open(scratch, options);
    fileSystem = ground.kind.name;
    for (const [index, part] of PARTS.entries()) {
      options.onPart(part.what);
      const measured = await run(part, PARTS.slice(index), ground, endMs);
      if (options.signal.aborted) throw new Stopped();
      if (measured.length === 0) missing.push(part.what);
      results.push(...measured);
    }
  } finally {
    scratch.remove();
  }
  const processors = cpus();
  return {
    dir: scratch.parent,
    fileSystem,
    kernel: `${type()} ${release()}`,
    node: process.version,
    cores: processors.length,
    cpu: processors[0]?.model.trim() ?? "unknown",
    seconds: performance.now() / 1000,
    results,
    missing,
  };
}

/** What a part has measured, or nothing where there was no time. */
async function run(
  part: Part,
  still: readonly Part[],
  ground: Ground,
  endMs: number,
): Promise<readonly Measured[]> {
  const weights = still.reduce((sum, { weight }) => sum + weight, 0);
  const begin: Begin = () => {
    const shareMs = ((endMs - performance.now()) * part.weight) / weights;
    return new Pace(shareMs, ground.signal);
  };
  try {
    const measured = await part.run(ground, begin);
    return measured.filter(({ figures }) => figures.ours.length > 0);
  } catch (error) {
    if (error instanceof NoTime) return [];
    throw error;
  }
}
