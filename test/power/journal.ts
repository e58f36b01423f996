/**
 * What the workload was told: one file for each process, outside of the disk that loses power.
 *
 * A call writes a line before it begins and one after it has returned, each with the size of the log
 * of block writes at that moment. So for any prefix of that log one can say what had been promised
 * by then, and what may have had an effect.
 */
import { appendFileSync, closeSync, fstatSync, openSync, readdirSync, readFileSync } from "node:fs";

export interface Call {
  readonly what:
    /** `place` is made: a queue, a topic or a subscription. */
    | "make"
    /** The tokens are put into the queue `place`, or published to the topic of that name. */
    | "send"
    /** The tokens are given up in `place`: acked or purged. */
    | "drop"
    /** What `place` got since `sinceMs` is delivered there again. */
    | "replay"
    /** `place` is removed. */
    | "remove"
    /** A setting of `place` gets `value`; the larger one is the later one. */
    | "set"
    /** Whatever promises nothing: it is only counted. */
    | "other";
  readonly place: string;
  readonly tokens?: readonly string[];
  readonly key?: string;
  /** Header of what is published. */
  readonly level?: string;
  readonly sinceMs?: number;
  readonly fromStart?: boolean;
  readonly value?: number;
}

/** A call as it is known in the end. */
export interface Known extends Call {
  readonly beganAt: number;
  readonly beganMs: number;
  /** Undefined where it failed, or nobody was left to be told. */
  readonly okAt?: number;
  /** Of what was sent, where they are known. */
  readonly ids?: readonly string[];
}

export class Journal {
  readonly #file: string;
  readonly #log: number;
  #calls = 0;

  constructor(file: string, log: string) {
    this.#file = file;
    this.#log = openSync(log, "r");
    // That it is there says that its process is at work.
    appendFileSync(file, "");
  }

  /** Makes a call, with a line before and one after it. Whatever it throws is not success. */
  async tell<T>(call: Call, act: () => Promise<T>): Promise<T> {
    const number = this.begin(call);
    const result = await act();
    this.returned(number, idsOf(result));
    return result;
  }

  begin(call: Call): number {
    const number = ++this.#calls;
    this.#append({ number, beganAt: this.#size(), beganMs: Date.now(), ...call });
    return number;
  }

  returned(number: number, ids: readonly string[] = []): void {
    this.#append({ number, okAt: this.#size(), ids });
  }

  close(): void {
    closeSync(this.#log);
  }

  #size(): number {
    return fstatSync(this.#log).size;
  }

  #append(line: object): void {
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`);
  }
}

/** The ids in what a put answered with. */
function idsOf(result: unknown): string[] {
  const answers = Array.isArray(result) ? (result as unknown[]) : [result];
  return answers.flatMap((answer) => {
    const { id } = (answer ?? {}) as { readonly id?: string };
    return typeof id === "string" ? [id] : [];
  });
}

type Line = { readonly number: number } & Partial<Known>;

/** The calls of all processes. */
export function readJournals(directory: string): Known[] {
  return readdirSync(directory).flatMap((name) => {
    const calls = new Map<number, Known>();
    for (const text of readFileSync(`${directory}/${name}`, "utf8").split("\n")) {
      // A kill may cut the last line short: what it says was not said then.
      if (!text.endsWith("}")) continue;
      const { number, ...line } = JSON.parse(text) as Line;
      calls.set(number, { ...calls.get(number), ...line } as Known);
    }
    return [...calls.values()];
  });
}

const PERIOD = 61;

/** A message says by itself what its bytes must be: `<token>:` and a pattern, as long as the token says. */
export function payloadOf(token: string): Buffer {
  const bytes = Number(token.slice(token.lastIndexOf("s") + 1));
  const head = `${token}:`;
  // Its period is a prime, so that no block of the disk looks like another one.
  const pattern = `${head}${"abcdefghijklmnopqrstuvwxyz0123456789".repeat(2)}`.slice(0, PERIOD);
  const body = Buffer.alloc(Math.max(head.length, bytes), pattern);
  body.write(head);
  return body;
}

/** The token of a payload, or undefined where the payload is not exactly that of its token. */
export function tokenOf(payload: Buffer): string | undefined {
  const colon = payload.indexOf(":");
  if (colon <= 0 || colon > PERIOD) return undefined;
  const token = payload.toString("latin1", 0, colon);
  if (!/^[a-z0-9.-]+s\d+$/.test(token)) return undefined;
  return payload.equals(payloadOf(token)) ? token : undefined;
}
