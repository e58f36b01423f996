/**
 * Runs what was said yes to: the command lines of a plan one after the other, until one fails.
 *
 * Nothing is left out silently: what comes of a plan counts all of its commands and says which of them did not run, and
 * a text that was edited goes when it was put and not before.
 */
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

import type { Plan } from "./plans.ts";
import { callSpool } from "./spool-command.ts";
import type { Called, Program } from "./spool-command.ts";

/** So long has a command to end by itself where everything is to end, and then again when it is told to, in ms. */
const PATIENCE_MS = 2000;

export class PlanRunner {
  readonly #program: Program;
  readonly #running = new Map<Plan, Promise<string>>();
  readonly #children = new Set<ChildProcess>();
  #isStopped = false;

  constructor(program: Program) {
    this.#program = program;
  }

  /** What runs, for people; nothing: nothing does. */
  get running(): string {
    return [...this.#running.keys()].map(({ question }) => question).join(", ");
  }

  /** Returns what came of it. Never throws. */
  run(plan: Plan): Promise<string> {
    const ran = this.#run(plan).finally(() => this.#running.delete(plan));
    this.#running.set(plan, ran);
    return ran;
  }

  /** Resolves when nothing runs any more, with what came of what did. */
  settled(): Promise<string[]> {
    const each = [...this.#running].map(async ([plan, ran]) => `${plan.question}: ${await ran}`);
    return Promise.all(each);
  }

  /** The same, but no further command begins, and none may take for ever: one that hangs is left. */
  async stop(): Promise<string[]> {
    this.#isStopped = true;
    const plans = [...this.#running.keys()];
    const all = this.settled();
    if (await Promise.race([all, sleep(PATIENCE_MS, undefined, { ref: false })])) return all;
    for (const child of this.#children) child.kill("SIGTERM");
    const said = await Promise.race([all, sleep(PATIENCE_MS, undefined, { ref: false })]);
    return said ?? plans.map((plan) => `${plan.question}: ! it is not known whether that was done`);
  }

  async #run(plan: Plan): Promise<string> {
    const said: string[] = [];
    let at = 0;
    let why = "";
    for (const args of plan.commands) {
      const called = this.#isStopped ? undefined : await this.#call(args);
      if (called?.isDone !== true) {
        why = called?.why ?? "told to end";
        break;
      }
      if (at === 0) plan.edited?.remove();
      // What says nothing has done it all the same.
      said.push(called.lines.at(-1) ?? `${args[0]} done`);
      at++;
    }
    if (at === plan.commands.length) return summed(said);
    const left = plan.commands.length - at;
    const others =
      plan.commands.length === 1 ? "" : `; not done: ${left} of ${plan.commands.length}`;
    const before = said.length === 0 ? "" : `; before it: ${summed(said)}`;
    return `! ${why}${at === 0 ? keptIn(plan) : ""}${before}${others}`;
  }

  async #call(args: readonly string[]): Promise<Called> {
    const { child, ended } = callSpool(this.#program, args, true);
    this.#children.add(child);
    const called = await ended;
    this.#children.delete(child);
    return called;
  }
}

const keptIn = ({ edited }: Plan): string =>
  edited === undefined ? "" : `; what was edited is in ${edited.path}`;

/** "1 message redriven" twice is "2 messages redriven". */
export function summed(lines: readonly string[]): string {
  const sums = new Map<string, number>();
  for (const line of lines) {
    const [, count, what] = /^(\d+) messages?( .*)$/.exec(line) ?? [];
    const key = what ?? line;
    sums.set(key, (sums.get(key) ?? 0) + Number(count ?? 0));
  }
  return [...sums]
    .map(([what, sum]) =>
      what.startsWith(" ") ? `${sum} message${sum === 1 ? "" : "s"}${what}` : what,
    )
    .join(", ");
}
