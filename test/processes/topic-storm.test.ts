/**
 * Goal: whatever is killed when, all subscriptions of a topic hold the same messages, each of them
 * once; every publish that said success is in all of them; and nothing half done is left.
 *
 * Method: publishers of the command line and of the library, makers of subscriptions, a `gc` and an
 * idle consumer that recover what the others leave, each killed with -9 at random and started again,
 * for twelve seconds. Then what is left is recovered, and what everybody had written down is compared
 * with what is on the disk. A run is named by its seed: SEED=… repeats its choices, though not the
 * machine's timing.
 */
import { mkdir, readdir } from "node:fs/promises";

import { expect } from "vitest";

import { linesIn, pause, ROOT, test } from "../helpers/cli.ts";
import type { Cli, Ended, Running } from "../helpers/cli.ts";
import { chance } from "../helpers/model-chance.ts";
import { openSpool } from "../../src/spool.ts";
import { expectSound, leftovers, makeTopic, sweptOf, ticketsIn, waitingIn } from "./topic-disk.ts";
import { fated } from "./topic-fate.ts";
import type { Orders, Published, Watched } from "./topic-library.ts";

const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const STORM_MS = 12_000;
const TOPIC = "logs.web";

/** Those that are there all the time; two of them hear the topic through a pattern. */
const STEADY = [
  ...Array.from({ length: 18 }, (_, index) => `${TOPIC}/s${index}`),
  "logs.*/all",
  "#/audit",
];

/** Wants nothing, so that its consumer only idles, and recovers. */
const IDLE = `${TOPIC}/idle`;

/** Somebody who is started again whenever he ends, by himself or by a kill. */
interface Role {
  readonly name: string;
  /** Kills itself. */
  readonly isDoomed?: boolean;
  begin(who: string): Running;
  /** What its process has said, however it ended. */
  ended?(who: string, ended: Ended): void;
}

class Storm {
  readonly #cli: Cli;
  readonly #random = chance(SEED);
  readonly #living = new Map<Role, Running>();
  readonly #lives = new Map<Role, number>();
  #isOver = false;
  kills = 0;
  /** Fan-outs that the killed left before and after their commit, where nobody was there at once. */
  readonly left = { staging: 0, committed: 0 };
  /** Of who ended badly without having been killed. */
  readonly complaints: string[] = [];

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  async rage(roles: readonly Role[]): Promise<void> {
    for (const role of roles) this.#start(role);
    const victims = roles.filter(({ isDoomed }) => !isDoomed);
    const endMs = performance.now() + STORM_MS;
    while (performance.now() < endMs) {
      await pause(60 + this.#random() * 140);
      this.#kill(victims[Math.floor(this.#random() * victims.length)]!);
    }
    this.#isOver = true;
    for (const role of roles) this.#kill(role);
    await Promise.all([...this.#living.values()].map(({ ended }) => ended));
  }

  #start(role: Role): void {
    if (this.#isOver) return;
    const life = (this.#lives.get(role) ?? 0) + 1;
    this.#lives.set(role, life);
    const who = `${role.name}.${life}`;
    const running = role.begin(who);
    this.#living.set(role, running);
    void running.ended.then(
      (ended) => {
        const { code, signal, stderr } = ended;
        if (signal === "SIGKILL") this.#look(running.pid);
        else if (code !== 0) this.complaints.push(`${who}: exit ${code}: ${stderr}`);
        role.ended?.(who, ended);
        this.#start(role);
      },
      (error: unknown) => this.complaints.push(String(error)),
    );
  }

  #kill(role: Role): void {
    const running = this.#living.get(role)!;
    if (running.child.exitCode !== null || running.child.signalCode !== null) return;
    this.kills++;
    running.kill("SIGKILL");
  }

  #look(pid: number): void {
    for (const directory of ["staging", "committed"] as const) {
      const names = ticketsIn(this.#cli, TOPIC, directory);
      this.left[directory] += names.filter((name) => name.includes(`.p${pid}.s`)).length;
    }
  }
}

/** What was said, and what was tried. */
class Told {
  /** Payloads that were said to be safe. */
  readonly promised = new Set<string>();
  /** Of publishers that died in the middle of their fan-out. */
  readonly doomed = new Set<string>();
  finished = 0;
  undone = 0;
}

function librarian(cli: Cli, name: string, role: string, orders: Partial<Orders> = {}): Role {
  return {
    name,
    begin: (who) => {
      const script = `${ROOT}/test/processes/topic-library.ts`;
      const say = JSON.stringify({ topic: TOPIC, ...orders });
      const args = [script, `${ROOT}/dist/lib`, role, `${cli.dir}/log/${who}`, who, say];
      return cli.launch(process.execPath, args, { timeoutMs: 60_000 }).read();
    },
  };
}

/** One message a process. The id on stdout is the promise, even where a kill comes just after it. */
function onePublisher(cli: Cli, told: Told): Role {
  return {
    name: "one",
    begin: (who) => cli.start(["publish", TOPIC, "-m", who]),
    ended: (who, { stdout }) => {
      if (stdout.endsWith("\n")) told.promised.add(who);
    },
  };
}

/** One that is killed at a call of its fan-out, where a kill at a random moment seldom comes. */
function doomedPublisher(cli: Cli, told: Told, index: number): Role {
  const random = chance(SEED + index);
  return {
    name: `doomed${index}`,
    isDoomed: true,
    begin: (who) => {
      const nth = 1 + Math.floor(random() * 80);
      const env = fated({ signal: "SIGKILL", match: "^(link|rename|unlink|utimes) ", nth });
      const key = random() < 0.3 ? ["--dedup", who] : [];
      return cli.start(["publish", TOPIC, "-m", who, ...key], { env });
    },
    ended: (who, { signal, stdout }) => {
      if (signal === "SIGKILL") told.doomed.add(who);
      if (stdout.endsWith("\n")) told.promised.add(who);
    },
  };
}

/** The same key for two lives: whoever of them comes through, it is one message. */
function keyedPublisher(cli: Cli, told: Told): Role {
  const key = (who: string): string => `key-${Number(who.slice(who.indexOf(".") + 1)) >> 1}`;
  return {
    name: "keyed",
    begin: (who) => cli.start(["publish", TOPIC, "-m", key(who), "--dedup", key(who)]),
    ended: (who, { stdout }) => {
      if (stdout.endsWith("\n")) told.promised.add(key(who));
    },
  };
}

/** Twelve lines in three batches: exit 0 promises all of them. */
function linesPublisher(cli: Cli, told: Told): Role {
  const tokens = (who: string): string[] => Array.from({ length: 12 }, (_, i) => `${who}-${i}`);
  return {
    name: "lines",
    begin: (who) => {
      const input = tokens(who).join("\n");
      return cli.start(["publish", TOPIC, "--lines", "--batch", "4"], { input });
    },
    ended: (who, { code }) => {
      if (code === 0) for (const token of tokens(who)) told.promised.add(token);
    },
  };
}

function collector(cli: Cli, told: Told): Role {
  return {
    name: "gc",
    begin: () => cli.start(["gc", TOPIC, "--json"]),
    ended: (_, { code, stdout }) => {
      if (code !== 0) return;
      const { finished, undone } = sweptOf(stdout);
      told.finished += finished;
      told.undone += undone;
    },
  };
}

/** The payloads in a subscription, each as often as it is delivered. */
async function payloadsIn(cli: Cli, subscription: string): Promise<string[]> {
  const spool = await openSpool({ dir: cli.spool, tellsFlow: false });
  const payloads: string[] = [];
  for await (const message of spool.queue(subscription).messages({ untilEmpty: true })) {
    payloads.push((await message.body()).toString());
    await message.ack();
  }
  return payloads;
}

async function notesIn(directory: string): Promise<(Published | Watched)[]> {
  const notes: (Published | Watched)[] = [];
  for (const name of await readdir(directory)) {
    const lines = await linesIn(`${directory}/${name}`);
    notes.push(...lines.map((line) => JSON.parse(line) as Published | Watched));
  }
  return notes;
}

test("twelve seconds of kill -9: all subscriptions hold the same, once, and nothing is left", async ({
  cli,
}) => {
  console.log(`topic-storm: SEED=${SEED}`);
  await mkdir(`${cli.dir}/log`);
  await makeTopic(cli, TOPIC, STEADY, { retentionMs: Number.POSITIVE_INFINITY });
  await cli.ok(["subscribe", IDLE, "--filter", "nobody=sends"]);
  const told = new Told();
  const storm = new Storm(cli);
  await storm.rage([
    ...[1, 2].map((index) => librarian(cli, `lib${index}`, "publish", { pauseMs: 2 })),
    onePublisher(cli, told),
    ...[1, 2, 3].map((index) => doomedPublisher(cli, told, index)),
    keyedPublisher(cli, told),
    linesPublisher(cli, told),
    librarian(cli, "now", "watch", { pauseMs: 100 }),
    librarian(cli, "start", "watch", { pauseMs: 100, from: "start" }),
    collector(cli, told),
    { name: "idler", begin: () => cli.start(["consume", IDLE], { timeoutMs: 60_000 }) },
  ]);
  expect(storm.complaints).toEqual([]);

  // A consumer is enough for all that publishers left, also of the subscriptions of patterns.
  await cli.ok(["consume", IDLE, "--until-empty"]);
  for (const directory of ["staging", "committed", "aborted", "tmp"]) {
    expect([directory, ticketsIn(cli, TOPIC, directory)]).toEqual([directory, []]);
  }
  // `gc` is for what the makers of subscriptions and the consumers left.
  for (let turn = 0; turn < 5 && (await leftovers(cli)).length > 0; turn++) await cli.ok(["gc"]);
  await expectSound(cli);

  const notes = await notesIn(`${cli.dir}/log`);
  const published = notes.filter((note) => note.what === "published");
  for (const { token } of published) told.promised.add(token);
  const all = await waitingIn(cli, STEADY[0]!);
  const payloads = new Set(await payloadsIn(cli, STEADY[0]!));
  const unsaid = payloads.difference(told.promised);
  console.log(
    `topic-storm: ${storm.kills} kills; ${told.doomed.size} more died in their fan-out, ` +
      `${told.doomed.intersection(payloads).size} of them after its commit; ` +
      `${JSON.stringify(storm.left)} seen half done, gc finished ${told.finished}, undid ${told.undone}; ` +
      `${told.promised.size} promised, ${unsaid.size} delivered that were not`,
  );
  // There was a storm, and there was work.
  expect(storm.kills).toBeGreaterThan(50);
  expect(told.doomed.size).toBeGreaterThan(3);
  expect(told.promised.size).toBeGreaterThan(30);

  expect(new Set(all).size).toBe(all.length);
  for (const name of STEADY.slice(1))
    expect([name, await waitingIn(cli, name)]).toEqual([name, all]);
  expect(payloads.size).toBe(all.length);
  expect([...told.promised.difference(payloads)]).toEqual([]);
}, 90_000);
