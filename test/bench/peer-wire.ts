/** A socket to a server that speaks lines of text: bytes out, lines and counted bytes in. Used by the peers. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A server that runs for one benchmark. */
export interface Server {
  readonly child: ChildProcess;
  readonly wire: Wire;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Starts a server and connects as soon as it answers. @throws where it does not within 10 s. */
export async function serve(argv: readonly string[], port: number): Promise<Server> {
  const [file = "", ...args] = argv;
  const child = spawn(file, args, { stdio: "ignore" });
  for (let tries = 0; ; tries++) {
    try {
      return { child, wire: await Wire.connect(port) };
    } catch (error) {
      if (tries < 100 && child.exitCode === null) await sleep(100);
      else throw error;
    }
  }
}

export async function stop({ child, wire }: Server): Promise<void> {
  wire.close();
  const over = once(child, "exit");
  child.kill("SIGTERM");
  await over;
}

export class Wire {
  readonly #socket: Socket;
  #buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
      this.#wake?.();
    });
  }

  static async connect(port: number): Promise<Wire> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new Wire(socket);
  }

  write(text: string): void {
    this.#socket.write(text);
  }

  /** The next line, without its end. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#buffer.indexOf("\r\n");
      if (end !== -1) {
        const line = this.#buffer.toString("latin1", 0, end);
        this.#buffer = this.#buffer.subarray(end + 2);
        return line;
      }
      await this.#more();
    }
  }

  /** So many bytes, and the end of line behind them. */
  async bytes(count: number): Promise<Buffer> {
    while (this.#buffer.length < count + 2) await this.#more();
    const bytes = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count + 2);
    return bytes;
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
  }

  close(): void {
    this.#socket.destroy();
  }
}
