/**
 * Admission: whether a put may come in.
 *
 * `max-depth` and `max-bytes` count what waits (ready and scheduled, not what is claimed); `min-free`
 * is the file system's free space. A put past a limit is refused, or waits until there is room.
 * The limits are looked at before each batch, without a lock: puts that are in flight at the same
 * moment may together go over a limit by what they bring.
 */
import { SpoolError } from "../errors.ts";
import type { Inventory } from "./inventory.ts";
import type { Room } from "./room.ts";
import type { QueueSettings } from "./settings.ts";

/** While a put waits for room it looks again after this long, in ms. */
const RETRY_MS = 100;

export class Admission {
  readonly #room: Room;
  readonly #inventory: Inventory;

  constructor(room: Room, inventory: Inventory) {
    this.#room = room;
    this.#inventory = inventory;
  }

  /**
   * Resolves when a put of this size may come in.
   *
   * @param waitMs  how long to wait for room, 0: for ever; undefined: as the queue is set.
   * @throws QUEUE_FULL, DISK_FULL
   */
  async admit(messages: number, bytes: number, waitMs?: number): Promise<QueueSettings> {
    const settings = await this.#room.settingsOrCreate();
    const { maxDepth, maxBytes, minFreeBytes, overflow } = settings;
    if (maxDepth === 0 && maxBytes === 0 && minFreeBytes === 0) return settings;
    if ((maxBytes > 0 && bytes > maxBytes) || (maxDepth > 0 && messages > maxDepth)) {
      throw new SpoolError(
        "QUEUE_FULL",
        `queue ${this.#room.name} never has room for ${bytes} bytes (max-bytes=${maxBytes})`,
        "Raise the limit with: spool queue set",
      );
    }
    const patienceMs = waitMs ?? (overflow === "wait" ? 0 : undefined);
    const startMs = this.#room.disk.clock.monotonicMs();
    for (;;) {
      const refusal = await this.#refusal(settings, messages, bytes);
      if (refusal === undefined) return settings;
      const waitedMs = this.#room.disk.clock.monotonicMs() - startMs;
      if (patienceMs === undefined || (patienceMs > 0 && waitedMs >= patienceMs)) throw refusal;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #refusal(
    { maxDepth, maxBytes, minFreeBytes }: QueueSettings,
    messages: number,
    bytes: number,
  ): Promise<SpoolError | undefined> {
    const { name, fs, layout } = this.#room;
    if (minFreeBytes > 0) {
      const { freeBytes } = await fs.space(layout.root);
      if (freeBytes - bytes < minFreeBytes) {
        return new SpoolError(
          "DISK_FULL",
          `queue ${name}: ${freeBytes} bytes are free on the disk, min-free is ${minFreeBytes}`,
          `Free some space, or: spool queue set ${name} min-free=SIZE`,
        );
      }
    }
    if (maxDepth === 0 && maxBytes === 0) return undefined;
    const isOver = (waiting: number, waitingBytes: number): boolean =>
      (maxDepth > 0 && waiting + messages > maxDepth) ||
      (maxBytes > 0 && waitingBytes + bytes > maxBytes);
    const { ready, scheduled } = await this.#inventory.count(await this.#room.now(), isOver);
    this.#room.disk.counts?.save(new Map([[name, this.#inventory]]));
    if (!isOver(ready.messages + scheduled.messages, ready.bytes + scheduled.bytes)) {
      return undefined;
    }
    const limits = [
      maxDepth > 0 && `max-depth=${maxDepth}`,
      maxBytes > 0 && `max-bytes=${maxBytes}`,
    ];
    return new SpoolError(
      "QUEUE_FULL",
      `queue ${name} is full (${limits.filter(Boolean).join(", ")})`,
      "Wait for its consumers, put with --wait, or raise the limit with: spool queue set",
    );
  }
}
