/**
 * Goal: the size of a message is bounded by the disk, never by memory.
 *
 * Method: a line of 100 MB, and a message of 3 GB, are made as they are written and checked as they
 * are read, by a running checksum; nothing but the spool ever holds them. The most memory that a
 * process has used is what Linux says of it (VmHWM).
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";

import { expect } from "vitest";

import { SPOOL, test } from "../helpers/cli.ts";
import type { Cli, Ended, Running } from "../helpers/cli.ts";

const MIB = 1024 * 1024;
const LIMIT_MIB = 200;
const TIMEOUT_MS = 150_000;

/** Blocks that differ, so that none can be lost, doubled or moved unseen; without a newline. */
function* blocks(bytes: number): Generator<Buffer> {
  for (let at = 0; at < bytes; at += MIB) {
    // A fresh one each time: the pipe may still hold the last.
    const block = Buffer.alloc(Math.min(MIB, bytes - at), "0123456789abcdef");
    block.write(`block ${at}`);
    yield block;
  }
}

async function feed(stdin: Writable, bytes: number, end = ""): Promise<string> {
  const hash = createHash("sha1");
  for (const block of blocks(bytes)) {
    hash.update(block);
    if (!stdin.write(block)) await once(stdin, "drain");
  }
  stdin.end(end);
  return hash.digest("hex");
}

async function digest(stdout: Readable): Promise<{ sha1: string; bytes: number; last: number }> {
  const hash = createHash("sha1");
  let bytes = 0;
  let last = -1;
  for await (const chunk of stdout as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    last = chunk.at(-1) ?? last;
  }
  return { sha1: hash.digest("hex"), bytes, last };
}

/** Runs to its end while it looks at how much memory it has used at the most, in MiB. */
async function measured(running: Running): Promise<Ended & { peakMib: number }> {
  let peakMib = 0;
  const look = (): void => {
    try {
      const status = readFileSync(`/proc/${running.pid}/status`, "latin1");
      const kib = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
      peakMib = Math.max(peakMib, kib / 1024);
    } catch {
      // It has ended.
    }
  };
  const timer = setInterval(look, 20);
  try {
    return { ...(await running.ended), peakMib };
  } finally {
    clearInterval(timer);
  }
}

async function roundTrip(
  cli: Cli,
  bytes: number,
  put: readonly string[],
  take: readonly string[],
  end = "",
): Promise<{ put: number; take: number }> {
  const putter = cli.launch(SPOOL, put, { stdio: ["pipe", "pipe", "pipe"], timeoutMs: TIMEOUT_MS });
  putter.read();
  const [ended, sha1] = await Promise.all([
    measured(putter),
    feed(putter.child.stdin!, bytes, end),
  ]);
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  await cli.expectStatus({ ready: 1 });

  const taker = cli.launch(SPOOL, take, { timeoutMs: TIMEOUT_MS });
  const [taken, got] = await Promise.all([measured(taker), digest(taker.child.stdout!)]);
  expect(taken).toMatchObject({ code: 0, stderr: "" });
  if (end === "") expect(got).toMatchObject({ sha1, bytes });
  else expect(got).toMatchObject({ bytes: bytes + 1, last: 0x0a });
  await cli.expectStatus({});
  console.log(
    `${bytes / MIB} MiB: put ${ended.peakMib.toFixed()} MiB, ${take[0]} ${taken.peakMib.toFixed()} MiB at the most`,
  );
  return { put: ended.peakMib, take: taken.peakMib };
}

function expectBounded({ put, take }: { put: number; take: number }): void {
  // Zero would mean that nothing was measured.
  for (const mib of [put, take]) {
    expect(mib).toBeGreaterThan(20);
    expect(mib).toBeLessThan(LIMIT_MIB);
  }
}

test(
  "a line of 100 MB: put --lines, consume, in bounded memory",
  async ({ cli }) => {
    const put = ["put", "q", "--lines"];
    const consume = ["consume", "q", "--until-empty"];
    expectBounded(await roundTrip(cli, 100 * MIB, put, consume, "\n"));
  },
  TIMEOUT_MS,
);

test(
  "a line of 100 MB: put --lines, take, byte for byte, in bounded memory",
  async ({ cli }) => {
    expectBounded(await roundTrip(cli, 100 * MIB, ["put", "q", "--lines"], ["take", "q"]));
  },
  TIMEOUT_MS,
);

test(
  "a message of 3 GB: put, take, byte for byte, in bounded memory",
  async ({ cli, skip }) => {
    const { bavail, bsize } = await statfs(cli.dir);
    const freeGb = (bavail * bsize) / 1e9;
    if (freeGb < 8) skip(`less than 8 GB are free: ${freeGb.toFixed(1)} GB`);
    expectBounded(await roundTrip(cli, 3 * 1024 * MIB, ["put", "q"], ["take", "q"]));
  },
  TIMEOUT_MS,
);
