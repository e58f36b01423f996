/**
 * One queue or subscription, looked at again and again.
 *
 * Rates come from what those who make messages flow tell (queue/flow.ts), so one-shot puts and takes count.
 * Of a subscription nobody tells what came in. Without a filter that is what was published to its
 * topic. With one it is what went out and what stayed: `out + dead + change of what is there`, where a
 * purge looks like less and a replay like more. Both are seen from the depths once they are known at two times.
 */
import { DEFAULT_SETTINGS } from "../queue/settings.ts";
import type { QueueSettings } from "../queue/settings.ts";
import { isErrno } from "../errors.ts";
import type { Room } from "../queue/room.ts";
import type { Spool } from "../spool.ts";
import { FlowReader, recentFlow } from "./flow-reader.ts";
import type { Flow } from "./flow-reader.ts";
import type { QueueStats } from "./queue-stats.ts";
import { rounded } from "./sample.ts";
import type { Sample } from "./sample.ts";
import { STALL_MS, stateOf } from "./state.ts";
import type { StatsReader } from "./stats-reader.ts";
import type { TopicFlows } from "./topic-flows.ts";

/** What was there at a time. */
interface Depth {
  readonly atMs: number;
  readonly messages: number;
}

export class QueueSampler {
  readonly name: string;
  readonly #spool: Spool;
  readonly #reader: StatsReader;
  readonly #topics: TopicFlows;
  readonly #room: Room;
  #flow: FlowReader | undefined;
  #settings = DEFAULT_SETTINGS;
  /** Of the settings' file as it was read. */
  #settingsStamp = "";
  #depths: Depth[] = [];

  constructor(spool: Spool, reader: StatsReader, topics: TopicFlows, name: string) {
    this.name = name;
    this.#spool = spool;
    this.#reader = reader;
    this.#topics = topics;
    this.#room = spool.queue(name).room;
  }

  /** @param seconds  over which rates are taken. @throws NO_QUEUE, and what a look may throw */
  async look(seconds: number): Promise<Sample> {
    const stats = await this.#reader.of(this.name);
    const settings = await this.#readSettings();
    const { disk } = this.#spool;
    const nowMs = disk.clock.isFresh() ? disk.clock.now() : Date.now();
    this.#flow ??= new FlowReader(this.#room.layout.flow, recentFlow(nowMs));
    this.#flow.look(nowMs);
    const flow = this.#flowOf(stats, this.#flow, nowMs, seconds);
    const inPerS = this.#inPerS(stats, settings, flow, nowMs, seconds);
    const netPerS = inPerS === null || flow === null ? null : inPerS - flow.out - flow.dead;
    const lately = this.#flowOf(stats, this.#flow, nowMs, STALL_MS / 1000);
    const state = stateOf({
      ...stats,
      inPerS,
      netPerS,
      doneLately: lately && lately.out + lately.dead + lately.back,
      isPaused: settings.isPaused,
      isFull: isFull(stats, settings),
    });
    return {
      name: this.name,
      kind: this.#room.isSubscription ? "subscription" : "queue",
      state,
      atMs: Date.now(),
      ready: stats.ready,
      inFlight: stats.inFlight,
      scheduled: stats.scheduled,
      dead: stats.dead,
      ...(stats.oldestMs === undefined ? {} : { oldestMs: stats.oldestMs }),
      inPerS: rounded(inPerS),
      outPerS: rounded(flow && flow.out),
      netPerS: rounded(netPerS),
      ...(stats.lag === undefined ? {} : { lag: stats.lag }),
      ...(stats.lagMs === undefined ? {} : { lagMs: stats.lagMs }),
      workers: stats.consumers,
      bytes: stats.bytes,
    };
  }

  /** Null where there is something and nobody ever told how it came. */
  #flowOf(stats: QueueStats, flow: FlowReader, nowMs: number, seconds: number): Flow | null {
    return flow.hasAny || messagesIn(stats) + stats.dead === 0
      ? flow.perSecond(nowMs, seconds)
      : this.#room.isSubscription
        ? // Its flow is made by its consumers alone: it has had none.
          { in: 0, out: 0, dead: 0, back: 0 }
        : null;
  }

  #inPerS(
    stats: QueueStats,
    { filter }: QueueSettings,
    flow: Flow | null,
    nowMs: number,
    seconds: number,
  ): number | null {
    if (!this.#room.isSubscription) return flow && flow.in;
    const messages = messagesIn(stats);
    if (filter === "") {
      const topic = this.name.slice(0, this.name.indexOf("/"));
      const published = this.#topics.perSecond(topic, nowMs, seconds);
      return published === null && messages === 0 ? 0 : published;
    }
    const since = this.#depthBefore(nowMs, messages, seconds);
    if (since === undefined || flow === null) return null;
    const change = (1000 * (messages - since.messages)) / (nowMs - since.atMs);
    return Math.max(0, change + flow.out + flow.dead);
  }

  /** The last depth that is known of `seconds` ago or before; else the oldest that is not of just now. */
  #depthBefore(nowMs: number, messages: number, seconds: number): Depth | undefined {
    const fromMs = nowMs - 1000 * seconds;
    const next = this.#depths.findLastIndex(({ atMs }) => atMs <= fromMs);
    if (next > 0) this.#depths.splice(0, next);
    const [first] = this.#depths;
    this.#depths.push({ atMs: nowMs, messages });
    return first !== undefined && nowMs - first.atMs >= 500 ? first : undefined;
  }

  /** One call where they have not changed, which is nearly always. */
  async #readSettings(): Promise<QueueSettings> {
    const { fs, layout } = this.#room;
    try {
      const { inode, mtimeMs, bytes } = await fs.lstat(layout.settings);
      const stamp = `${inode} ${mtimeMs} ${bytes}`;
      if (stamp !== this.#settingsStamp) {
        this.#room.forgetSettings();
        this.#settings = await this.#room.settings();
        this.#settingsStamp = stamp;
      }
    } catch (error) {
      // Removed in this instant: the next look says so.
      if (!isErrno(error, "ENOENT")) throw error;
    }
    return this.#settings;
  }
}

const messagesIn = (stats: QueueStats): number => stats.ready + stats.scheduled + stats.inFlight;

/** As a put has it (queue/admission.ts). */
function isFull(stats: QueueStats, { maxDepth, maxBytes }: QueueSettings): boolean {
  const isDeep = maxDepth > 0 && stats.ready + stats.scheduled >= maxDepth;
  return isDeep || (maxBytes > 0 && stats.waitingBytes >= maxBytes);
}
