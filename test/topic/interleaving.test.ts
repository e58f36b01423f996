/**
 * Goal: two processes that meet at the worst moment: a subscription that is being filled while a publish
 * is committed and not finished, and two publishers that both find a directory missing.
 *
 * Method: each process has a file system at one of whose calls it stands still until it may go on. The
 * time is the test's: nobody waits for ten seconds.
 */
import { describe, expect, test } from "vitest";

import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import type { Topic } from "../../src/topic/topic.ts";
import { Crash, CrashingFileSystem } from "../helpers/crashing-file-system.ts";
import { EXT4, NFS } from "../helpers/model-disk.ts";
import { bodiesIn, drain, Topics } from "./fixture.ts";

const FOREVER = { retentionMs: Number.POSITIVE_INFINITY };

/** By then whoever recovers finishes what is committed, on any disk. */
const FINISHED_MS = 130_000;

/** True for the call before which a process is to stand still. */
type Moment = (name: string, path: string) => boolean;

/** A process that stands still once. */
class Sleeper {
  readonly fs: CrashingFileSystem;
  readonly logs: Topic;
  readonly #go = Promise.withResolvers<"goes on" | "dies">();
  readonly #asleep = Promise.withResolvers<void>();
  #moment: Moment | undefined;

  private constructor(fs: CrashingFileSystem, logs: Topic) {
    this.fs = fs;
    this.logs = logs;
  }

  /** @param each  told of every call. */
  static async open(
    topics: Topics,
    self: string,
    moment: Moment,
    each: Moment = () => false,
  ): Promise<Sleeper> {
    const fs = new CrashingFileSystem(topics.disk);
    const spool = await topics.process(self, fs);
    const sleeper = new Sleeper(fs, await spool.topic("logs"));
    sleeper.#moment = moment;
    fs.arm((_, name, path) => {
      each(name, path);
      return sleeper.#moment?.(name, path) ? sleeper.#sleep() : undefined;
    });
    return sleeper;
  }

  async #sleep(): Promise<void> {
    this.#moment = undefined;
    this.#asleep.resolve();
    if ((await this.#go.promise) === "goes on") return;
    this.fs.isDead = true;
    throw new Crash("dead");
  }

  /** Begins `act`; resolves when it stands still. Where it ends without that, so does the test. */
  async begin<T>(act: (logs: Topic) => Promise<T>): Promise<{ readonly end: Promise<T> }> {
    const end = act(this.logs);
    end.catch(() => {});
    const early = end.then(() => Promise.reject(new Error("it did not come to that call")));
    await Promise.race([this.#asleep.promise, early]);
    return { end };
  }

  wake(): void {
    this.#go.resolve("goes on");
  }

  die(): void {
    this.#go.resolve("dies");
  }
}

/** Before the call after the commit of a publish. */
function onceCommitted(): Moment {
  let isCommitted = false;
  return (name, path) => {
    if (isCommitted) return true;
    isCommitted = name === "rename" && path.includes("/staging/") && path.includes("/committed/");
    return false;
  };
}

/** The first look for what is under way: the subscription is in filling/ by then, and publishers see it. */
const isLookingForOthers: Moment = (name, path) => name === "list" && path.endsWith("/staging");

const settings = DEFAULT_SETTINGS;

describe.for([
  ["ext4", EXT4],
  ["nfs", NFS],
] as const)("a subscription that is filled while a publish is committed, on %s", ([, type]) => {
  /** A subscriber who looks every second of the test's time, and where it stands still. */
  const subscriber = (topics: Topics): Promise<Sleeper> =>
    Sleeper.open(topics, "subscriber", isLookingForOthers, (name, path) => {
      if (isLookingForOthers(name, path)) topics.time.advance(1000);
      return false;
    });
  const fill = (logs: Topic): Promise<unknown> =>
    logs.subscribe("new", { from: "start", settings });

  /** The publish of "x", which saw the subscription; its publisher stands still from its commit on. */
  async function meet(topics: Topics): Promise<{ publisher: Sleeper; end: Promise<unknown> }> {
    await topics.logs.publish("old");
    const [filling, publisher] = [
      await subscriber(topics),
      await Sleeper.open(topics, "publisher", onceCommitted()),
    ];
    const filled = await filling.begin(fill);
    const { end } = await publisher.begin((logs) => logs.publish("x"));
    expect(topics.names("filling").filter((path) => path.includes("/incoming/"))).toHaveLength(1);
    filling.wake();
    await filled.end;
    return { publisher, end };
  }

  test("has it once when its publisher goes on", async () => {
    const topics = await Topics.open(FOREVER, type);
    const { publisher, end } = await meet(topics);
    publisher.wake();
    await end;
    expect(await bodiesIn(topics.logs.subscription("new"))).toEqual(["old", "x"]);
    await topics.logs.sweep();
    expect(await drain(topics.logs.subscription("new"))).toEqual(["old", "x"]);
  });

  test("has it once when its publisher has died, and others finish it", async () => {
    const topics = await Topics.open(FOREVER, type);
    const { publisher, end } = await meet(topics);
    publisher.die();
    await expect(end).rejects.toThrow(Crash);
    topics.time.advance(FINISHED_MS);
    await topics.logs.sweep();
    expect(await drain(topics.logs.subscription("new"))).toEqual(["old", "x"]);
    expect(topics.names("committed")).toEqual([]);
  });

  test("has it once when its publisher had not seen it", async () => {
    const topics = await Topics.open(FOREVER, type);
    await topics.logs.publish("old");
    const publisher = await Sleeper.open(topics, "publisher", onceCommitted());
    const { end } = await publisher.begin((logs) => logs.publish("x"));
    const filling = await subscriber(topics);
    const filled = await filling.begin(fill);
    filling.wake();
    await filled.end;
    publisher.wake();
    await end;
    await topics.logs.sweep();
    expect((await drain(topics.logs.subscription("new"))).toSorted()).toEqual(["old", "x"]);
  });
});

describe("two publishers who both find incoming/ missing", () => {
  const isMakingIt: Moment = (name, path) => name === "mkdir" && path.endsWith("/incoming");
  const isCommitting: Moment = (name, path) =>
    name === "rename" && path.includes("/staging/") && path.includes("/committed/");

  async function withoutIncoming(): Promise<Topics> {
    const topics = await Topics.open();
    await topics.subscribe("a");
    topics.disk.rmdir("/spool/topics/logs/subscriptions/a/incoming");
    return topics;
  }

  async function expectBoth(topics: Topics): Promise<void> {
    const queue = topics.logs.subscription("a");
    expect((await drain(queue)).toSorted()).toEqual(["1", "2"]);
    expect(topics.disk.list("/spool/topics/logs/aside")).toEqual([]);
    expect((await queue.verify()).findings).toEqual([]);
  }

  test("set aside nothing that the other has linked: both arrive", async () => {
    const topics = await withoutIncoming();
    const late = await Sleeper.open(topics, "late", isMakingIt);
    const first = await late.begin((logs) => logs.publish("1"));
    const quick = await Sleeper.open(topics, "quick", isCommitting);
    const second = await quick.begin((logs) => logs.publish("2"));
    expect(topics.names("subscriptions/a/incoming")).toHaveLength(1);
    late.wake();
    await first.end;
    quick.wake();
    await second.end;
    await expectBoth(topics);
  });

  test("set aside nothing that the other has just made: both arrive", async () => {
    const topics = await withoutIncoming();
    const sleepers = await Promise.all([
      Sleeper.open(topics, "one", isMakingIt),
      Sleeper.open(topics, "other", isMakingIt),
    ]);
    const ends = [
      await sleepers[0].begin((logs) => logs.publish("1")),
      await sleepers[1].begin((logs) => logs.publish("2")),
    ];
    for (const [index, sleeper] of sleepers.entries()) {
      sleeper.wake();
      await ends[index]!.end;
    }
    await expectBoth(topics);
  });
});
