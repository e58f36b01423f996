/**
 * Redis, beanstalkd and NATS, each with its data safe before it answers, spoken to over a socket.
 *
 * Of puts 256 are in flight; of takes and acks as many as each of them lets be asked at once.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { IN_FLIGHT } from "./durable.ts";
import { PAYLOAD } from "./ground.ts";
import { freePort, start, stop, wireTo } from "./peer-wire.ts";
import type { Wire } from "./peer-wire.ts";

/** One side of a comparison. */
export interface Peer {
  /** Puts of a round at the least, so that what is done once for all of them does not count. */
  readonly least: number;
  put(count: number): unknown;
  /** Adds more for the takes, where puts are so slow that they make too few; returns how many. */
  fill?(): Promise<number>;
  /** Takes and acks so many, each by itself. */
  take(count: number): unknown;
  close(): Promise<void> | void;
}

/** Of a server that syncs each message, and is slow because of that. */
export const LEAST = 512;

const TEXT = PAYLOAD.toString();

/** True of a line that is there and begins so. @throws where it begins otherwise. */
function begins(line: string | undefined, begin: string): true | undefined {
  if (line === undefined) return undefined;
  if (!line.startsWith(begin)) throw new Error(`the server says ${line}`);
  return true;
}

/**
 * LMOVE to a list of what is in hand, and LREM from there: a taken message survives its consumer. (A stream with
 * XREADGROUP, XACK and XTRIM is as fast.)
 *
 * @param fsync  `always`, or `everysec`: then nothing is synced before it is answered.
 */
export async function redis(dir: string, fsync: "always" | "everysec"): Promise<Peer> {
  mkdirSync(dir);
  const port = await freePort();
  const options = ["--appendonly", "yes", "--appendfsync", fsync, "--save", ""];
  const address = ["--bind", "127.0.0.1", "--port", String(port)];
  const server = start(["redis-server", ...address, "--dir", dir, ...options]);
  const wire = await wireTo(server, port);
  const many = (count: number, command: string, answer: () => unknown): Promise<void> => {
    const bytes = Buffer.from(`${command}\r\n`);
    return wire.pipeline(count, IN_FLIGHT, () => wire.write(bytes), answer);
  };
  return {
    least: LEAST,
    put: (count) => many(count, `LPUSH jobs ${TEXT}`, () => begins(wire.line(), ":")),
    take: async (count) => {
      for (let done = 0; done < count; done += IN_FLIGHT) {
        const some = Math.min(IN_FLIGHT, count - done);
        const moved = (): unknown => begins(wire.line(), "$") && wire.bytes(TEXT.length + 2);
        await many(some, "LMOVE jobs hand RIGHT LEFT", moved);
        await many(some, `LREM hand -1 ${TEXT}`, () => begins(wire.line(), ":1"));
      }
    },
    close: () => {
      wire.close();
      return stop(server);
    },
  };
}

/** @param sync  `-f0`: each write before it is answered; `-F`: none. */
export async function beanstalkd(dir: string, sync: "-f0" | "-F"): Promise<Peer> {
  mkdirSync(dir);
  const port = await freePort();
  const address = ["-l", "127.0.0.1", "-p", String(port)];
  const server = start(["beanstalkd", ...address, "-b", dir, sync]);
  const wire = await wireTo(server, port);
  const put = Buffer.from(`put 0 0 60 ${TEXT.length}\r\n${TEXT}\r\n`);
  const reserve = Buffer.from("reserve\r\n");
  const many = (count: number, ask: () => Buffer | string, answer: () => unknown): Promise<void> =>
    wire.pipeline(count, IN_FLIGHT, () => wire.write(ask()), answer);
  return {
    least: LEAST,
    put: (count) =>
      many(
        count,
        () => put,
        () => begins(wire.line(), "INSERTED"),
      ),
    take: async (count) => {
      for (let done = 0; done < count; done += IN_FLIGHT) {
        const ids: string[] = [];
        const some = Math.min(IN_FLIGHT, count - done);
        const reserved = (): unknown => {
          const line = wire.line();
          if (!begins(line, "RESERVED") || !wire.bytes(TEXT.length + 2)) return undefined;
          return ids.push(line!.split(" ")[1]!);
        };
        await many(some, () => reserve, reserved);
        await many(
          some,
          () => `delete ${ids.pop()}\r\n`,
          () => begins(wire.line(), "DELETED"),
        );
      }
    },
    close: () => {
      wire.close();
      return stop(server);
    },
  };
}

const natsConfig = (dir: string, port: number, sync: string): string =>
  `port: ${port}\nhost: 127.0.0.1\njetstream { store_dir: "${dir}"\n${sync} }\n`;

const SYNC_ALWAYS = "sync_interval: always";

/** Older ones than 2.10 know no way to sync before they answer: that is another thing than a durable put. */
export function natsSyncs(): boolean {
  const dir = mkdtempSync(join(tmpdir(), "spool-bench-nats-"));
  try {
    const config = join(dir, "nats.conf");
    writeFileSync(config, natsConfig(dir, 4222, SYNC_ALWAYS));
    return spawnSync("nats-server", ["-t", "-c", config]).status === 0;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export interface NatsOptions {
  /** Syncs each message before it is answered. */
  readonly sync: boolean;
  /** `workqueue`: an ack removes the message. `limits`: it stays, as in a log; that is far faster. */
  readonly retention: "workqueue" | "limits";
}

/** Messages that are pulled at once: more made it no faster. */
const PULLED = 1000;

/** JetStream; each message is acked by itself. */
export async function nats(dir: string, { sync, retention }: NatsOptions): Promise<Peer> {
  mkdirSync(dir);
  const port = await freePort();
  const config = join(dir, "nats.conf");
  writeFileSync(config, natsConfig(dir, port, sync ? SYNC_ALWAYS : ""));
  const server = start(["nats-server", "-c", config]);
  const client = new Nats(await wireTo(server, port));
  await client.api("STREAM.CREATE.JOBS", { name: "JOBS", subjects: ["jobs"], retention });
  const consumer = { durable_name: "one", ack_policy: "explicit", max_ack_pending: 10_000 };
  await client.api("CONSUMER.DURABLE.CREATE.JOBS.one", { stream_name: "JOBS", config: consumer });
  return {
    least: LEAST,
    put: (count) => client.put(count),
    take: async (count) => {
      for (let done = 0; done < count; done += PULLED) {
        await client.take(Math.min(PULLED, count - done));
      }
      // Acks are not answered; only what they have removed tells that they were heeded.
      if (retention === "limits") return;
      while ((await client.messages()) > 0) await sleep(1);
    },
    close: () => {
      client.wire.close();
      return stop(server);
    },
  };
}

class Nats {
  readonly wire: Wire;

  constructor(wire: Wire) {
    this.wire = wire;
    wire.write('CONNECT {"verbose":false}\r\nSUB in.* 1\r\n');
  }

  #ask(subject: string, body: object): void {
    const text = JSON.stringify(body);
    this.wire.write(`PUB ${subject} in.a ${Buffer.byteLength(text)}\r\n${text}\r\n`);
  }

  /** @throws what the server says is an error. */
  #answer = (): Buffer | undefined => {
    const body = delivered(this.wire)?.body;
    if (body?.includes('"error"')) throw new Error(body.toString());
    return body;
  };

  async api(call: string, body: object): Promise<Buffer> {
    this.#ask(`$JS.API.${call}`, body);
    return this.wire.read(this.#answer);
  }

  put(count: number): Promise<void> {
    const put = Buffer.from(`PUB jobs in.a ${TEXT.length}\r\n${TEXT}\r\n`);
    return this.wire.pipeline(count, IN_FLIGHT, () => this.wire.write(put), this.#answer);
  }

  take(batch: number): Promise<void> {
    this.#ask("$JS.API.CONSUMER.MSG.NEXT.JOBS.one", { batch });
    const taken = (): unknown => {
      const message = delivered(this.wire);
      if (message !== undefined) this.wire.write(`PUB ${message.reply} 4\r\n+ACK\r\n`);
      return message;
    };
    return this.wire.pipeline(batch, batch, () => {}, taken);
  }

  /** How many the stream holds. */
  async messages(): Promise<number> {
    const said = await this.api("STREAM.INFO.JOBS", {});
    return (JSON.parse(said.toString()) as { state: { messages: number } }).state.messages;
  }
}

interface Delivered {
  readonly reply: string;
  readonly body: Buffer;
}

/** The next message; what else the server says is answered or passed over. */
function delivered(wire: Wire): Delivered | undefined {
  for (;;) {
    const line = wire.line();
    if (line === undefined) return undefined;
    const words = line.split(" ");
    if (words[0] === "PING") wire.write("PONG\r\n");
    else if (words[0] === "-ERR") throw new Error(line);
    else if (words[0] === "MSG") {
      const body = wire.bytes(Number(words.at(-1)) + 2);
      if (body === undefined) return undefined;
      return { reply: words.length === 5 ? words[3]! : "", body };
    }
  }
}
