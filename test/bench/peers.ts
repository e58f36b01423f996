/**
 * `npm run bench:peers`: the same two things done by other queues, on the same disk, in turns with ours.
 *
 * Durable puts with 256 in flight, and take + ack of each message by itself; of nq, which has neither, whole
 * commands. Installs nothing, and says which are missing. All servers are its own, on 127.0.0.1, with their data
 * in the scratch directory below TMPDIR; all have ended when it ends.
 *
 *   --only TEXT   these peers only; may be given several times
 *   --quick       a fraction of the sizes and of the rounds: to try it, not to quote it
 *   --write       puts the table into docs/performance.md; all peers, whole sizes
 */
import { parseArgs } from "node:util";

import { CONTESTS, PUT, TAKE } from "./contests.ts";
import type { Contest } from "./contests.ts";
import { Ground, ROOT } from "./ground.ts";
import { alternate, atLeast, elapsedMs, rate } from "./measure.ts";
import type { Row } from "./measure.ts";
import type { Peer } from "./peer-servers.ts";
import { fsyncUs, machine, peersOf, rowsTable, today, writePeers } from "./report.ts";

/** What the puts of a round take on each side, in seconds; and how many there are at the most. */
const PUT_SECONDS = 0.6;
const MOST = 50_000;

/** After this no round of a comparison is begun that is not needed, in ms: there are a dozen of them. */
const LIMIT_MS = 15_000;

/** How many puts take about as long as a round is to take. */
async function sizeOf(peer: Peer, seconds: number): Promise<number> {
  for (let count = peer.least; ; count *= 4) {
    const tookMs = await elapsedMs(() => peer.put(count));
    await peer.take(count);
    const wanted = Math.ceil((count * seconds * 1000) / tookMs);
    if (tookMs > 100 * seconds || wanted > MOST)
      return Math.max(peer.least, Math.min(MOST, wanted));
  }
}

type Side = "ours" | "theirs";

async function compare(ground: Ground, contest: Contest): Promise<Row[]> {
  const [ours, theirs] = [await contest.ours(ground), await contest.start(ground)];
  const takes: Record<Side, number[]> = { ours: [], theirs: [] };
  const seconds = ground.isQuick ? PUT_SECONDS / 6 : PUT_SECONDS;
  const round = async (side: Side, peer: Peer): Promise<() => Promise<number>> => {
    const count = await sizeOf(peer, seconds);
    return async () => {
      const putRate = await rate(count, () => peer.put(count));
      const taken = count + ((await peer.fill?.()) ?? 0);
      takes[side].push(await rate(taken, () => peer.take(taken)));
      return putRate;
    };
  };
  try {
    const acts = { ours: await round("ours", ours), theirs: await round("theirs", theirs) };
    const puts = await alternate(ground.rounds(5), acts, 1, LIMIT_MS);
    // The first take of each is the warm-up's.
    for (const side of Object.values(takes)) side.shift();
    const row = (what: string, floor: string, isEqual: boolean, figures: typeof puts): Row => ({
      what,
      floor,
      ...figures,
      unit: "per s",
      measure: "ratio",
      ...(isEqual && { target: atLeast(1) }),
    });
    const { put, take } = contest;
    return [
      ...(put === undefined ? [] : [row(put.ours ?? PUT, put.theirs, put.isEqual, puts)]),
      row(take.ours ?? TAKE, take.theirs, take.isEqual, takes),
    ];
  } finally {
    await theirs.close();
  }
}

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

async function run(ground: Ground): Promise<void> {
  const where = machine(ground, fsyncUs(ground));
  const rows: Row[] = [];
  const missing = new Set<string>();
  for (const contest of CONTESTS) {
    const { name, program } = contest;
    if (options.only?.every((text) => !`${name} ${program}`.includes(text))) continue;
    if (!contest.isThere()) {
      missing.add(`${program} is not installed`);
      continue;
    }
    process.stderr.write(`${name}\n`);
    try {
      rows.push(...(await compare(ground, contest)));
    } catch (error) {
      // One that fails does not keep us from the others.
      missing.add(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const text = peersOf({
    machine: where,
    date: today(),
    rows: rowsTable(rows),
    missing: [...missing],
  });
  process.stdout.write(text);
  if (options.write) writePeers(ROOT, text);
}

if (options.write && (options.quick || options.only)) {
  throw new Error("--write is of a whole run: not with --quick or --only");
}
await run(new Ground({ isQuick: options.quick }));
