/** Waits for messages, and tells how old each was when its payload was here, in µs. Used by wake.ts. */
import * as fs from "node:fs";

import { openSpool } from "../../src/spool.ts";

const [, , kind, dir = ""] = process.argv;

function tell(payload: Buffer): void {
  const now = process.hrtime.bigint();
  process.send?.(Number(now - BigInt(payload.toString())) / 1000);
}

async function listen(): Promise<void> {
  const queue = (await openSpool({ dir })).queue("jobs");
  for await (const message of queue.messages()) {
    tell(await message.body());
    await message.ack();
  }
}

function watch(): void {
  fs.watch(dir, (_, name) => {
    const path = `${dir}/${name}`;
    let payload: Buffer;
    try {
      payload = fs.readFileSync(path);
    } catch {
      // The event of its removal.
      return;
    }
    tell(payload);
    fs.unlinkSync(path);
  });
}

if (kind === "spool") void listen();
else watch();
process.on("disconnect", () => process.exit());
// A moment, until it really waits.
setTimeout(() => process.send?.("ready"), 200);
