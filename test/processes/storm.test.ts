/**
 * Goal: whatever is killed when: a put that said success is delivered and done, no ack succeeds
 * twice, nothing is delivered after its ack, and nothing is left behind.
 *
 * Method: eight workers and four producers, of the command line and of the library, each killed
 * with -9 at random and started again, for twenty seconds. Then the producers stop, fresh workers
 * drain the queue, and what everybody had written down is compared. Messages are told apart by their
 * payload, which is made once. A run is named by its seed: SEED=… repeats its choices, though not
 * the machine's timing.
 */
import { mkdir, readdir } from "node:fs/promises";

import { expect } from "vitest";

import { linesIn, linesOf, pause, ROOT, test, until } from "../helpers/cli.ts";
import type { Cli, Running } from "../helpers/cli.ts";

const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const STORM_MS = 20_000;
const LIBRARY = `${ROOT}/dist/lib/index.js`;

/** From what a command writes down to its ack this much time may pass on a busy machine, in ms. */
const IN_HAND_MS = 1500;

/** mulberry32: small, and the same everywhere. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Somebody who is started again whenever he ends, by himself or by a kill. */
interface Role {
  readonly name: string;
  readonly isWorker: boolean;
  /** Starts its `life`th process, whose name is `who`. */
  begin(who: string): Running;
  /** What its process has said at its end. */
  done?(who: string, stdout: string): void;
}

class Storm {
  readonly cli: Cli;
  readonly #random = chance(SEED);
  /** What was said to be safe: only that has to come. */
  readonly promised = new Set<string>();
  /** When processes that lived were killed, by name; in ms of the machine's monotonic clock. */
  readonly killed = new Map<string, number>();
  readonly #living = new Map<Role, { running: Running; who: string }>();
  readonly #lives = new Map<Role, number>();
  #isOver = false;

  constructor(cli: Cli) {
    this.cli = cli;
  }

  start(role: Role): void {
    if (this.#isOver) return;
    const life = (this.#lives.get(role) ?? 0) + 1;
    this.#lives.set(role, life);
    const who = `${role.name}.${life}`;
    const running = role.begin(who);
    this.#living.set(role, { running, who });
    void running.ended.then(
      ({ code, signal, stdout, stderr }) => {
        // Nobody here sleeps for the time of a lease: who lives keeps what he has.
        if (/lost/.test(stderr)) this.complaints.push(`${who}: ${stderr}`);
        if (code === 0) role.done?.(who, stdout);
        else if (signal !== "SIGKILL") this.complaints.push(`${who}: exit ${code}: ${stderr}`);
        this.start(role);
      },
      (error: unknown) => this.complaints.push(String(error)),
    );
  }

  /** Of who ended badly without having been killed. */
  readonly complaints: string[] = [];

  async rage(roles: readonly Role[]): Promise<void> {
    for (const role of roles) this.start(role);
    const endMs = performance.now() + STORM_MS;
    while (performance.now() < endMs) {
      await pause(40 + this.#random() * 160);
      this.#killOne(roles[Math.floor(this.#random() * roles.length)]!);
    }
    this.#isOver = true;
    for (const role of roles) this.#killOne(role);
    await Promise.all([...this.#living.values()].map(({ running }) => running.ended));
  }

  #killOne(role: Role): void {
    const { running, who } = this.#living.get(role)!;
    if (running.child.exitCode !== null || running.child.signalCode !== null) return;
    this.killed.set(who, Number(process.hrtime.bigint()) / 1e6);
    running.kill("SIGKILL");
  }

  get kills(): number {
    return this.killed.size;
  }
}

/** `run TOKEN WHO TIME` from a worker of the command line, in a file of its own. */
const COMMAND = 'token=$(cat); read -r up _ </proc/uptime; echo "run $token $WHO $up" >>"log/$WHO"';

function worker(cli: Cli, index: number, ...options: readonly string[]): Role {
  return {
    name: `work${index}`,
    isWorker: true,
    begin: (who) =>
      cli.start(["work", "q", ...options, "--", "sh", "-c", COMMAND], {
        env: { WHO: who },
        timeoutMs: 60_000,
      }),
  };
}

function librarian(cli: Cli, role: "put" | "work", index: number): Role {
  return {
    name: `lib-${role}${index}`,
    isWorker: role === "work",
    begin: (who) => {
      const script = `${ROOT}/test/processes/storm-library.ts`;
      const args = [script, role, LIBRARY, "q", `${cli.dir}/log/${who}`, who];
      return cli.launch(process.execPath, args, { timeoutMs: 60_000 }).read();
    },
  };
}

/** One message a process: its exit 0 is the promise. */
function onePutter(cli: Cli, storm: Storm): Role {
  return {
    name: "one",
    isWorker: false,
    begin: (who) => cli.start(["put", "q", "-m", `${who}-0`]),
    done: (who) => storm.promised.add(`${who}-0`),
  };
}

/** Many lines a process, slowly, in many batches: exit 0 promises all of them. */
function manyPutter(cli: Cli, storm: Storm, name: string, separator: "\n" | "\0"): Role {
  const tokens = (who: string): string[] => Array.from({ length: 20 }, (_, i) => `${who}-${i}`);
  return {
    name,
    isWorker: false,
    begin: (who) => {
      const input = tokens(who)
        .map((token) => token + separator)
        .join("");
      return cli.start(["put", "q", separator === "\n" ? "--lines" : "-0", "--batch", "6"], {
        input,
      });
    },
    done: (who) => {
      for (const token of tokens(who)) storm.promised.add(token);
    },
  };
}

interface Note {
  readonly what: string;
  readonly token: string;
  readonly who: string;
  /** In ms since the machine was started. */
  readonly at: number;
}

/** A command's clock is in seconds with a fraction, the library's in nanoseconds. */
const toMs = (at: string): number => (at.includes(".") ? Number(at) * 1000 : Number(at) / 1e6);

async function notesIn(directory: string): Promise<Note[]> {
  const notes: Note[] = [];
  for (const name of await readdir(directory)) {
    for (const line of await linesIn(`${directory}/${name}`)) {
      const [what = "", token = "", who = "", at = ""] = line.split(" ");
      notes.push({ what, token, who, at: toMs(at) });
    }
  }
  return notes;
}

test("twenty seconds of kill -9: nothing said is lost, nothing is acked twice, nothing is left", async ({
  cli,
}) => {
  console.log(`storm: SEED=${SEED}`);
  await mkdir(`${cli.dir}/log`);
  // A message may be in hand at any number of kills: that shall not make it a dead letter here.
  await cli.ok(["queue", "create", "q", "max-attempts=0", "lease=5s"]);
  const storm = new Storm(cli);
  await storm.rage([
    ...[1, 2, 3].map((index) => worker(cli, index)),
    worker(cli, 4, "-j", "2"),
    worker(cli, 5, "-j", "3"),
    ...[6, 7, 8].map((index) => librarian(cli, "work", index)),
    onePutter(cli, storm),
    manyPutter(cli, storm, "lines", "\n"),
    manyPutter(cli, storm, "nuls", "\0"),
    librarian(cli, "put", 1),
  ]);
  expect(storm.complaints).toEqual([]);

  await until(
    "the queue is drained",
    async () => {
      const drain = ["work", "q", "-j", "3", "--until-empty", "--", "sh", "-c", COMMAND];
      await cli.ok(drain, { env: { WHO: "drain" }, timeoutMs: 60_000 });
      const { ready, scheduled, in_flight } = await cli.status();
      return ready + scheduled + in_flight === 0;
    },
    60_000,
  );
  // A command outlives its worker by a moment.
  await until("all commands have ended", () => cli.living().length === 0);

  const notes = await notesIn(`${cli.dir}/log`);
  const of = (what: string): Note[] => notes.filter((note) => note.what === what);
  for (const { token } of of("put")) storm.promised.add(token);
  const runs = Map.groupBy(of("run"), ({ token }) => token);
  const acks = Map.groupBy(of("ack"), ({ token }) => token);
  const again = [...runs].filter(([, all]) => all.length > 1);
  console.log(
    `storm: ${storm.kills} kills, ${storm.promised.size} promised, ${runs.size} run, ` +
      `${again.length} more than once, ${acks.size} acks seen`,
  );
  // There was a storm, and there was work.
  expect(storm.kills).toBeGreaterThan(80);
  expect(storm.promised.size).toBeGreaterThan(300);
  expect(acks.size).toBeGreaterThan(50);

  expect([...storm.promised].filter((token) => !runs.has(token))).toEqual([]);
  expect([...acks].filter(([, all]) => all.length > 1)).toEqual([]);
  // A second run is allowed only where the first was in hand as its worker was killed.
  const needless = again.flatMap(([token, all]) =>
    all
      .toSorted((one, other) => one.at - other.at)
      .slice(0, -1)
      .filter(
        ({ who, at }) => (storm.killed.get(who) ?? Number.POSITIVE_INFINITY) - at > IN_HAND_MS,
      )
      .map(({ who }) => `${token} by ${who}`),
  );
  expect(needless).toEqual([]);
  // No run begins after an ack has returned. A shell's clock counts hundredths of a second, and it
  // looks at it when it has begun already.
  const late = [...acks].flatMap(([token, [ack]]) =>
    runs.get(token)!.filter(({ who, at }) => at > ack!.at + (who.startsWith("lib-") ? 0 : 1000)),
  );
  expect(late).toEqual([]);

  await cli.ok(["gc"]);
  await cli.expectStatus({ consumers: 0 });
  for (const directory of ["leases", "reclaim", "tmp", "dead", "aside", "drop", "dedup"]) {
    expect([directory, await readdir(cli.path(directory))]).toEqual([directory, []]);
  }
  expect(await cli.slices("ready")).toEqual([]);
  expect(linesOf(await cli.ok(["verify", "--json"])).map((line) => JSON.parse(line))).toMatchObject(
    [{ messages: 0, findings: [] }],
  );
}, 120_000);
