/** How fast the disk syncs, and what puts make of it. */
import { GrowingFile } from "../disk/plain-calls.ts";
import type { Measured } from "./figures.ts";
import { asStream, PAYLOAD } from "./ground.ts";
import type { Ground, Part } from "./ground.ts";
import { alternate, plainRateFor, rateFor } from "./pace.ts";
import type { Begin } from "./pace.ts";

const BLOCK_BYTES = 4096;

/** What one round does at the most, so that a disk that is memory is not filled: bytes, files, messages. */
const LINES_BYTES = 32e6;
const FILES = 1000;
const MESSAGES = 50_000;

const IN_FLIGHT = 256;

/** An fsync of a file that has grown by a block: what everything durable waits for. */
async function fsync(ground: Ground, begin: Begin): Promise<Measured[]> {
  const block = Buffer.alloc(BLOCK_BYTES, "x");
  const us: number[] = [];
  const pace = begin();
  do {
    await pace.breathe();
    const file = new GrowingFile(ground.fresh("fsync"));
    plainRateFor(
      pace.slotMs,
      () => {
        file.append(block);
        const startMs = performance.now();
        file.sync();
        us.push(1000 * (performance.now() - startMs));
      },
      FILES,
    );
    file.remove();
  } while (pace.leftMs > 0);
  const what = "fsync of a file that grew by 4 KiB";
  const figures = { ours: us, floor: [] };
  return [{ name: "fsync", what, unit: "µs", beside: "", figures, isLatency: true }];
}

async function putAlone(ground: Ground, begin: Begin): Promise<Measured[]> {
  const queue = ground.spool.queue("alone");
  await queue.create();
  const plain = ground.plain();
  const figures = await alternate(begin(), {
    ours: (slotMs) => rateFor(slotMs, () => queue.put(PAYLOAD), FILES),
    floor: (slotMs) => plainRateFor(slotMs, () => plain.put(PAYLOAD), FILES),
  });
  const what = "durable put, one at a time";
  const beside = plain.putCalls;
  const ms = (rates: readonly number[]): number[] => rates.map((rate) => 1000 / rate);
  const times = { ours: ms(figures.ours), floor: ms(figures.floor) };
  return [
    { name: "put", what, unit: "per s", beside, figures },
    { name: "put_ms", what: "the same, time of one", unit: "ms", beside, figures: times },
  ];
}

async function putTogether(ground: Ground, begin: Begin): Promise<Measured[]> {
  const queue = ground.spool.queue("together");
  await queue.create();
  const plain = ground.plain();
  const file = Buffer.concat(Array.from({ length: IN_FLIGHT }, () => PAYLOAD));
  const figures = await alternate(begin(), {
    ours: async (slotMs) => {
      const startMs = performance.now();
      let count = 0;
      const lane = async (): Promise<void> => {
        do {
          await queue.put(PAYLOAD);
          count++;
        } while (count < MESSAGES && performance.now() - startMs < slotMs);
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
      return (1000 * count) / (performance.now() - startMs);
    },
    floor: (slotMs) =>
      IN_FLIGHT * plainRateFor(slotMs, () => plain.put(file), MESSAGES / IN_FLIGHT)!,
  });
  const what = `durable put, ${IN_FLIGHT} in flight`;
  const beside = `${IN_FLIGHT} in one file: ${plain.putCalls}`;
  return [{ name: "put_in_flight", what, unit: "per s", beside, figures }];
}

async function putLines(ground: Ground, begin: Begin): Promise<Measured[]> {
  const block = Buffer.from(`${PAYLOAD.toString()}\n`.repeat(10_000));
  let rounds = 0;
  /** The same for both sides: blocks for so long, or until it is enough. */
  function* blocks(slotMs: number): Generator<Buffer> {
    const startMs = performance.now();
    let bytes = 0;
    do {
      yield block;
      bytes += block.length;
    } while (bytes < LINES_BYTES && performance.now() - startMs < slotMs);
  }
  const figures = await alternate(begin(), {
    ours: async (slotMs) => {
      const queue = ground.spool.queue(`lines${rounds++}`);
      await queue.create();
      const startMs = performance.now();
      const { bytes } = await queue.putMany().run(asStream(blocks(slotMs)));
      const tookMs = performance.now() - startMs;
      await queue.remove();
      return bytes / 1000 / tookMs;
    },
    floor: (slotMs) => {
      const file = new GrowingFile(ground.fresh("lines"));
      const startMs = performance.now();
      let bytes = 0;
      for (const one of blocks(slotMs)) {
        file.append(one);
        bytes += one.length;
      }
      file.sync();
      const tookMs = performance.now() - startMs;
      file.remove();
      return bytes / 1000 / tookMs;
    },
  });
  const what = "durable put of lines of 100 bytes";
  return [{ name: "put_lines", what, unit: "MB/s", beside: "write to one file, fsync", figures }];
}

export const puts: readonly Part[] = [
  { what: "fsync", weight: 1, run: fsync },
  { what: "durable put, one at a time", weight: 2, run: putAlone },
  { what: `durable put, ${IN_FLIGHT} in flight`, weight: 2, run: putTogether },
  { what: "durable put of lines", weight: 2, run: putLines },
];
