/** Who holds a lease of a queue: what, since when, for how long yet, and how fast. Only reads. */
import { listIfThere } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { parseHeldName } from "../message/slice.ts";
import { takenFrom } from "../queue/layout.ts";
import { parseLeaseName } from "../queue/lease.ts";
import type { LeaseName } from "../queue/lease.ts";
import type { Room } from "../queue/room.ts";
import type { Detail, WorkerRow } from "./detail.ts";
import type { FlowReader } from "./flow-reader.ts";

/** Rates of processes are over this, in ms; of younger ones over what they have lived. */
const RATE_MS = 60_000;

/** `1234@host`; where it is no process, but whoever has the receipt: `lease@host`. */
export function holderOf({ process, host }: LeaseName): string {
  const pid = /\.p(\d+)(?:\.|$)/.exec(process)?.[1];
  return `${pid ?? "lease"}@${host}`;
}

export async function workerRows(room: Room, flow: FlowReader): Promise<Detail> {
  const nowMs = await room.nowToLook();
  flow.look(nowMs);
  const done = flow.byProcess();
  const rows = new Map<string, WorkerRow>();
  const { leases, reclaim } = room.layout;
  for (const directory of [leases, reclaim]) {
    for (const name of await listIfThere(room.fs, directory)) {
      const lease = parseLeaseName(takenFrom(name));
      const row = lease && (await rowOf(room, lease, `${directory}/${name}`, nowMs));
      if (lease === undefined || row === undefined) continue;
      // What is being taken over may have two names, and some of its messages under each.
      const messages = row.messages + (rows.get(lease.name)?.messages ?? 0);
      const flowed = done.get(lease.process);
      const outPerS = flowed && (1000 * flowed.out) / spanMs(nowMs, flowed.sinceMs, lease.sinceMs);
      rows.set(lease.name, { ...row, messages, ...(outPerS === undefined ? {} : { outPerS }) });
    }
  }
  return { kind: "workers", rows: [...rows.values()] };
}

/** How much of the last minute a process has lived. */
const spanMs = (nowMs: number, ...sinceMs: readonly number[]): number =>
  Math.max(1000, Math.min(RATE_MS, nowMs - Math.min(...sinceMs)));

async function rowOf(
  room: Room,
  lease: LeaseName,
  path: string,
  nowMs: number,
): Promise<WorkerRow | undefined> {
  const held = (await listIfThere(room.fs, path)).flatMap((name) => parseHeldName(name) ?? []);
  const leftMs = await leaseLeftMs(room, lease, nowMs);
  // Closed since it was listed; or its lock alone has gone, and it is about to be taken over.
  if (leftMs === undefined && held.length === 0) return undefined;
  return {
    lease: lease.name,
    holder: holderOf(lease),
    sinceMs: lease.sinceMs,
    leftMs: leftMs ?? 0,
    messages: held.reduce((sum, { count }) => sum + count, 0),
    attempts: held[0]?.attempts ?? 0,
    isGone: room.disk.processes.isGone(lease.process),
  };
}

/** Until others may take over, in ms; undefined where its lock is gone. */
export async function leaseLeftMs(
  { fs, layout }: Room,
  { name, ttlMs }: LeaseName,
  nowMs: number,
): Promise<number | undefined> {
  try {
    return (await fs.lstat(layout.lock(name))).mtimeMs + ttlMs - nowMs;
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    return undefined;
  }
}
