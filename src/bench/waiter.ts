/**
 * The other side of wake.ts, a process of its own: waits for messages, and tells how old each was when its
 * payload was here, in µs. The clock is the one that all processes of a machine share.
 */
import { watchPlainly } from "../disk/plain-calls.ts";
import { openSpool } from "../spool.ts";

/** How long it takes until it really waits, in ms. */
const SETTLE_MS = 100;

export async function waitAndTell(kind: string, dir: string): Promise<void> {
  const tell = (payload: Buffer): void => {
    const now = process.hrtime.bigint();
    process.send?.(Number(now - BigInt(payload.toString())) / 1000);
  };
  // Also where whoever has started it was killed.
  process.on("disconnect", () => process.exit());
  setTimeout(() => process.send?.("ready"), SETTLE_MS);
  if (kind === "plain") {
    watchPlainly(dir, tell);
    await new Promise(() => {});
  }
  const queue = (await openSpool({ dir, create: false })).queue("wake");
  for await (const message of queue.messages()) {
    tell(await message.body());
    await message.ack();
  }
}
