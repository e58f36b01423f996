/**
 * What processes did to a topic, as they were told of it: calls, returns, and what consumers got.
 *
 * `step` is the order in which things happened. The check at the end (model-topic-check.ts) reads only this.
 */
export type Level = "error" | "info";

/** Each with its own place, its filter, and where it begins; every life of it has the same. */
export const SUBSCRIPTIONS = {
  now: { topic: "logs.app", level: undefined, from: "now" },
  twin: { topic: "logs.app", level: undefined, from: "now" },
  errors: { topic: "logs.app", level: "error", from: "now" },
  start: { topic: "logs.app", level: undefined, from: "start" },
  past: { topic: "logs.app", level: "error", from: "start" },
  wild: { topic: "logs.*", level: undefined, from: "now" },
  ever: { topic: "logs.*", level: "error", from: "start" },
} as const satisfies Record<
  string,
  { topic: string; level: Level | undefined; from: "now" | "start" }
>;

export type Name = keyof typeof SUBSCRIPTIONS;

export const NAMES = Object.keys(SUBSCRIPTIONS) as Name[];

export interface Publish {
  readonly body: string;
  readonly level: Level;
  readonly key: string | undefined;
  readonly began: number;
  /** When its call returned or failed; undefined where its process died before. */
  ended?: number;
  /** Of the message, or of the one that had its key. */
  id?: string;
  result?: "ok" | "duplicate" | "TRY_AGAIN" | "DISK_FULL" | "IO";
}

/** One life of a subscription, from the rename that makes it visible to the one that takes it away. */
export interface Life {
  readonly name: Name;
  readonly opened: number;
  /** When subscribe returned success; undefined where it never did. */
  made?: number;
  closed: number;
  /** How often a consumer was handed a message, by `keyOf`; and how often an ack of it succeeded. */
  readonly handed: Map<string, number>;
  readonly acked: Map<string, number>;
  /** Ids of messages that were in it when it was taken away. */
  left: ReadonlySet<string>;
}

export interface Replay {
  readonly name: Name;
  readonly life: Life | undefined;
  readonly began: number;
  result?: number | "TRY_AGAIN" | "NO_QUEUE" | "DISK_FULL" | "IO";
  /** What tells its deliveries from others. */
  tag?: string;
}

/** A delivery: a message's body, and the replay that it is of, if any. */
export const keyOf = (body: string, replay: string | undefined): string =>
  replay === undefined ? body : `${body} again ${replay}`;

export class History {
  readonly publishes: Publish[] = [];
  readonly lives: Life[] = [];
  readonly replays: Replay[] = [];
  /** Tags of links with which subscriptions were filled: these are first deliveries. */
  readonly fills = new Set<string>();
  readonly #current = new Map<Name, Life>();
  #step = 0;

  step(): number {
    return ++this.#step;
  }

  current(name: Name): Life | undefined {
    return this.#current.get(name);
  }

  opens(name: Name): Life {
    const life: Life = {
      name,
      opened: this.step(),
      closed: Number.POSITIVE_INFINITY,
      handed: new Map(),
      acked: new Map(),
      left: new Set(),
    };
    this.lives.push(life);
    this.#current.set(name, life);
    return life;
  }

  closes(name: Name, left: ReadonlySet<string>): void {
    const life = this.#current.get(name)!;
    life.closed = this.step();
    life.left = left;
    this.#current.delete(name);
  }
}
