/**
 * Goal: at whatever system call the real `spool` dies, what it had said is there, once; what it does is
 * done wholly or not at all; and one `gc` finds everything whole and leaves nothing behind.
 *
 * Method: each verb runs once under strace, which says what calls it makes that change something, and
 * then once for each of these, in a fresh copy of the spool, killed by strace at that very call. Every
 * run of the tests has all calls of `put`, `take` and `publish`, and a sample of the others, by SEED;
 * STRACE_ALL=1 has all of all.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";

import { describe, expect } from "vitest";

import { openSpool } from "../../src/spool.ts";
import { test } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";
import { chance } from "../helpers/model-chance.ts";
import { ACTS } from "./strace-acts.ts";
import { complaintsOf } from "./strace-deeds.ts";
import type { Act } from "./strace-deeds.ts";
import { lookAfter } from "./aftermath.ts";
import { Tracer, whyNot } from "./strace-kill.ts";
import type { Call } from "./strace-kill.ts";

const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const IS_ALL = process.env["STRACE_ALL"] === "1";

/** Calls of a verb that is not always tried in full. */
const SAMPLE = 2;

/** How often it is tried to hit one call. */
const TRIES = 12;

const REASON = whyNot();

/**
 * A draft of spool.json stays, and one of a queue's first queue.json as long as there is none: `verify
 * --repair` removes them.
 */
function isKnown(spool: string, line: string): boolean {
  const [, queue] = /^(queues\/\w+)\/tmp\/[^/]*$/.exec(line) ?? [];
  if (queue !== undefined) return !existsSync(`${spool}/${queue}/queue.json`);
  return line.startsWith(".spool.json.");
}

interface Fate {
  readonly complaints: string[];
  readonly isThere: boolean;
  readonly next: number;
}

/** The spool of an act as it is before it, and copies of it to die in. */
class Ground {
  readonly tracer: Tracer;
  readonly #act: Act;
  readonly #cli: Cli;
  #template: string;
  #receipt: readonly string[] = [];
  #copies = 0;

  constructor(cli: Cli, act: Act) {
    this.tracer = new Tracer(cli);
    this.#act = act;
    this.#cli = cli;
    this.#template = `${cli.dir}/template`;
  }

  async make(): Promise<void> {
    const { before, leased, deaths = [] } = this.#act;
    if (before !== undefined)
      await before(await openSpool({ dir: this.#template, tellsFlow: false }));
    if (leased !== undefined) {
      const args = ["take", "q", "-n", `${leased}`, "--lease", "1h"];
      const said = await this.#cli.ok(args, { env: { SPOOL_DIR: this.#template } });
      const { receipt } = JSON.parse(said.slice(0, said.indexOf("\n"))) as { receipt: string };
      this.#receipt = [receipt];
    }
    for (const { args, at } of deaths) await this.#dieBefore(args, at);
  }

  /** Somebody dies at the first call of that shape; with what he leaves the act begins. */
  async #dieBefore(args: readonly string[], at: RegExp): Promise<void> {
    const calls = await this.tracer.calls({ spool: this.copy(), args });
    let call = calls.find(({ shape }) => at.test(shape));
    for (let turn = 0; call !== undefined && turn < TRIES; turn++) {
      const spool = this.copy();
      const { isThere, next } = await this.tracer.kill({ spool, args }, call);
      if (isThere) {
        this.#template = spool;
        return;
      }
      call = { ...call, ordinal: next };
    }
    throw new Error(`spool ${args.join(" ")} does not die at ${at}`);
  }

  /** Links of one file stay links, and leases as old as they are. */
  copy(): string {
    const path = `${this.#cli.dir}/copy-${++this.#copies}`;
    if (existsSync(this.#template)) spawnSync("cp", ["-a", this.#template, path]);
    return path;
  }

  /** The calls at which it can die. */
  async calls(): Promise<Call[]> {
    return this.tracer.calls(this.#command(this.copy()));
  }

  /** The same, again where it died elsewhere. */
  async dieAt(call: Call): Promise<Fate> {
    const complaints: string[] = [];
    let aim = call;
    for (let turn = 0; turn < TRIES; turn++) {
      const { isThere, next, ...fate } = await this.die(aim);
      complaints.push(...fate.complaints);
      if (isThere) return { complaints, isThere, next };
      aim = { ...call, ordinal: next };
    }
    return { complaints, isThere: false, next: aim.ordinal };
  }

  /** Dies at that call; returns what is wrong then, and whether it did die there. */
  async die(call: Call): Promise<Fate> {
    const spool = this.copy();
    const { ended, isThere, next } = await this.tracer.kill(this.#command(spool), call);
    if (this.#act.again) await this.#cli.ok(this.#act.args, { env: { SPOOL_DIR: spool } });
    const { found, wrongAtOnce, wrongAtLast } = await lookAfter(spool);
    const isBad = (line: string): boolean => !isKnown(spool, line);
    const isLasting = (line: string): boolean => this.#act.lasting?.test(line) === true;
    const isLast = isThere && call.name === "exit_group";
    const complaints = [
      ...complaintsOf(this.#act, found, ended, isLast),
      ...wrongAtOnce
        .filter((line) => isBad(line) && !isLasting(line))
        .map((line) => `at once: ${line}`),
      ...wrongAtLast.filter(isBad),
    ];
    await rm(spool, { recursive: true, force: true });
    const where = `${call.name} ${call.ordinal}, ${call.shape}`;
    return { complaints: complaints.map((line) => `${where}: ${line}`), isThere, next };
  }

  #command(spool: string): { spool: string; args: readonly string[]; input?: string } {
    const { args, input } = this.#act;
    return { spool, args: [...args, ...this.#receipt], ...(input !== undefined && { input }) };
  }
}

/** So many of them, by chance. */
function sampleOf(calls: readonly Call[], random: () => number): Call[] {
  const left = [...calls];
  const picked: Call[] = [];
  while (picked.length < SAMPLE && left.length > 0) {
    picked.push(...left.splice(Math.floor(random() * left.length), 1));
  }
  return picked;
}

describe.skipIf(REASON !== undefined)("death at each system call", () => {
  test("strace kills before the call is made", async ({ cli }) => {
    const act = ACTS.find(({ name }) => name === "put")!;
    const ground = new Ground(cli, act);
    await ground.make();
    const call = (await ground.calls()).find(({ shape }) => /^rename .*ready/.test(shape))!;
    const spool = ground.copy();
    const { ended, isThere } = await ground.tracer.kill(
      { spool, args: act.args, input: "m2" },
      call,
    );
    expect({ isThere, stdout: ended.stdout }).toEqual({ isThere: true, stdout: "" });
    expect(await readdir(`${spool}/queues/q/tmp`)).toHaveLength(1);
    const [bucket] = await readdir(`${spool}/queues/q/ready`);
    expect(await readdir(`${spool}/queues/q/ready/${bucket}`)).toHaveLength(1);
  });

  test.for(ACTS)(
    "$name: nothing is lost, nothing is done by half, nothing is left",
    { timeout: 600_000 },
    async (act, { cli }) => {
      const ground = new Ground(cli, act);
      await ground.make();
      const all = await ground.calls();
      const isWhole = IS_ALL || act.always === true;
      const calls = isWhole ? all : sampleOf(all, chance(SEED));
      const queue = [...calls];
      const complaints: string[] = [];
      const strayed: string[] = [];
      const dieAll = async (): Promise<void> => {
        for (let call = queue.shift(); call !== undefined; call = queue.shift()) {
          const fate = await ground.dieAt(call);
          complaints.push(...fate.complaints);
          if (!fate.isThere) strayed.push(`${call.name} ${call.ordinal}, ${call.shape}`);
        }
      };
      await Promise.all([dieAll(), dieAll()]);
      console.log(
        `strace: ${act.name}: ${calls.length} deaths at ${all.length} calls` +
          (isWhole ? "" : `, SEED=${SEED}`),
      );
      expect(complaints).toEqual([]);
      expect(strayed).toEqual([]);
    },
  );
});

test.runIf(REASON !== undefined)("death at each system call", ({ skip }) => skip(REASON));
