/**
 * Goal: `verify` finds each kind of damage and says what it is; `verify --repair` puts it right and loses
 * nothing.
 *
 * Method: one damage at a time is done to a real spool by hand, two hours ago; then the command is run as
 * a user runs it: verify (1), verify --repair (0), verify again, and what was put is taken.
 */
import * as fs from "node:fs";
import { basename, dirname } from "node:path";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, test as base } from "../helpers/cli.ts";
import type { Cli, Ended } from "../helpers/cli.ts";
import { openSpool } from "../../src/spool.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import { DEAD_PROCESS, pathsIn, slicesIn } from "../hostile/tree.ts";

const ID = "01kdvdna000003f9x2c7m1q8zt";
const SLICE = `5-1767225600000-${ID}-0000000-n1-o0-b3-a0`;
const LEASE = `${ID}_60000_${DEAD_PROCESS}_host`;

interface Found {
  readonly path: string;
  readonly problem: string;
  readonly repair?: string;
}

const findingsOf = ({ stdout }: Ended): Found[] =>
  (JSON.parse(stdout) as { findings: Found[] }).findings;

/** A queue with three messages, a topic with a log and a subscription, and a directory outside. */
const test = base.extend("made", async ({ cli }) => {
  const spool = await openSpool({ dir: cli.spool, tellsFlow: false });
  for (const body of ["one", "two", "three"]) await spool.queue("q").put(body);
  const logs = await spool.topic("logs");
  await logs.create({ ...DEFAULT_TOPIC_SETTINGS, retentionMs: Number.POSITIVE_INFINITY });
  await logs.subscribe("a");
  for (const body of ["four", "five"]) await logs.publish(body);
  fs.mkdirSync(`${cli.dir}/outside`);
  fs.writeFileSync(`${cli.dir}/outside/secret`, "canary");
  return { ready: () => slicesIn(cli.path("ready")), topic: `${cli.spool}/topics/logs` };
});

type Made = { readonly ready: () => string[]; readonly topic: string };

function age(cli: Cli): void {
  const then = Date.now() / 1000 - 7200;
  for (const path of pathsIn(cli.spool)) fs.lutimesSync(path, then, then);
}

interface Case {
  readonly what: string;
  readonly damage: (cli: Cli, made: Made) => void;
  /** The path, after the spool's, and the problem. */
  readonly finds: RegExp;
  readonly does: RegExp;
  /** What of the five bodies is delivered no more, because its bytes are not what was put. */
  readonly without?: string;
  /** What of them cannot be delivered before a person has looked at it. */
  readonly aside?: readonly string[];
  /** What verify says afterwards; default: nothing, or what was set aside. */
  readonly after?: RegExp;
}

const outside = (cli: Cli): string => `${cli.dir}/outside`;

function flip(path: string): void {
  const bytes = fs.readFileSync(path);
  bytes[bytes.length - 1]! ^= 1;
  fs.writeFileSync(path, bytes);
}

const inQueue = (at: string): RegExp => new RegExp(`^/queues/q/${at}`);

const foreign: readonly Case[] = [
  "queues/q",
  "queues/q/ready",
  "queues/q/leases",
  "queues/q/dead",
  "queues/q/tmp",
  "queues/q/dedup",
  "topics/logs",
  "topics/logs/staging",
  "topics/logs/committed",
  "topics/logs/aborted",
  "topics/logs/log",
  "topics/logs/filling",
  "topics/logs/tmp",
  "topics/logs/subscriptions/a/incoming",
  "queues",
  "topics",
  ".",
].flatMap((place) => {
  const at = place === "." ? "" : `${place}/`;
  const kinds: Readonly<Record<string, (cli: Cli, path: string) => void>> = {
    "foreign file": (_, path) => fs.writeFileSync(path, "keep me"),
    link: (cli, path) => fs.symlinkSync(outside(cli), path),
  };
  return Object.entries(kinds).map(([kind, make]) => ({
    what: `a ${kind} in ${place}`,
    damage: (cli: Cli) => make(cli, `${cli.spool}/${at}a b`),
    finds: new RegExp(`^/${at}a b: (not a|a file, not|a symbolic link)`),
    does: /^set aside as .*\/aside\/a b\.[0-9a-z]+$/,
  }));
});

const replaced: readonly Case[] = ["ready", "leases", "dead", "drop", "tmp", "aside"].flatMap(
  (name) =>
    ["a file", "a symbolic link"].map((kind) => ({
      what: `${kind} in place of ${name}/`,
      damage: (cli: Cli) => {
        const path = cli.path(name);
        fs.renameSync(path, `${path}.was`);
        if (kind === "a file") fs.writeFileSync(path, "keep me");
        else fs.symlinkSync(outside(cli), path);
      },
      finds: inQueue(`${name}: ${kind} where a directory belongs`),
      does: /^set aside as .*, and made anew$/,
      ...(name === "ready" && { aside: ["one", "two", "three"] }),
    })),
);

const bytes: readonly Case[] = [
  {
    what: "a flipped bit",
    damage: (_, { ready }) => flip(ready()[1]!),
    finds: inQueue("ready/.*: the checksum of the body does not match"),
    does: /^moved to the dead letters$/,
    without: "two",
    after: /: dead letter: the checksum/,
  },
  {
    what: "a torn file",
    damage: (_, { ready }) => fs.truncateSync(ready()[1]!, 100),
    finds: inQueue("ready/.*: no batch header"),
    does: /^moved to the dead letters$/,
    without: "two",
    after: /: dead letter: no batch header/,
  },
  ...(
    [
      ["-n1-", "-n2-"],
      ["-o0-", "-o1-"],
      ["-b3-", "-b4-"],
      [/-[0-9a-z]{26}-/, `-${ID}-`],
    ] as const
  ).map(([from, to]) => ({
    what: `a name that lies: ${to}`,
    damage: (_: Cli, { ready }: Made) => {
      const path = ready().find((one) => one.includes("-b3-"))!;
      fs.renameSync(path, `${dirname(path)}/${basename(path).replace(from, to)}`);
    },
    finds: inQueue("ready/.*: (its name says|it is batch)"),
    does: /^moved to the dead letters$/,
    without: "one",
    after: /: dead letter: /,
  })),
  {
    what: "a damaged batch in the log",
    damage: (cli, { topic }) => {
      const [path = ""] = slicesIn(`${topic}/log`);
      const bad = `${cli.spool}/bad`;
      fs.copyFileSync(path, bad);
      flip(bad);
      fs.renameSync(bad, path);
    },
    finds: /^\/topics\/logs\/log\/.*: the checksum of the body/,
    does: /^set aside as/,
  },
  {
    what: "a message twice",
    damage: (cli, { ready }) => {
      const [path = ""] = ready();
      fs.mkdirSync(cli.path("ready/4-0000000000000"));
      fs.mkdirSync(cli.path("ready/5-0000000000000"));
      fs.linkSync(path, cli.path(`ready/5-0000000000000/${basename(path)}`));
    },
    finds: inQueue("ready/.*: holds messages that are also in .*/ready/"),
    does: /^set aside as/,
  },
  {
    what: "a message that sorts before its bucket",
    damage: (cli, { ready }) => {
      fs.renameSync(dirname(ready()[0]!), cli.path("ready/5-9999999999998"));
    },
    finds: inQueue("ready/5-9.*: sorts before the start of its bucket"),
    does: /^moved to .*\/ready\//,
  },
  {
    what: "a directory with the name of a slice",
    damage: (_, { ready }) => fs.mkdirSync(`${dirname(ready()[0]!)}/${SLICE}`),
    finds: inQueue(`ready/.*${SLICE}: a directory, not a file`),
    does: /^set aside as/,
  },
];

const left: readonly Case[] = [
  {
    what: "a draft of a dead writer",
    damage: (cli) => fs.writeFileSync(cli.path(`tmp/abc.0_${DEAD_PROCESS}`), "half"),
    finds: inQueue("tmp/abc.0_.*: left by a writer that is gone"),
    does: /^removed$/,
  },
  {
    what: "a lease of a dead consumer",
    damage: (cli, { ready }) => {
      fs.mkdirSync(cli.path(`leases/${LEASE}.lock`));
      fs.mkdirSync(cli.path(`leases/${LEASE}`));
      const [path = ""] = ready();
      fs.renameSync(path, cli.path(`leases/${LEASE}/${basename(path)}`));
    },
    finds: inQueue(`leases/${LEASE}: its holder is gone`),
    does: /^taken over/,
  },
  {
    what: "a lease without a lock",
    damage: (cli, { ready }) => {
      fs.mkdirSync(cli.path(`leases/${ID}_60000_none_host`));
      const [path = ""] = ready();
      fs.renameSync(path, cli.path(`leases/${ID}_60000_none_host/${basename(path)}`));
    },
    finds: inQueue("leases/.*: a lease without a lock"),
    does: /^taken over/,
  },
  {
    what: "a lock without a lease",
    damage: (cli) => fs.mkdirSync(cli.path(`leases/${LEASE}.lock`)),
    finds: inQueue("leases/.*lock: a lock without a lease"),
    does: /^taken over/,
  },
  {
    what: "what a reaper left",
    damage: (cli, { ready }) => {
      fs.mkdirSync(cli.path(`reclaim/${LEASE}`));
      const [path = ""] = ready();
      fs.renameSync(path, cli.path(`reclaim/${LEASE}/~${basename(path)}`));
    },
    finds: inQueue("reclaim/.*: was being given back"),
    does: /^taken over/,
  },
  {
    what: "a letter without its reason",
    damage: (cli, { ready }) => {
      const [path = ""] = ready();
      fs.renameSync(path, cli.path(`dead/${basename(path)}`));
    },
    finds: inQueue("dead/.*: a dead letter without its reason"),
    does: /^a reason was written: unknown$/,
    aside: ["one"],
  },
  {
    what: "a reason without its letter",
    damage: (cli) => fs.writeFileSync(cli.path(`dead/${SLICE}.reason`), "{}\n"),
    finds: inQueue("dead/.*reason: a reason without its dead letter"),
    does: /^removed$/,
  },
  {
    what: "a queue that was removed by half",
    damage: (cli) => fs.mkdirSync(`${cli.spool}/queues/.removed-abc/ready`, { recursive: true }),
    finds: /^\/queues\/.removed-abc: was removed, and not all of it is gone/,
    does: /^cleared$/,
  },
  {
    what: "a subscription that was never made",
    damage: (_, { topic }) => fs.mkdirSync(`${topic}/filling/b~${ID}_${DEAD_PROCESS}`),
    finds: /^\/topics\/logs\/filling\/b~.*: a subscription that was never made/,
    does: /^removed$/,
  },
  {
    what: "a draft of spool.json",
    damage: (cli) => fs.writeFileSync(`${cli.spool}/.spool.json.${ID}`, "{"),
    finds: /^\/.spool.json.*: left by a writer that is gone/,
    does: /^removed$/,
  },
  {
    what: "a link of no fan-out",
    damage: (_, { topic }) => {
      const [path = ""] = slicesIn(`${topic}/subscriptions/a/ready`);
      fs.linkSync(path, `${topic}/subscriptions/a/incoming/${basename(path)}.${ID}`);
    },
    finds: /^\/topics\/logs\/subscriptions\/a\/incoming\/.*: a link of no fan-out/,
    does: /^removed$/,
  },
  {
    what: "a fan-out that was committed",
    damage: (_, { topic }) => {
      const [path = ""] = slicesIn(`${topic}/subscriptions/a/ready`);
      const name = basename(path);
      fs.renameSync(path, `${topic}/subscriptions/a/incoming/${name}.${ID}`);
      const [logged = ""] = slicesIn(`${topic}/log`).filter((one) => basename(one) === name);
      fs.renameSync(logged, `${topic}/committed/${name}.p${ID}_${DEAD_PROCESS}`);
    },
    finds: /^\/topics\/logs\/committed\/.*: was committed, and is not yet in all/,
    does: /^finished/,
  },
  {
    what: "a fan-out that was begun",
    damage: (_, { topic }) => {
      fs.writeFileSync(`${topic}/staging/a.r${ID}_${DEAD_PROCESS}`, "");
    },
    finds: /^\/topics\/logs\/staging\/.*: was begun, and never committed/,
    does: /^finished, or undone/,
  },
];

const missing: readonly Case[] = [
  ...["drop", "tmp", "leases", "aside"].map((name) => ({
    what: `${name}/ is missing`,
    damage: (cli: Cli) => fs.rmdirSync(cli.path(name)),
    finds: inQueue(`${name}: is missing`),
    does: /^made anew$/,
  })),
  ...[
    "queues/q/queue.json",
    "topics/logs/topic.json",
    "topics/logs/subscriptions/a/queue.json",
  ].flatMap((name) => [
    {
      what: `${name} is missing`,
      damage: (cli: Cli) => fs.rmSync(`${cli.spool}/${name}`),
      finds: new RegExp(`^/${name}: is missing`),
      does: /^made again with the defaults/,
    },
    {
      what: `${name} is no JSON`,
      damage: (cli: Cli) => fs.writeFileSync(`${cli.spool}/${name}`, '{"leas'),
      finds: new RegExp(`^/${name}: .*JSON`),
      does: /^set aside as .*; made again with the defaults/,
    },
    {
      what: `${name} is a link`,
      damage: (cli: Cli) => {
        fs.rmSync(`${cli.spool}/${name}`);
        fs.symlinkSync(`${cli.dir}/outside/secret`, `${cli.spool}/${name}`);
      },
      finds: new RegExp(`^/${name}: .*not a regular file`),
      does: /^set aside as .*; made again with the defaults/,
    },
  ]),
  {
    what: "the bell is a link",
    damage: (cli) => {
      fs.rmSync(cli.path("bell"));
      fs.symlinkSync(`${cli.dir}/outside/secret`, cli.path("bell"));
    },
    finds: inQueue("bell: a symbolic link where the bell belongs"),
    does: /^set aside as/,
  },
  {
    what: "a lock from the far future",
    damage: (cli) => fs.mkdirSync(cli.path(`leases/${ID}_60000_none_host.lock`)),
    finds: inQueue("leases/.*: a lock from the far future"),
    does: /^was given the time of now/,
    after: /^$/,
  },
];

const BODIES = ["one", "two", "three", "four", "five"];

async function expectRepaired(cli: Cli, made: Made, one: Case): Promise<void> {
  one.damage(cli, made);
  age(cli);
  if (one.what.includes("future"))
    fs.utimesSync(cli.path(`leases/${ID}_60000_none_host.lock`), 9e9, 9e9);
  const before = await cli.tree();
  const looked = await cli.run(["verify", "--json"]);
  expect(looked).toMatchObject({ code: 1, stderr: "" });
  const lineOf = ({ path, problem }: Found): string =>
    `${path.slice(cli.spool.length)}: ${problem}`;
  expect(findingsOf(looked).map(lineOf)).toContainEqual(expect.stringMatching(one.finds));
  for (const found of findingsOf(looked)) expect(found).not.toHaveProperty("repair");
  expect(await cli.tree()).toEqual(before);

  const repaired = await cli.run(["verify", "--repair", "--json"]);
  const done = findingsOf(repaired).filter((found) => one.finds.test(lineOf(found)));
  expect(done[0]!.repair).toMatch(one.does);
  expect(findingsOf(repaired).filter(({ repair }) => repair === undefined)).toEqual([]);
  expect(repaired).toMatchObject({ code: 0, stderr: "" });

  const again = linesOf((await cli.run(["verify"])).stdout);
  const SET_ASIDE = /: was set aside; look at it and remove it$/;
  for (const line of again) expect(line).toMatch(one.after ?? SET_ASIDE);
  const spool = await openSpool({ dir: cli.spool, tellsFlow: false });
  const bodies: string[] = [];
  for (const name of ["q", "logs/a"]) {
    for await (const message of spool.queue(name).messages({ untilEmpty: true })) {
      bodies.push((await message.body()).toString());
      await message.ack();
    }
  }
  const hidden = [one.without, ...(one.aside ?? [])];
  expect(bodies.toSorted()).toEqual(BODIES.filter((body) => !hidden.includes(body)).toSorted());
  for (const body of one.aside ?? []) expect(await contentsOf(cli)).toContain(`\n${body}`);
  expect(fs.readdirSync(`${cli.dir}/outside`)).toEqual(["secret"]);
  expect(fs.readFileSync(`${cli.dir}/outside/secret`, "utf8")).toBe("canary");
}

/** All bytes of the queue. */
async function contentsOf(cli: Cli): Promise<string> {
  const paths = pathsIn(cli.path("")).filter((path) => fs.lstatSync(path).isFile());
  return paths.map((path) => fs.readFileSync(path, "latin1")).join("");
}

const GROUPS = { foreign, replaced, bytes, left, missing };

for (const [group, cases] of Object.entries(GROUPS)) {
  describe.concurrent(`verify --repair: ${group}`, () => {
    for (const one of cases) {
      test(one.what, ({ cli, made }) => expectRepaired(cli, made, one));
    }
  });
}

describe.concurrent("verify", () => {
  test("says what was done in words, and how much is left", async ({ cli, made }) => {
    fs.writeFileSync(cli.path("ready/x\ny"), "");
    fs.writeFileSync(cli.path("drop/.later"), "");
    flip(made.ready()[0]!);
    const { code, stdout, stderr } = await cli.run(["verify", "--repair"]);
    expect(code).toBe(1);
    expect(linesOf(stdout)).toEqual([
      expect.stringMatching(/: the checksum .*; moved to the dead letters$/),
      expect.stringMatching(/\/ready\/x\?y: not a bucket; set aside as .*\/aside\/x\?y\./),
      expect.stringMatching(/\/drop\/\.later: a dot file: it is not delivered; left$/),
    ]);
    expect(stderr).toMatch(/; 3 problems, 2 put right, 1 left\n$/);
  });

  test("of one queue repairs that one alone", async ({ cli, made }) => {
    fs.writeFileSync(cli.path("foreign"), "");
    fs.writeFileSync(`${made.topic}/foreign`, "");
    fs.writeFileSync(`${cli.spool}/foreign`, "");
    expect(await cli.run(["verify", "q", "--repair"])).toMatchObject({ code: 0 });
    expect(fs.readdirSync(cli.path("aside"))).toHaveLength(1);
    expect(fs.existsSync(`${made.topic}/foreign`)).toBe(true);
    expect(fs.existsSync(`${cli.spool}/foreign`)).toBe(true);
    expect(await cli.run(["verify", "logs", "--repair"])).toMatchObject({ code: 0 });
    expect(fs.existsSync(`${made.topic}/foreign`)).toBe(false);
    expectFailure(await cli.run(["verify", "nope", "--repair"]), 66, /no such queue/);
  });

  test("leaves what people have set to be set right by people", async ({ cli, made }) => {
    expect(made).toBeDefined();
    fs.writeFileSync(cli.path("queue.json"), '{"lease":"soon"}');
    const { code, stdout } = await cli.run(["verify", "--repair"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/queue\.json: .*not a duration.*; left\n$/);
    expect(fs.readFileSync(cli.path("queue.json"), "utf8")).toBe('{"lease":"soon"}');
  });

  test("does not let the log go with the settings that were lost", async ({ cli, made }) => {
    fs.rmSync(`${made.topic}/topic.json`);
    await cli.ok(["verify", "--repair"]);
    await cli.ok(["gc"]);
    expect(slicesIn(`${made.topic}/log`)).toHaveLength(2);
  });
});

describe.concurrent("spool.json", () => {
  for (const [what, text] of [
    ["of a newer format", '{"format":99}'],
    ["of a newer format, with what nobody here knows", '{"format":2,"x":[]}'],
  ] as const) {
    test(`${what} is refused, and nothing is touched`, async ({ cli, made }) => {
      fs.writeFileSync(`${cli.spool}/spool.json`, text);
      fs.writeFileSync(cli.path("ready/foreign"), "");
      flip(made.ready()[0]!);
      const before = await cli.tree();
      for (const words of [["verify"], ["verify", "--repair"], ["verify", "q", "--repair"]]) {
        expectFailure(await cli.run(words), 78, /format/);
      }
      expect(await cli.tree()).toEqual(before);
      expect(fs.readFileSync(`${cli.spool}/spool.json`, "utf8")).toBe(text);
    });
  }

  const broken: Readonly<Record<string, (path: string) => void>> = {
    missing: (path) => fs.rmSync(path),
    empty: (path) => fs.truncateSync(path),
    garbage: (path) => fs.writeFileSync(path, "{]"),
    "without a format": (path) => fs.writeFileSync(path, "{}"),
    "a directory": (path) => {
      fs.rmSync(path);
      fs.mkdirSync(path);
    },
    "a link": (path) => {
      fs.rmSync(path);
      fs.symlinkSync("/nowhere", path);
    },
  };
  for (const [what, damage] of Object.entries(broken)) {
    test(`that is ${what}: made anew by a repair, refused by all else`, async ({ cli, made }) => {
      expect(made).toBeDefined();
      damage(`${cli.spool}/spool.json`);
      expect((await cli.run(["verify"])).code).toBeGreaterThanOrEqual(64);
      const { code, stdout } = await cli.run(["verify", "--repair"]);
      expect(stdout).toMatch(/^\/.*\/spool\.json: it? ?.*; (set aside as .*, and )?made anew\n$/);
      expect(code).toBe(0);
      expect(await cli.ok(["take", "q"])).toBe("one");
    });
  }

  test("is not made where there is no spool", async ({ cli }) => {
    fs.mkdirSync(cli.spool);
    fs.writeFileSync(`${cli.spool}/diary`, "private");
    expectFailure(await cli.run(["verify", "--repair"]), 66, /no spool/);
    expect(fs.readdirSync(cli.spool)).toEqual(["diary"]);
  });
});
