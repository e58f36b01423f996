/**
 * One process of the storm that uses the library: `node storm-library.ts put|work LIB QUEUE LOG NAME`.
 *
 * What it has been told it writes to LOG, a line at a time, appended: so a kill loses nothing that
 * was said. Times are of the machine's monotonic clock, the same for all processes.
 */
import { appendFileSync } from "node:fs";

const [, , role, lib = "", queueName = "", log = "", name = ""] = process.argv;

const { openSpool } = (await import(lib)) as typeof import("../../src/index.ts");

const say = (...words: readonly string[]): void => {
  appendFileSync(log, `${words.join(" ")} ${name} ${process.hrtime.bigint()}\n`);
};

const spool = await openSpool({ dir: process.env["SPOOL_DIR"]! });
const queue = spool.queue(queueName);

async function put(): Promise<void> {
  for (let round = 0; ; round++) {
    const tokens = Array.from({ length: 5 }, (_, index) => `${name}-${round}-${index}`);
    await Promise.all(
      tokens.map(async (token) => {
        await queue.put(token);
        say("put", token);
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function work(): Promise<void> {
  await queue.work(
    async (message) => {
      const token = (await message.body()).toString();
      say("run", token);
      await message.ack();
      say("ack", token);
    },
    { concurrency: 2, onError: (error) => console.error(String(error)) },
  );
}

await (role === "put" ? put() : work());
