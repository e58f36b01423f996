/**
 * Redis, beanstalkd and NATS, each with its data safe before it answers, spoken to over a socket.
 *
 * Of puts 256 are in flight; of takes and acks as many as each of them lets be asked at once.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { PAYLOAD } from "./ground.ts";
import { freePort, serve, stop } from "./peer-wire.ts";
import type { Server, Wire } from "./peer-wire.ts";

const IN_FLIGHT = 256;
const TEXT = PAYLOAD.toString();

export interface Peer {
  put(count: number): unknown;
  /** Takes and acks so many. */
  take(count: number): unknown;
  close(): Promise<void> | void;
}

/** Asks `count` times, and has so many questions under way until all answers are there. */
async function pipeline(
  count: number,
  ask: () => void,
  answer: () => Promise<unknown>,
): Promise<void> {
  let asked = 0;
  for (let answered = 0; answered < count; answered++) {
    for (; asked < Math.min(count, answered + IN_FLIGHT); asked++) ask();
    await answer();
  }
}

function must(line: string, start: string): string {
  if (!line.startsWith(start)) throw new Error(`the server says ${line}`);
  return line;
}

/** LMOVE to a list of what is in hand, and LREM from there: a taken message survives its consumer. */
export async function redis(dir: string): Promise<Peer> {
  mkdirSync(dir);
  const port = await freePort();
  const options = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
  const argv = ["redis-server", "--port", String(port), "--dir", dir, ...options];
  const server = await serve(argv, port);
  const { wire } = server;
  const bulk = async (): Promise<void> => {
    await wire.bytes(Number(must(await wire.line(), "$").slice(1)));
  };
  return {
    put: (count) =>
      pipeline(
        count,
        () => wire.write(`LPUSH jobs ${TEXT}\r\n`),
        async () => must(await wire.line(), ":"),
      ),
    take: async (count) => {
      for (let done = 0; done < count; done += IN_FLIGHT) {
        const many = Math.min(IN_FLIGHT, count - done);
        await pipeline(many, () => wire.write("LMOVE jobs hand RIGHT LEFT\r\n"), bulk);
        await pipeline(
          many,
          () => wire.write(`LREM hand -1 ${TEXT}\r\n`),
          async () => must(await wire.line(), ":1"),
        );
      }
    },
    close: () => stop(server),
  };
}

export async function beanstalkd(dir: string): Promise<Peer> {
  mkdirSync(dir);
  const port = await freePort();
  const argv = ["beanstalkd", "-l", "127.0.0.1", "-p", String(port), "-b", dir, "-f0"];
  const server = await serve(argv, port);
  const { wire } = server;
  return {
    put: (count) =>
      pipeline(
        count,
        () => wire.write(`put 0 0 60 ${TEXT.length}\r\n${TEXT}\r\n`),
        async () => must(await wire.line(), "INSERTED"),
      ),
    take: async (count) => {
      for (let done = 0; done < count; done += IN_FLIGHT) {
        const ids: string[] = [];
        const many = Math.min(IN_FLIGHT, count - done);
        const reserved = async (): Promise<void> => {
          const [, id = "", bytes] = must(await wire.line(), "RESERVED").split(" ");
          ids.push(id);
          await wire.bytes(Number(bytes));
        };
        await pipeline(many, () => wire.write("reserve\r\n"), reserved);
        await pipeline(
          many,
          () => wire.write(`delete ${ids.shift()}\r\n`),
          async () => must(await wire.line(), "DELETED"),
        );
      }
    },
    close: () => stop(server),
  };
}

/** JetStream, a file that is synced for each message; each is acked by itself, and the ack is not answered. */
export async function nats(dir: string): Promise<Peer> {
  mkdirSync(dir);
  const port = await freePort();
  const config = join(dir, "nats.conf");
  const stream = `jetstream { store_dir: "${dir}", sync_interval: always }`;
  writeFileSync(config, `port: ${port}\nhost: 127.0.0.1\n${stream}\n`);
  const server: Server = await serve(["nats-server", "-c", config], port);
  const { wire } = server;
  wire.write('CONNECT {"verbose":false}\r\nSUB in.* 1\r\n');
  const ask = (subject: string, body: string): void =>
    wire.write(`PUB ${subject} in.a ${Buffer.byteLength(body)}\r\n${body}\r\n`);
  const api = async (call: string, body: object): Promise<void> => {
    ask(`$JS.API.${call}`, JSON.stringify(body));
    const { text } = await delivered(wire);
    if (text.includes('"error"')) throw new Error(text);
  };
  await api("STREAM.CREATE.JOBS", { name: "JOBS", subjects: ["jobs"], retention: "workqueue" });
  const consumer = { durable_name: "one", ack_policy: "explicit", max_ack_pending: 10_000 };
  await api("CONSUMER.DURABLE.CREATE.JOBS.one", { stream_name: "JOBS", config: consumer });
  return {
    put: (count) =>
      pipeline(
        count,
        () => ask("jobs", TEXT),
        () => delivered(wire),
      ),
    take: async (count) => {
      for (let done = 0; done < count; done += IN_FLIGHT) {
        const batch = Math.min(IN_FLIGHT, count - done);
        ask("$JS.API.CONSUMER.MSG.NEXT.JOBS.one", JSON.stringify({ batch }));
        for (let at = 0; at < batch; at++) {
          const { reply } = await delivered(wire);
          wire.write(`PUB ${reply} 4\r\n+ACK\r\n`);
        }
      }
    },
    close: () => stop(server),
  };
}

/** The next message; what else the server says is answered or passed over. */
async function delivered(wire: Wire): Promise<{ readonly reply: string; readonly text: string }> {
  for (;;) {
    const words = (await wire.line()).split(" ");
    if (words[0] === "PING") wire.write("PONG\r\n");
    else if (words[0] === "-ERR") throw new Error(words.join(" "));
    else if (words[0] === "MSG") {
      const text = (await wire.bytes(Number(words.at(-1)))).toString();
      return { reply: words.length === 5 ? words[3]! : "", text };
    }
  }
}
