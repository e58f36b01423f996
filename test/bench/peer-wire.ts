/**
 * Servers that run for one benchmark, and a socket to one of them.
 *
 * Nothing here may make a peer look slow: what is written in one turn goes out in one packet, and what has come
 * is read without a promise for each message.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** How long a server may take until it answers, and until it has stopped, in ms. RabbitMQ takes ten seconds. */
const START_MS = 60_000;
const STOP_MS = 15_000;

/** All that were started and have not ended: each leads a process group. */
const running = new Set<ChildProcess>();

/** Done when the benchmark ends before its time, too. */
const cleanUps = new Set<() => void>();

export function atExit(act: () => void): void {
  cleanUps.add(act);
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

process.once("exit", () => {
  for (const child of running) killGroup(child, "SIGKILL");
  for (const act of cleanUps) act();
});

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** For what is spoken to by its stdin and stdout, in place of a port. */
  readonly stdio?: "pipe";
}

/** Starts a program that ends when the benchmark does. */
export function start(argv: readonly string[], options: StartOptions = {}): ChildProcess {
  const [file = "", ...args] = argv;
  const { env = process.env, stdio = "ignore" } = options;
  const child = spawn(file, args, { env, stdio: [stdio, stdio, "ignore"], detached: true });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** A wire to a server, as soon as it answers. @throws where it ends, or does not answer in time. */
export async function wireTo(child: ChildProcess, port: number): Promise<Wire> {
  const endMs = performance.now() + START_MS;
  for (;;) {
    try {
      return await Wire.connect(port);
    } catch (error) {
      const isOver = child.exitCode !== null || child.signalCode !== null;
      if (isOver || performance.now() > endMs) throw error;
      await sleep(50);
    }
  }
}

/** Asks a server to end, and kills what does not, or what it has left. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const over = once(child, "exit");
    child.kill("SIGTERM");
    await Promise.race([over, sleep(STOP_MS, undefined, { ref: false })]);
  }
  killGroup(child, "SIGKILL");
}

export class Wire {
  readonly #socket: Socket;
  #buffer = Buffer.alloc(0);
  #at = 0;
  #out: Buffer[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      const rest = this.#buffer.subarray(this.#at);
      this.#buffer = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      this.#at = 0;
      this.#wake?.();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#isClosed = true;
      this.#wake?.();
    });
  }

  static async connect(port: number): Promise<Wire> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new Wire(socket);
  }

  /** Goes out with all else that was written before the next wait. */
  write(bytes: string | Buffer): void {
    this.#out.push(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** The next line, without its end; undefined where it is not here yet. */
  line(): string | undefined {
    const end = this.#buffer.indexOf("\r\n", this.#at);
    if (end === -1) return undefined;
    const line = this.#buffer.toString("latin1", this.#at, end);
    this.#at = end + 2;
    return line;
  }

  /** The next bytes; undefined where they are not all here yet. */
  bytes(count: number): Buffer | undefined {
    if (this.#buffer.length < this.#at + count) return undefined;
    const from = this.#at;
    this.#at += count;
    return this.#buffer.subarray(from, this.#at);
  }

  /** What `read` makes of what is here; where that is not enough, all of it stays to be read again. */
  attempt<T>(read: () => T | undefined): T | undefined {
    const before = this.#at;
    const answer = read();
    if (answer === undefined) this.#at = before;
    return answer;
  }

  /** The same, each time that more has come, until there is an answer. */
  async read<T>(read: () => T | undefined): Promise<T> {
    for (;;) {
      const answer = this.attempt(read);
      this.#flush();
      if (answer !== undefined) return answer;
      await this.#more();
    }
  }

  /** All that is here already, and at least one: each is given to `take`. Returns how many there were. */
  async readAll<T>(read: () => T | undefined, take: (one: T) => void = () => {}): Promise<number> {
    take(await this.read(read));
    let count = 1;
    for (let one = this.attempt(read); one !== undefined; one = this.attempt(read)) {
      take(one);
      count++;
    }
    return count;
  }

  /** Reads so many answers; `ask` is told to ask, so that so many questions are always under way. */
  async pipeline(
    count: number,
    inFlight: number,
    ask: () => void,
    answer: () => unknown,
  ): Promise<void> {
    let asked = 0;
    for (let answered = 0; answered < count;) {
      for (; asked < Math.min(count, answered + inFlight); asked++) ask();
      answered += await this.readAll(answer);
    }
    this.#flush();
  }

  #flush(): void {
    if (this.#out.length === 0) return;
    this.#socket.write(this.#out.length === 1 ? this.#out[0]! : Buffer.concat(this.#out));
    this.#out = [];
  }

  async #more(): Promise<void> {
    if (this.#isClosed) throw new Error("the server has closed the connection");
    await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
  }

  close(): void {
    this.#flush();
    this.#socket.destroy();
  }
}
