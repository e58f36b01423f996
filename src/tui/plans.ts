/**
 * What can be done to queues and messages from the screen: each is a command line of `spool`, which is shown, asked
 * for, and run as it is. So whatever the screen can do a script can do, in the same words. Pure.
 */
import type { State } from "../stats/detail.ts";
import type { Sample } from "../stats/sample.ts";
import type { Act } from "./bindings.ts";

/** What is to be done, before anybody has said yes. */
export interface Plan {
  /** For people: "redrive 3 dead letters of jobs". */
  readonly question: string;
  /** Arguments of `spool`, one command after the other. */
  readonly commands: readonly (readonly string[])[];
  /** A file that the first one puts: it goes as soon as that has worked, and stays where it has not. */
  readonly edited?: { readonly path: string; remove(): void };
}

/** A plan that lacks the name of a queue. */
export interface OpenPlan {
  readonly question: string;
  readonly withQueue: (to: string) => Plan;
}

export interface ChosenMessages {
  readonly state: State;
  /** Of a dead letter of several messages one of them. */
  readonly ids: readonly string[];
  /** So many messages are meant: those that share a dead letter go together. */
  readonly count: number;
}

export interface Chosen {
  /** Queues and subscriptions that are marked, or the one that the cursor is on. */
  readonly queues: readonly Sample[];
  /** In a list of messages: those that are marked, or the one that the cursor is on. */
  readonly messages?: ChosenMessages;
}

/** Of a command line, so that none is longer than a system takes. */
const IDS = 500;

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

const named = (queues: readonly Sample[]): string =>
  queues.length === 1 ? queues[0]!.name : plural(queues.length, "queue");

const sum = (queues: readonly Sample[], of: (queue: Sample) => number | null): number =>
  queues.reduce((total, queue) => total + (of(queue) ?? 0), 0);

function inParts(
  ids: readonly string[],
  command: (part: readonly string[]) => string[],
): string[][] {
  const commands: string[][] = [];
  for (let at = 0; at < ids.length; at += IDS) commands.push(command(ids.slice(at, at + IDS)));
  return commands;
}

const asOptions = (ids: readonly string[]): string[] => ids.flatMap((id) => ["--id", id]);

/** A line that says why not, where there is nothing to be done. */
export function planOf(act: Act, { queues, messages }: Chosen): Plan | OpenPlan | string {
  if (queues.length === 0) return "no queue is chosen: a topic's messages are its subscriptions'";
  if (messages !== undefined && act !== "pause") {
    if (messages.ids.length === 0) return "no message is chosen";
    return planForMessages(act, queues[0]!.name, messages);
  }
  return planForQueues(act, queues);
}

function planForQueues(act: Act, queues: readonly Sample[]): Plan | OpenPlan | string {
  const names = queues.map(({ name }) => name);
  const dead = sum(queues, (queue) => queue.dead);
  const scheduled = sum(queues, (queue) => queue.scheduled);
  const waiting = scheduled + sum(queues, (queue) => queue.ready);
  switch (act) {
    case "pause": {
      const isPaused = queues.every(({ state }) => state === "PAUSED");
      const verb = isPaused ? "resume" : "pause";
      return { question: `${verb} ${named(queues)}`, commands: [[verb, ...names]] };
    }
    case "redrive":
      if (dead === 0) return `${named(queues)}: no dead letters`;
      return {
        question: `redrive ${plural(dead, "dead letter")} of ${named(queues)}`,
        commands: names.map((name) => ["dlq", "redrive", name]),
      };
    case "retry":
      if (scheduled === 0) return `${named(queues)}: nothing is scheduled`;
      return {
        question: `make ${plural(scheduled, "scheduled message")} of ${named(queues)} ready now`,
        commands: names.map((name) => ["move", name, name, "--now"]),
      };
    case "drop":
      if (waiting === 0) return `${named(queues)}: nothing is ready or scheduled`;
      return {
        question: `throw away ${plural(waiting, "message")} of ${named(queues)}, ready and scheduled`,
        commands: names.map((name) => ["purge", name, "-f"]),
      };
    case "move":
      if (waiting === 0) return `${named(queues)}: nothing is ready or scheduled`;
      return {
        question: `move ${plural(waiting, "message")} of ${named(queues)} to queue`,
        withQueue: (to) => ({
          question: `move ${plural(waiting, "message")} of ${named(queues)} to ${to}`,
          commands: names.map((name) => ["move", name, to]),
        }),
      };
    default:
      return "choose messages: Enter opens the queue, Space marks";
  }
}

function planForMessages(
  act: Act,
  queue: string,
  { state, ids, count }: ChosenMessages,
): Plan | OpenPlan | string {
  const together = count > ids.length ? ", all that share a letter" : "";
  const what = `${plural(count, state === "dead" ? "dead letter" : "message")} of ${queue}${together}`;
  if (state === "inflight") return "a consumer holds it: it decides what becomes of it";
  const isDead = state === "dead";
  switch (act) {
    case "redrive":
      if (!isDead) return "only dead letters are redriven";
      return {
        question: `redrive ${what}`,
        commands: inParts(ids, (part) => ["dlq", "redrive", queue, ...part]),
      };
    case "retry":
      if (state !== "scheduled") return "only what is scheduled can be made ready now";
      return {
        question: `make ${what} ready now`,
        commands: inParts(ids, (part) => ["move", queue, queue, "--now", ...asOptions(part)]),
      };
    case "giveUp":
      if (isDead) return "it is a dead letter already";
      return {
        question: `make ${what} dead letters`,
        commands: inParts(ids, (part) => ["dlq", "add", queue, ...part]),
      };
    case "drop":
      return {
        question: `throw away ${what}`,
        commands: inParts(ids, (part) =>
          isDead
            ? ["dlq", "drop", queue, ...part, "-f"]
            : ["purge", queue, "--state", state, ...asOptions(part), "-f"],
        ),
      };
    case "move":
      return {
        question: `move ${what} to queue`,
        withQueue: (to) => ({
          question: `move ${what} to ${to}`,
          commands: inParts(ids, (part) => [
            "move",
            queue,
            to,
            "--state",
            state,
            ...asOptions(part),
          ]),
        }),
      };
    default:
      return "";
  }
}

/** `dlq redrive -C DIR jobs`: behind the verb, and behind the verb of a noun. */
export function inDir(dir: string | undefined, args: readonly string[]): string[] {
  const verbs = args[0] === "dlq" ? 2 : 1;
  return dir === undefined ? [...args] : [...args.slice(0, verbs), "-C", dir, ...args.slice(verbs)];
}

/** As a person would type it. */
export function commandLine(args: readonly string[]): string {
  const quoted = args.map((arg) =>
    /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", String.raw`'\''`)}'`,
  );
  return ["spool", ...quoted].join(" ");
}
