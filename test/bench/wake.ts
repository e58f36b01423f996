/**
 * Wake-up: from the moment at which a put begins until a consumer of another process, which waited, has the payload.
 *
 * One message at a time, and the next one only when the consumer waits again: the spool and the floor take turns
 * message by message, so each rests while the other one works. The floor is what Node can do at all: writeFileSync
 * and renameSync here, fs.watch and readFileSync there.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import type { Ground, Section } from "./ground.ts";
import { atMost, quantile } from "./measure.ts";
import type { Row } from "./measure.ts";

/** Between one wake-up and the next, of the other one, in ms: by chance, because a rhythm could suit one of them. */
const restMs = (): number => 2 + Math.random() * 18;

/** What the payload says: when its put began, by the clock that all processes share. */
const stamp = (): string => String(process.hrtime.bigint());

interface Waiter {
  /** Microseconds of one wake-up. */
  readonly wake: () => Promise<number>;
  readonly close: () => void;
}

async function waiter(
  ground: Ground,
  kind: "spool" | "floor",
  dir: string,
  put: () => unknown,
): Promise<Waiter> {
  const child: ChildProcess = fork(join(import.meta.dirname, "wake-child.ts"), [kind, dir], {
    execPath: ground.node,
  });
  await once(child, "message");
  const wake = async (): Promise<number> => {
    await sleep(restMs());
    const told = once(child, "message");
    await put();
    const [us] = (await told) as [number];
    return us;
  };
  return { wake, close: () => child.disconnect() };
}

async function wakeUps(ground: Ground): Promise<Row[]> {
  const count = ground.size(200, 50);
  const dir = ground.fresh("wake");
  const queue = (await ground.open(dir)).queue("jobs");
  await queue.create();
  const bare = ground.fresh("wake");
  for (const name of ["", "tmp", "ready"]) fs.mkdirSync(join(bare, name));
  let names = 0;
  const spool = await waiter(ground, "spool", dir, () => queue.put(stamp(), { sync: "none" }));
  const floor = await waiter(ground, "floor", `${bare}/ready`, () => {
    const name = String(names++);
    fs.writeFileSync(`${bare}/tmp/${name}`, stamp());
    fs.renameSync(`${bare}/tmp/${name}`, `${bare}/ready/${name}`);
  });
  const p50 = { spool: [] as number[], floor: [] as number[] };
  const p99 = { spool: [] as number[], floor: [] as number[] };
  for (let round = -1; round < ground.rounds(5); round++) {
    const us = { spool: [] as number[], floor: [] as number[] };
    for (let at = 0; at < count; at++) {
      us.spool.push(await spool.wake());
      us.floor.push(await floor.wake());
    }
    if (round < 0) continue;
    for (const kind of ["spool", "floor"] as const) {
      p50[kind].push(quantile(us[kind], 0.5));
      p99[kind].push(quantile(us[kind], 0.99));
    }
  }
  spool.close();
  floor.close();
  const row = {
    unit: "µs",
    floor: "write, rename; fs.watch, read, in Node",
    measure: "ratio",
  } as const;
  const what = "wake-up, put begun to payload in another process";
  return [
    { ...row, what: `${what}, p50`, ours: p50.spool, theirs: p50.floor, target: atMost(1.5) },
    { ...row, what: `${what}, p99`, ours: p99.spool, theirs: p99.floor, target: atMost(3) },
  ];
}

export const wakeRows: readonly Section[] = [
  { name: "wake", about: "wake-up of a waiting consumer, p50 and p99", run: wakeUps },
];
