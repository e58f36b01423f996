/** Who takes part in the soak, and what each of them does in one turn. */
import { renameSync, writeFileSync } from "node:fs";

import { NOTE_COMMAND, nowMs } from "./journal.ts";
import { pause } from "./actor.ts";
import type { Actor, Stage } from "./actor.ts";

export interface Role {
  readonly name: string;
  /** See Actor. */
  readonly isSteady?: boolean;
  /** Until the actor is killed, or what it does is done. */
  turn(actor: Actor, stage: Stage): Promise<unknown>;
}

/** Subscriptions that are there all the time; one hears the topic through a pattern. */
export const STEADY = ["events/work", "events/audit", "*/all"] as const;

const EMPTY = 75;
const LOST = 65;
const GONE = 66;
/** A subscription is there already: who was to remove it was killed. */
const USAGE = 64;

interface Taken {
  readonly id: string;
  readonly body: string;
  readonly receipt: string;
}

const taken = (line: string): Taken => JSON.parse(line) as Taken;

const linesOf = (text: string): string[] => text.split("\n").filter(Boolean);

const tokensOf = (who: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${who}-${index}`);

/** One message a process, or a file for the drop box. */
const one: Role = {
  name: "one",
  turn: async (actor, stage) => {
    const who = actor.turn();
    const { random } = stage;
    if (random() < 0.2) {
      const draft = `${stage.notes}/../drop-${who}`;
      writeFileSync(draft, who);
      renameSync(draft, `${stage.spool}/queues/jobs/drop/${who}`);
      stage.journal.say("put", "jobs", who);
    } else {
      const more =
        random() < 0.3 ? ["--delay", "500ms"] : ["--priority", `${Math.floor(random() * 10)}`];
      const { stdout } = await actor.spool(who, ["put", "jobs", "-m", who, ...more]);
      if (stdout.endsWith("\n")) stage.journal.say("put", "jobs", who, stdout.trim());
    }
    await pause(200 + random() * 400);
  },
};

/** Lines that come slowly; exit 0 promises all of them. */
const lines: Role = {
  name: "lines",
  turn: async (actor, stage) => {
    const who = actor.turn();
    const tokens = tokensOf(who, 20);
    const input = tokens.map((token) => `${token}\n`);
    const { code } = await actor.spool(who, ["put", "jobs", "--lines", "--batch", "6"], {
      input,
      everyMs: 40,
    });
    if (code === 0) for (const token of tokens) stage.journal.say("put", "jobs", token);
  },
};

const player = (role: string, isSteady = false): Role => ({
  name: isSteady ? `steady-${role}` : role,
  isSteady,
  turn: (actor) => actor.player(actor.turn(), role),
});

/** One message, one with a key, or some lines. */
const publisher: Role = {
  name: "publisher",
  turn: async (actor, stage) => {
    const who = actor.turn();
    const { journal, random } = stage;
    if (random() < 0.3) {
      const tokens = tokensOf(who, 12);
      const { code } = await actor.spool(who, ["publish", "events", "--lines", "--batch", "5"], {
        input: [tokens.join("\n")],
        also: [EMPTY],
      });
      if (code === 0) for (const token of tokens) journal.say("put", "events", token);
    } else {
      const key = random() < 0.4 ? ["--dedup", who] : [];
      const args = ["publish", "events", "-m", who, ...key];
      const { code, stdout } = await actor.spool(who, args, { also: [EMPTY] });
      if (stdout.endsWith("\n")) journal.say("put", "events", who, stdout.trim());
      else if (code === EMPTY && key.length === 0) journal.say("undone", "events", who);
    }
    await pause(random() * 400);
  },
};

const worker = (queue: string, isSteady = false): Role => ({
  name: isSteady ? "steady-worker" : "worker",
  isSteady,
  turn: (actor) =>
    actor.spool(actor.turn(), ["work", queue, "-j", "2", "--", "/bin/sh", "-c", NOTE_COMMAND]),
});

const consumer: Role = {
  name: "consumer",
  turn: (actor, { journal }) => {
    const who = actor.turn();
    const onLine = (line: string): void => {
      const { id, body } = taken(line);
      // When it is read here, it may be acked already.
      journal.say("got", "jobs", body, id, who);
      journal.say("acking", "jobs", body, id, who);
    };
    return actor.spool(who, ["consume", "jobs", "--json"], { onLine });
  },
};

/** By receipt: acks, gives back, forgets; and many at once without one. */
const taker: Role = {
  name: "taker",
  turn: async (actor, stage) => {
    const who = actor.turn();
    await (stage.random() < 0.5 ? takeByReceipt(actor, stage, who) : takeMany(actor, stage, who));
    await pause(stage.random() * 400);
  },
};

async function takeByReceipt(actor: Actor, stage: Stage, who: string): Promise<void> {
  const { journal, random } = stage;
  const args = ["take", "jobs", "-n", "5", "--lease", "4s"];
  const { stdout } = await actor.spool(who, args, { also: [EMPTY, LOST] });
  // Of who was killed the last line may be cut.
  const messages = linesOf(stdout.slice(0, stdout.lastIndexOf("\n") + 1)).map(taken);
  for (const { body, id } of messages) journal.say("got", "jobs", body, id, who);
  const [first, ...others] = messages;
  if (first === undefined) return;
  const verb = random() < 0.1 ? ["reject"] : ["nack", "--delay", "1s"];
  const since = nowMs();
  const back = await actor.spool(who, [...verb, first.receipt], { also: [LOST] });
  if (back.code === 0) journal.back("jobs", first.body, since, who);
  const receipts = others.map(({ receipt }) => receipt);
  if (receipts.length === 0 || random() < 0.2) return;
  // One in four comes too late: who has it by then has it alone.
  if (random() < 0.25) await pause(4500);
  else await actor.spool(who, ["extend", "--lease", "4s", ...receipts], { also: [LOST] });
  for (const { body, id } of others) journal.say("acking", "jobs", body, id, who);
  const { code } = await actor.spool(who, ["ack", ...receipts], { also: [LOST] });
  if (code !== 0) return;
  for (const { body, id } of others) journal.say("acked", "jobs", body, id, who);
}

async function takeMany(actor: Actor, { journal }: Stage, who: string): Promise<void> {
  const got: Taken[] = [];
  const onLine = (line: string): void => {
    const message = taken(line);
    got.push(message);
    journal.say("got", "*/all", message.body, message.id, who);
    journal.say("acking", "*/all", message.body, message.id, who);
  };
  const args = ["take", "*/all", "-n", "300", "--json"];
  const { code } = await actor.spool(who, args, { onLine, also: [EMPTY, LOST] });
  if (code === 0) for (const { body, id } of got) journal.say("acked", "*/all", body, id, who);
}

/** Subscriptions come and go: of the topic and of a pattern, from now on and with what the log keeps. */
const churn: Role = {
  name: "churn",
  turn: async (actor, { random }) => {
    const who = actor.turn();
    const name = `${random() < 0.3 ? "*" : "events"}/churn${Math.floor(random() * 3)}`;
    const from = random() < 0.5 ? ["--from", "start"] : [];
    await actor.spool(who, ["unsubscribe", name, "-f"], { also: [GONE] });
    await actor.spool(who, ["subscribe", name, ...from], { also: [EMPTY, USAGE] });
    await actor.spool(who, ["consume", name, "--until-empty"], { also: [GONE] });
    await actor.spool(who, ["unsubscribe", name, "-f"], { also: [GONE] });
    await pause(random() * 500);
  },
};

/** What cron does. */
const keeper: Role = {
  name: "keeper",
  turn: async (actor, { random }) => {
    const who = actor.turn();
    await actor.spool(who, ["gc"]);
    await actor.spool(who, ["dlq", "redrive", "jobs"]);
    await pause(3000 + random() * 6000);
  },
};

/** Twelve of them, the steady ones among the first. */
export const ROLES: readonly Role[] = [
  player("work", true),
  player("batch", true),
  worker("jobs", true),
  player("publish", true),
  one,
  lines,
  publisher,
  worker("events/work"),
  taker,
  churn,
  consumer,
  player("keyed"),
];

export const KEEPER = keeper;
