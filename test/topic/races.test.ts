/**
 * Goal: what others do between two calls of a publish, a recovery or a sweep neither takes a message away from
 * one of the subscriptions nor gives it one that it does not want.
 *
 * Method: a file system that lets a test act just before, or instead of, a chosen call.
 */
import { mkdirSync, readdirSync, renameSync, rmdirSync, writeFileSync } from "node:fs";

import { describe, expect } from "vitest";

import { DiskClock } from "../../src/clock.ts";
import type { FileSystem } from "../../src/disk/file-system.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { openSpool } from "../../src/spool.ts";
import type { OpenOptions } from "../../src/spool.ts";
import { incomingOf } from "../../src/topic/layout.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import type { Topic } from "../../src/topic/topic.ts";
import { test } from "../helpers/fixtures.ts";
import { AheadClock, EXT4, fullAtClose, hooked, NFS } from "../helpers/hooked.ts";
import type { Hook } from "../helpers/hooked.ts";
import { textOf } from "../helpers/model-jobs.ts";

interface Other {
  readonly type?: number;
  /** What it knows of the process of others. */
  readonly knowsTheDead?: boolean;
  readonly clock?: DiskClock;
}

let processes = 0;

/** The topic as another process sees it. */
async function topicOf(
  dir: string,
  hook: Hook = () => undefined,
  { type = EXT4, knowsTheDead = false, clock }: Other = {},
): Promise<Topic> {
  const self = `p${++processes}`;
  const table = { self, host: "here", isGone: (one: string) => knowsTheDead && one !== self };
  const parts: OpenOptions["parts"] = { fs: hooked(type, hook), processes: table };
  const spool = await openSpool({ dir, parts: clock ? { ...parts, clock } : parts });
  return spool.topic("logs");
}

/** A topic that keeps all, and its subscriptions. */
async function make(dir: string, ...names: readonly string[]): Promise<Topic> {
  const topic = await topicOf(dir);
  await topic.create({ ...DEFAULT_TOPIC_SETTINGS, retentionMs: 3600_000 });
  for (const name of names) await topic.subscribe(name);
  return topic;
}

/** What is ready in a subscription, and is acked. */
async function drain(topic: Topic, name: string): Promise<string[]> {
  const bodies: string[] = [];
  for await (const message of topic.subscription(name).messages({ untilEmpty: true })) {
    bodies.push(await textOf(message));
    await message.ack();
  }
  return bodies.toSorted();
}

/** The hook's call waits for `goOn`; `reached` tells that it is there. */
class Gate {
  readonly #reached = Promise.withResolvers<void>();
  readonly #open = Promise.withResolvers<void>();
  readonly reached = this.#reached.promise;

  async pass(): Promise<undefined> {
    this.#reached.resolve();
    await this.#open.promise;
    return undefined;
  }

  goOn(): void {
    this.#open.resolve();
  }
}

const isCommit = (name: keyof FileSystem, to: string): boolean =>
  name === "rename" && to.includes("/committed/");

const diskError = (code: string): Error => Object.assign(new Error(code), { code, syscall: "x" });

describe("a publish", () => {
  test("that syncs nothing and is refused as it is closed: it fails, and nobody gets it", async ({
    dir,
  }) => {
    const topic = await make(dir, "one");
    const publisher = await topicOf(dir, fullAtClose(), { type: NFS });
    const once = { sync: "none", dedupKey: "k" } as const;
    for (const options of [{ sync: "none" } as const, once]) {
      await expect(publisher.publish("x", options)).rejects.toMatchObject({ code: "DISK_FULL" });
    }
    expect(await topic.publish("y", once)).toMatchObject({ duplicate: false });
    expect(await drain(topic, "one")).toEqual(["y"]);
  });

  test("that cannot be made visible somewhere: whoever recovers does it", async ({ dir }) => {
    const topic = await make(dir, "one", "two");
    const publisher = await topicOf(dir, (name, _path, to) => {
      if (name === "rename" && to.includes("/subscriptions/one/ready/")) throw diskError("EIO");
    });
    await publisher.publish("x");
    await (await topicOf(dir, () => undefined, { knowsTheDead: true })).recover();
    expect(await drain(topic, "one")).toEqual(["x"]);
    expect(await drain(topic, "two")).toEqual(["x"]);
  });

  test("while a subscription is made anew, with another filter: that is heeded", async ({
    dir,
  }) => {
    const topic = await make(dir, "one");
    let isDone = false;
    const publisher = await topicOf(dir, async (name, _path, to) => {
      if (isDone || name !== "link" || !to.includes("/subscriptions/one/incoming/")) return;
      isDone = true;
      await topic.unsubscribe("one");
      await topic.subscribe("one", {
        settings: { ...DEFAULT_SETTINGS, filter: "level=error" },
      });
    });
    await publisher.publish("x", { headers: { level: "info" } });
    expect(isDone).toBe(true);
    expect(await drain(topic, "one")).toEqual([]);
  });

  test("whose reply of the staging is lost, on a shared disk: it says that it worked", async ({
    dir,
  }) => {
    const topic = await make(dir, "one");
    const publisher = await topicOf(
      dir,
      (name, path, to) => {
        if (name !== "rename" || !to.includes("/staging/")) return;
        renameSync(path, to);
        throw diskError("ENOENT");
      },
      { type: NFS },
    );
    await publisher.publish("x");
    expect(await drain(topic, "one")).toEqual(["x"]);
  });

  test("whose commit's reply is lost, on a shared disk: it is made visible", async ({ dir }) => {
    const topic = await make(dir, "one");
    const publisher = await topicOf(
      dir,
      (name, path, to) => {
        if (!isCommit(name, to)) return;
        renameSync(path, to);
        throw diskError("ENOENT");
      },
      { type: NFS },
    );
    await publisher.publish("x");
    expect(await drain(topic, "one")).toEqual(["x"]);
  });

  test("just after a subscription, in one tick of the clock: both get it", async ({ dir }) => {
    const topic = await make(dir, "one");
    // A disk whose mtimes are in whole seconds; a little ahead, so that the test may take its time.
    const mtimeMs = (Math.floor(Date.now() / 1000) + 10) * 1000;
    const publisher = await topicOf(dir, (name, path) => {
      if (name !== "lstat" || !path.endsWith("/subscriptions")) return undefined;
      return { kind: "directory", bytes: 0, mtimeMs, inode: 1, links: 2 };
    });
    await publisher.publish("x");
    await topic.subscribe("two");
    await publisher.publish("y");
    expect(await drain(topic, "two")).toEqual(["y"]);
  });

  // By a seed of the simulation: 1354856806. What it knows of the disk's clock is up to a minute old.
  test("just after a subscription, in one tick of a clock that was set back: both get it", async ({
    dir,
  }) => {
    const topic = await make(dir, "one");
    let nowMs = 0;
    let mtimeMs = Date.now() - 10_001;
    const publisher = await topicOf(
      dir,
      (name, path) =>
        name === "lstat" && path.endsWith("/subscriptions")
          ? { kind: "directory", bytes: 0, mtimeMs, inode: 1, links: 2 }
          : undefined,
      { clock: new DiskClock(() => nowMs) },
    );
    await publisher.publish("w");
    // To it the disk goes on as before, and what was changed now was changed ten seconds ago.
    nowMs = 10_000;
    mtimeMs = Math.ceil(Date.now() / 1000) * 1000 + 1;
    await publisher.publish("x");
    await topic.subscribe("two");
    await publisher.publish("y");
    expect(await drain(topic, "two")).toEqual(["y"]);
  });

  test("on a shared disk that shows old mtimes: a new subscription gets it", async ({ dir }) => {
    const topic = await make(dir, "one");
    let nowMs = 0;
    const publisher = await topicOf(
      dir,
      (name, path) => {
        if (name !== "lstat" || !path.endsWith("/subscriptions")) return undefined;
        return { kind: "directory", bytes: 0, mtimeMs: 1000, inode: 1, links: 2 };
      },
      { type: NFS, clock: new DiskClock(() => nowMs) },
    );
    await publisher.publish("w");
    // So long has it been the same that it would be believed.
    nowMs = 10_000;
    await publisher.publish("x");
    await topic.subscribe("two");
    await publisher.publish("y");
    expect(await drain(topic, "two")).toEqual(["y"]);
  });

  test("while a subscription from the start becomes visible: it gets it", async ({ dir }) => {
    const topic = await make(dir, "one");
    const gate = new Gate();
    const isMove = (name: keyof FileSystem, path: string, to: string): boolean =>
      name === "rename" && path.includes("/filling/late") && to.endsWith("/subscriptions/late");
    const subscriber = await topicOf(dir, (...call) => (isMove(...call) ? gate.pass() : undefined));
    const subscribed = subscriber.subscribe("late", { from: "start" });
    await gate.reached;
    let isStaged = false;
    let isDone = false;
    const publisher = await topicOf(dir, async (name, path, to) => {
      isStaged ||= name === "rename" && to.includes("/staging/");
      // It may know the names already; then it only looks whether they are the same still.
      const isLook = (name === "lstat" || name === "list") && path.endsWith("/filling");
      if (isDone || !isStaged || !isLook) return;
      isDone = true;
      gate.goOn();
      await subscribed;
    });
    await publisher.publish("x");
    expect(isDone).toBe(true);
    expect(await drain(topic, "late")).toEqual(["x"]);
  });

  test("beside another one that makes incoming/: none of its links goes aside", async ({ dir }) => {
    const topic = await make(dir, "one");
    const { incoming } = (await topic.members())[0]!;
    rmdirSync(incoming);
    let isMade = false;
    const publisher = await topicOf(dir, (name, path) => {
      if (isMade || name !== "mkdir" || path !== incoming) return;
      isMade = true;
      mkdirSync(incoming);
      writeFileSync(`${incoming}/link`, "");
    });
    await publisher.publish("x");
    expect(readdirSync(incoming)).toContain("link");
    expect(await drain(topic, "one")).toEqual(["x"]);
  });
});

/** A publisher that stands before its commit. */
async function beforeCommit(
  dir: string,
  options: { readonly dedupKey?: string } = {},
): Promise<{ gate: Gate; published: Promise<unknown> }> {
  const gate = new Gate();
  const publisher = await topicOf(dir, (name, _path, to) =>
    isCommit(name, to) ? gate.pass() : undefined,
  );
  const published = publisher.publish("x", options);
  published.catch(() => {});
  await gate.reached;
  return { gate, published };
}

/** A publisher that stands before it makes its first link visible. */
async function afterCommit(dir: string): Promise<{ gate: Gate; published: Promise<unknown> }> {
  const gate = new Gate();
  const publisher = await topicOf(dir, (name, path, to) =>
    name === "rename" && path.includes("/incoming/") && to.includes("/ready/")
      ? gate.pass()
      : undefined,
  );
  const published = publisher.publish("x");
  await gate.reached;
  return { gate, published };
}

describe("who recovers", () => {
  test("while a publisher is at work: lets it work", async ({ dir }) => {
    const topic = await make(dir, "one");
    const { gate, published } = await beforeCommit(dir);
    await (await topicOf(dir)).recover();
    gate.goOn();
    await published;
    expect(await drain(topic, "one")).toEqual(["x"]);
  });

  test("and to whom the disk's clock was set back: reads it anew", async ({ dir }) => {
    const topic = await make(dir, "one");
    const { gate, published } = await beforeCommit(dir);
    let nowMs = 0;
    const other = await topicOf(dir, () => undefined, { clock: new DiskClock(() => nowMs) });
    await other.recover();
    nowMs = 50_000;
    await other.recover();
    gate.goOn();
    await published;
    expect(await drain(topic, "one")).toEqual(["x"]);
  });

  test("beside a publisher that wakes up and commits: all is there, or it is told", async ({
    dir,
  }) => {
    const topic = await make(dir, "one", "two");
    const { gate, published } = await beforeCommit(dir);
    let isDone = false;
    const other = await topicOf(
      dir,
      async (name, path) => {
        if (isDone || name !== "unlink" || !path.includes("/incoming/")) return;
        isDone = true;
        gate.goOn();
        await published.catch(() => {});
      },
      { knowsTheDead: true },
    );
    await other.recover();
    expect(isDone).toBe(true);
    await expect(published).rejects.toMatchObject({ code: "TRY_AGAIN" });
    expect([await drain(topic, "one"), await drain(topic, "two")]).toEqual([[], []]);
  });

  test("a publish with a key: finishes it", async ({ dir }) => {
    const topic = await make(dir, "one");
    await beforeCommit(dir, { dedupKey: "k" });
    await (await topicOf(dir, () => undefined, { knowsTheDead: true })).recover();
    expect(await drain(topic, "one")).toEqual(["x"]);
  });

  test("a publish with a key, whose publisher wakes up: it is there", async ({ dir }) => {
    const topic = await make(dir, "one", "two");
    const { gate, published } = await beforeCommit(dir, { dedupKey: "k" });
    const other = await topicOf(
      dir,
      async (name, _path, to) => {
        if (!isCommit(name, to)) return;
        gate.goOn();
        await Promise.race([published.catch(() => {}), new Promise((r) => setTimeout(r, 300))]);
      },
      { knowsTheDead: true },
    );
    await other.recover();
    await published.catch(() => {});
    expect([await drain(topic, "one"), await drain(topic, "two")]).toEqual([["x"], ["x"]]);
  });

  test("on a shared disk that leaves a link out: waits until it is seen", async ({ dir }) => {
    const topic = await make(dir, "one");
    const { gate, published } = await afterCommit(dir);
    const clock = new AheadClock(10_000);
    const other = await topicOf(
      dir,
      (name, path) => (name === "list" && path.endsWith("/incoming") ? [] : undefined),
      { type: NFS, clock },
    );
    await other.recover();
    expect(readdirSync(`${dir}/topics/logs/committed`)).toHaveLength(1);
    gate.goOn();
    await published;
    expect(await drain(topic, "one")).toEqual(["x"]);
  });
});

describe("a sweep", () => {
  test("beside what is committed: it leaves its links", async ({ dir }) => {
    const topic = await make(dir, "one", "two");
    const { gate, published } = await afterCommit(dir);
    const clock = new AheadClock(1000);
    await (await topicOf(dir, () => undefined, { clock })).sweep();
    gate.goOn();
    await published;
    expect([await drain(topic, "one"), await drain(topic, "two")]).toEqual([["x"], ["x"]]);
  });

  test("beside a commit: it leaves its links", async ({ dir }) => {
    const topic = await make(dir, "one");
    const { gate, published } = await beforeCommit(dir);
    const staging = `${dir}/topics/logs/staging`;
    const committed = `${dir}/topics/logs/committed`;
    const [ticket = ""] = readdirSync(staging);
    let looks = 0;
    const hook: Hook = (name, path) => {
      if (name !== "list") return;
      // It has listed the links; then it lists where tickets come from and where they go.
      if (path.endsWith("/incoming")) looks = 2;
      else if ((path === staging || path === committed) && looks-- === 1) {
        renameSync(`${staging}/${ticket}`, `${committed}/${ticket}`);
      }
    };
    const sweeper = await topicOf(dir, hook, { clock: new AheadClock(1000) });
    await sweeper.sweep();
    expect(looks).toBeLessThan(1);
    renameSync(`${committed}/${ticket}`, `${staging}/${ticket}`);
    gate.goOn();
    await published;
    expect(await drain(topic, "one")).toEqual(["x"]);
  });
});

describe("a subscription from the start", () => {
  // By a seed of the simulation: 1302217261.
  test("with a filter, beside what is committed for long and finished as it is to be read: gets it", async ({
    dir,
  }) => {
    const topic = await make(dir, "one");
    const { gate, published } = await afterCommit(dir);
    let aheadMs = 0;
    let looks = 0;
    const clock = new DiskClock(() => performance.now() + aheadMs);
    const subscriber = await topicOf(
      dir,
      async (name, path) => {
        // It has waited for as long as it waits.
        if (name === "list" && path.endsWith("/committed") && ++looks === 2) aheadMs = 60_000;
        if (name !== "open" || !path.includes("/committed/")) return;
        gate.goOn();
        await published;
      },
      { clock },
    );
    const filter = "level!=error";
    await subscriber.subscribe("new", { from: "start", settings: { ...DEFAULT_SETTINGS, filter } });
    expect(await drain(topic, "new")).toEqual(["x"]);
  });

  test("with a filter, beside what is finished when a part of it has been taken: gets each part once", async ({
    dir,
  }) => {
    const topic = await make(dir, "one");
    const gate = new Gate();
    const publisher = await topicOf(dir, (name, path, to) =>
      name === "rename" && path.includes("/incoming/") && to.includes("/ready/")
        ? gate.pass()
        : undefined,
    );
    // In one batch, because they are in flight together.
    const headers = { level: "error" };
    const published = Promise.all([
      publisher.publish("first"),
      publisher.publish("x", { headers }),
      publisher.publish("second"),
    ]);
    await gate.reached;
    let aheadMs = 0;
    let looks = 0;
    let links = 0;
    const clock = new DiskClock(() => performance.now() + aheadMs);
    const subscriber = await topicOf(
      dir,
      async (name, path) => {
        if (name === "list" && path.endsWith("/committed") && ++looks === 2) aheadMs = 60_000;
        if (name !== "link" || !path.includes("/committed/") || ++links < 2) return;
        gate.goOn();
        await published;
      },
      { clock },
    );
    const filter = "level!=error";
    const settings = { ...DEFAULT_SETTINGS, filter };
    expect(await subscriber.subscribe("new", { from: "start", settings })).toBe(2);
    // Without both this test tries nothing.
    expect(links).toBe(2);
    const { layout } = topic.subscription("new").room;
    expect(readdirSync(incomingOf(layout))).toEqual([]);
    expect(await drain(topic, "new")).toEqual(["first", "second"]);
  });

  test("beside a publish that commits while it is looked for: gets it", async ({ dir }) => {
    const topic = await make(dir, "one");
    const [commit, show] = [new Gate(), new Gate()];
    const publisher = await topicOf(dir, (name, path, to) => {
      if (isCommit(name, to)) return commit.pass();
      return name === "rename" && path.includes("/incoming/") ? show.pass() : undefined;
    });
    // It knows nothing of the subscription that comes.
    const published = publisher.publish("x");
    await commit.reached;
    let looks = 0;
    const subscriber = await topicOf(dir, async (name, path) => {
      if (name !== "list" || !/\/(staging|committed)$/.test(path)) return;
      looks++;
      if (looks === 2) {
        commit.goOn();
        await show.reached;
      }
      if (looks === 3) {
        show.goOn();
        await published;
      }
    });
    await subscriber.subscribe("late", { from: "start", settings: DEFAULT_SETTINGS });
    show.goOn();
    await published;
    expect(await drain(topic, "late")).toEqual(["x"]);
    expect(await drain(topic, "one")).toEqual(["x"]);
  });
});
