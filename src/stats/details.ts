/** Answers what a closer look at one queue asks for, again and again. Only reads. */
import { Breath } from "../clock.ts";
import { fromErrno, SpoolError } from "../errors.ts";
import { isPattern, matchesTopic, pathOfTopic } from "../names.ts";
import { checkThere } from "./queue-stats.ts";
import type { Found } from "../queue/browse.ts";
import type { Spool } from "../spool.ts";
import { ageRows, graphsOf, reasonRows } from "./backlog.ts";
import type { Answered, Ask, Detail } from "./detail.ts";
import { FlowReader } from "./flow-reader.ts";
import { messageDetail, messageRows } from "./message-rows.ts";
import type { RowCache } from "./message-rows.ts";
import { workerRows } from "./worker-rows.ts";

export class Details {
  readonly #spool: Spool;
  readonly #breath = new Breath();
  readonly #cache: RowCache = new Map();
  readonly #known = new Map<string, Found>();
  /** Of the queue that is looked at, and of what flows into it: all of the hour that is kept. */
  readonly #flows = new Map<string, FlowReader>();
  #queue = "";

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** Never throws what the disk says: it answers that. */
  async answer(ask: Ask): Promise<Answered> {
    if (ask.queue !== this.#queue) {
      this.#queue = ask.queue;
      this.#flows.clear();
      this.#cache.clear();
      this.#known.clear();
    }
    let detail: Detail;
    try {
      await checkThere(this.#spool.queue(ask.queue).room);
      detail = await this.#look(ask);
    } catch (thrown) {
      const error = fromErrno(thrown);
      if (!(error instanceof SpoolError)) throw error;
      detail = { kind: "failed", message: error.message };
    }
    const { clock } = this.#spool.disk;
    return { ask, atMs: Date.now(), diskNowMs: clock.isFresh() ? clock.now() : Date.now(), detail };
  }

  async #look(ask: Ask): Promise<Detail> {
    const queue = this.#spool.queue(ask.queue);
    const { room } = queue;
    switch (ask.kind) {
      case "messages":
        return messageRows(queue, ask, this.#cache, this.#breath);
      case "message":
        return messageDetail(queue, ask, this.#known, this.#breath);
      case "workers":
        return workerRows(room, this.#flow(room.layout.flow));
      case "reasons":
        return reasonRows(queue, this.#breath);
      case "ages":
        return ageRows(queue, this.#breath);
      default:
        return graphsOf(queue, ask, this.#flow(room.layout.flow), await this.#inflow(ask.queue));
    }
  }

  #flow(directory: string): FlowReader {
    let reader = this.#flows.get(directory);
    if (reader === undefined) {
      reader = new FlowReader(directory);
      this.#flows.set(directory, reader);
    }
    return reader;
  }

  /** Who tells what comes: the queue's putters, or the publishers of the topics that a subscription hears. */
  async #inflow(name: string): Promise<FlowReader[]> {
    const { dir } = this.#spool;
    const { room } = this.#spool.queue(name);
    if (!room.isSubscription) return [this.#flow(room.layout.flow)];
    const topic = name.slice(0, name.indexOf("/"));
    const topics = isPattern(topic)
      ? (await this.#spool.topicNames()).filter((one) => matchesTopic(topic, one))
      : [topic];
    return topics.map((one) => this.#flow(`${dir}/${pathOfTopic(one)}/flow`));
  }
}
