/**
 * RabbitMQ: a quorum queue, which is its durable kind, with publisher confirms. And as much of AMQP 0-9-1 as that takes.
 *
 * The server is Debian's, with a node, an epmd and all files of its own.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { IN_FLIGHT } from "./durable.ts";
import { PAYLOAD } from "./ground.ts";
import { LEAST } from "./peer-servers.ts";
import type { Peer } from "./peer-servers.ts";
import { freePort, start, stop, wireTo } from "./peer-wire.ts";
import type { Wire } from "./peer-wire.ts";

/** Debian's /usr/sbin/rabbitmq-server wants to be rabbitmq, and its files; this is what that calls. */
export const RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/** Messages that may be with the consumer unacked: with fewer it is slower, with more it is not faster. */
const PREFETCH = 4000;

/** Class and method. */
const METHOD = {
  start: [10, 10],
  startOk: [10, 11],
  tune: [10, 30],
  tuneOk: [10, 31],
  open: [10, 40],
  openOk: [10, 41],
  channel: [20, 10],
  channelOk: [20, 11],
  declare: [50, 10],
  declareOk: [50, 11],
  qos: [60, 10],
  qosOk: [60, 11],
  consume: [60, 20],
  consumeOk: [60, 21],
  cancel: [60, 30],
  cancelOk: [60, 31],
  publish: [60, 40],
  deliver: [60, 60],
  ack: [60, 80],
  confirm: [85, 10],
  confirmOk: [85, 11],
} as const;

type Method = keyof typeof METHOD;

const numberOf = (method: Method): number => METHOD[method][0] * 65_536 + METHOD[method][1];

const METHOD_FRAME = 1;
const HEADER_FRAME = 2;
const BODY_FRAME = 3;

const u8 = (value: number): Buffer => Buffer.from([value]);
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const u32 = (value: number): Buffer => Buffer.concat([u16(value >>> 16), u16(value & 65_535)]);
const u64 = (value: number): Buffer => Buffer.concat([u32(0), u32(value)]);
const short = (text: string): Buffer => Buffer.concat([u8(text.length), Buffer.from(text)]);
const long = (text: string): Buffer => Buffer.concat([u32(text.length), Buffer.from(text)]);

function frame(type: number, channel: number, ...parts: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(parts);
  return Buffer.concat([u8(type), u16(channel), u32(payload.length), payload, u8(0xce)]);
}

const call = (channel: number, method: Method, ...parts: readonly Buffer[]): Buffer =>
  frame(METHOD_FRAME, channel, u32(numberOf(method)), ...parts);

class Amqp {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** The next method and its arguments; content, and what keeps a connection alive, is passed over. */
  #next(): { readonly method: number; readonly args: Buffer } | undefined {
    for (;;) {
      const head = this.#wire.bytes(7);
      const rest = head && this.#wire.bytes(head.readUInt32BE(3) + 1);
      if (rest === undefined) return undefined;
      if (head![0] === METHOD_FRAME) {
        return { method: rest.readUInt32BE(0), args: rest.subarray(4) };
      }
    }
  }

  /** The arguments of the next method, which must be this one. */
  expect(method: Method): Buffer | undefined {
    const next = this.#next();
    if (next !== undefined && next.method !== numberOf(method)) {
      throw new Error(
        `not ${method}: ${next.method >> 16}.${next.method & 65_535} ${next.args.toString()}`,
      );
    }
    return next?.args;
  }

  /** Asks on a channel, and waits for that answer. */
  async ask(answer: Method, question: Buffer): Promise<Buffer> {
    this.#wire.write(question);
    return this.#wire.read(() => this.expect(answer));
  }

  async open(): Promise<void> {
    await this.ask("start", Buffer.from("AMQP\0\0\x09\x01", "latin1"));
    const login = [u32(0), short("PLAIN"), long("\0guest\0guest"), short("en_US")];
    const tune = await this.ask("tune", call(0, "startOk", ...login));
    // What it wants of channels and frames, and no heartbeats.
    this.#wire.write(call(0, "tuneOk", tune.subarray(0, 6), u16(0)));
    await this.ask("openOk", call(0, "open", short("/"), short(""), u8(0)));
    await this.ask("channelOk", call(1, "channel", short("")));
  }

  /** A message to a queue that is to be kept: three frames. */
  static publish(queue: string, body: Buffer): Buffer {
    const isPersistent = [u16(0x1000), u8(2)];
    return Buffer.concat([
      call(1, "publish", u16(0), short(""), short(queue), u8(0)),
      frame(HEADER_FRAME, 1, u16(60), u16(0), u64(body.length), ...isPersistent),
      frame(BODY_FRAME, 1, body),
    ]);
  }
}

/** An erlang node that nobody else sees, with an epmd that ends with it. */
async function startRabbit(dir: string, port: number) {
  mkdirSync(dir);
  const epmdPort = String(await freePort());
  const config = join(dir, "rabbitmq.conf");
  writeFileSync(config, `listeners.tcp.1 = 127.0.0.1:${port}\nlog.console = false\n`);
  const env = {
    PATH: process.env["PATH"],
    HOME: dir,
    ERL_EPMD_PORT: epmdPort,
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: `bench${process.pid}@localhost`,
    RABBITMQ_DIST_PORT: String(await freePort()),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
    RABBITMQ_CONF_ENV_FILE: join(dir, "none"),
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, "plugins"),
    RABBITMQ_PID_FILE: join(dir, "pid"),
    RABBITMQ_MNESIA_BASE: join(dir, "mnesia"),
    RABBITMQ_LOG_BASE: join(dir, "log"),
  };
  const epmd = start(["epmd"], { env });
  return { epmd, server: start([RABBITMQ], { env }) };
}

export async function rabbitmq(dir: string): Promise<Peer> {
  const port = await freePort();
  const { epmd, server } = await startRabbit(dir, port);
  const wire = await wireTo(server, port);
  const amqp = new Amqp(wire);
  await amqp.open();
  const kind = Buffer.concat([short("x-queue-type"), Buffer.from("S"), long("quorum")]);
  const durable = u8(2);
  const table = [u32(kind.length), kind];
  await amqp.ask("declareOk", call(1, "declare", u16(0), short("jobs"), durable, ...table));
  await amqp.ask("confirmOk", call(1, "confirm", u8(0)));
  const message = Amqp.publish("jobs", PAYLOAD);
  const ack = call(1, "ack", u64(0), u8(0));
  /** Tags that are not confirmed yet, in order. */
  const open = new Set<number>();
  let tag = 0;
  const confirm = (args: Buffer): void => {
    const last = args.readUInt32BE(4);
    const isMany = args[8] === 1;
    if (!isMany) open.delete(last);
    for (const one of isMany ? open : []) {
      if (one > last) break;
      open.delete(one);
    }
  };
  return {
    least: LEAST,
    put: async (count) => {
      const end = tag + count;
      while (tag < end || open.size > 0) {
        while (tag < end && open.size < IN_FLIGHT) {
          wire.write(message);
          open.add(++tag);
        }
        await wire.readAll(() => amqp.expect("ack"), confirm);
      }
    },
    take: async (count) => {
      await amqp.ask("qosOk", call(1, "qos", u32(0), u16(PREFETCH), u8(0)));
      const consume = [u16(0), short("jobs"), short("me"), u8(0), u32(0)];
      await amqp.ask("consumeOk", call(1, "consume", ...consume));
      await wire.pipeline(
        count,
        count,
        () => {},
        () => {
          const args = amqp.expect("deliver");
          if (args === undefined) return undefined;
          const mine = Buffer.from(ack);
          // Behind the consumer's name, and behind frame and method.
          args.copy(mine, 11, 1 + args[0]!, 9 + args[0]!);
          wire.write(mine);
          return mine;
        },
      );
      // It has read all the acks when it answers this.
      await amqp.ask("cancelOk", call(1, "cancel", short("me"), u8(0)));
    },
    close: async () => {
      wire.close();
      await stop(server);
      await stop(epmd);
    },
  };
}
