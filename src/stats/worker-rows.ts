/** Who holds a lease of a queue: what, since when, for how long yet, and how fast. Only reads. */
import { listIfThere } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { parseHeldName } from "../message/slice.ts";
import { parseLeaseName } from "../queue/lease.ts";
import type { LeaseName } from "../queue/lease.ts";
import type { Room } from "../queue/room.ts";
import type { Detail, WorkerRow } from "./detail.ts";
import type { FlowReader } from "./flow-reader.ts";

/** Rates of processes are over this, in s. */
const RATE_S = 60;

/** `1234@host`; where it is no process, but whoever has the receipt: `lease@host`. */
export function holderOf({ process, host }: LeaseName): string {
  const pid = /\.p(\d+)(?:\.|$)/.exec(process)?.[1];
  return `${pid ?? "lease"}@${host}`;
}

export async function workerRows(room: Room, flow: FlowReader): Promise<Detail> {
  const nowMs = await room.nowToLook();
  flow.look(nowMs);
  const done = flow.byProcess();
  const rows: WorkerRow[] = [];
  for (const name of await listIfThere(room.fs, room.layout.leases)) {
    const lease = parseLeaseName(name);
    const row = lease && (await rowOf(room, lease, nowMs));
    if (lease === undefined || row === undefined) continue;
    const out = done.get(lease.process)?.out;
    rows.push({ ...row, ...(out === undefined ? {} : { outPerS: out / RATE_S }) });
  }
  return { kind: "workers", rows };
}

async function rowOf(room: Room, lease: LeaseName, nowMs: number): Promise<WorkerRow | undefined> {
  const { layout, fs, disk } = room;
  const held = (await listIfThere(fs, layout.lease(lease.name))).flatMap(
    (name) => parseHeldName(name) ?? [],
  );
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
    isGone: disk.processes.isGone(lease.process),
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
