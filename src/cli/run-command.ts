/**
 * Running a command for each message: payload on stdin, its path in `{}` and SPOOL_FILE.
 *
 * While a command runs the next one is got ready: its payload is written. It runs when its message is in
 * hand, and not before; so what is ready when the worker stops or dies was not tried.
 *
 * At first commands are children of Node. Where they prove to be brief, what is around them counts: then a spawner
 * runs them, one for each that runs at once. Whatever a spawner cannot do, Node does, and says what is wrong.
 */
import { dropPayload, writePayload } from "../disk/payload-file.ts";
import { openForReading } from "../disk/stdio.ts";
import { isOfSystem } from "../errors.ts";
import type { Message } from "../queue/message.ts";
import type { Upcoming } from "../queue/upcoming.ts";
import { ChildCommand } from "./child-command.ts";
import { CommandGroup } from "./command-group.ts";
import { commandFor } from "./command.ts";
import type { Command, Ended, Outcome } from "./command.ts";
import { Spawner } from "./spawner.ts";

/** A command is brief that ends within this, in ms: to start it is a good part of its cost. */
const BRIEF_MS = 50;

/** Payloads up to this are written ahead, in bytes: it may be in vain. */
const AHEAD_BYTES = 64 * 1024;

export interface RunnerOptions {
  readonly argv: readonly string[];
  /** All of the environment that is the same for all messages. */
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number | undefined;
  /** Commands at once. */
  readonly jobs: number;
  /** There is one message only. */
  readonly isOnce: boolean;
  /** The path of a Python for spawners, if there may be one. */
  readonly python: string | undefined;
  /** A fresh path for a payload. */
  readonly draft: () => string;
  readonly onStderr: (bytes: Buffer) => void;
  /** A command has asked its parent to stop. */
  readonly onAsked: () => void;
  /** The parent of a command that runs was killed. */
  readonly onKilled: () => void;
}

/** The payload could not be written for the command: that is no attempt of the message. */
export class NoPayload extends Error {}

/** What a command needs before it can run. */
interface Ready {
  readonly command: Command;
  readonly request: Buffer | undefined;
}

export class CommandRunner {
  readonly #options: RunnerOptions;
  readonly #groups = new Set<CommandGroup>();
  /** Those that run nothing. */
  readonly #idle: Spawner[] = [];
  readonly #spawners = new Set<Spawner>();
  #isStarting = false;
  /** So many spawners at the most. */
  #limit: number;
  /** What was got ready, by message and attempt. */
  readonly #ready = new Map<string, Ready>();
  #lost: AbortSignal | undefined;
  /** Payloads of commands that have ended. */
  #spent: string[] = [];
  #isClosed = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    const { isOnce, python, jobs } = options;
    this.#limit = isOnce || python === undefined ? 0 : jobs;
  }

  /** Runs the command for a message to its end. @throws NoPayload */
  async run(message: Message): Promise<Outcome> {
    const { command, request } = this.#takeReady(message) ?? (await this.#write(message));
    try {
      const outcome = request && (await this.#runThere(message, request));
      return outcome ?? (await this.#runHere(message, command));
    } finally {
      this.#drop(command);
    }
  }

  /** Kills all commands that run, with all that they have started. */
  kill(): void {
    for (const group of this.#groups) group.kill("SIGKILL");
  }

  /** Nothing runs any more: what was got ready will not. */
  close(): void {
    this.#isClosed = true;
    for (const spawner of this.#spawners) spawner.close();
    for (const { command } of this.#ready.values()) this.#drop(command);
    this.#ready.clear();
    this.#sweep();
  }

  /** By a spawner, if there is one; undefined where it was not run. */
  async #runThere(message: Message, request: Buffer): Promise<Outcome | undefined> {
    const spawner = this.#idle.pop();
    if (spawner === undefined) return undefined;
    const kill = (signal: NodeJS.Signals): void => spawner.kill(signal);
    const outcome = await this.#watch(message, kill, spawner.run(request));
    if (outcome === undefined) this.#dismiss(spawner);
    else this.#idle.push(spawner);
    return outcome;
  }

  async #runHere(message: Message, command: Command): Promise<Outcome> {
    const { env, onStderr } = this.#options;
    let stdin: number;
    try {
      stdin = openForReading(command.payload);
    } catch (cause) {
      throw new NoPayload("no payload file", { cause });
    }
    const startMs = performance.now();
    const child = new ChildCommand(command, { ...env, ...command.env }, stdin, onStderr);
    const outcome = await this.#watch(message, (signal) => child.kill(signal), child.ended);
    const isBrief = performance.now() - startMs < BRIEF_MS;
    // One after the other: where many run at once, they may be more than are needed.
    const isDue = !this.#isStarting && this.#spawners.size < this.#limit;
    if (isBrief && isDue) this.#startSpawner();
    return outcome!;
  }

  /** Sees to it that a command that has begun to run ends in time; meanwhile gets the next one ready. */
  async #watch(
    message: Message,
    kill: (signal: NodeJS.Signals) => void,
    ending: Promise<Ended | undefined>,
  ): Promise<Outcome | undefined> {
    this.#listenTo(message.lost);
    const group = new CommandGroup(kill, message.lost, this.#options.timeoutMs);
    this.#groups.add(group);
    if (!this.#options.isOnce) void this.#getReady(message);
    const ended = await ending;
    group.close();
    this.#groups.delete(group);
    return ended && { ...ended, hasTimedOut: group.hasTimedOut };
  }

  /** Once for each lease, and not for each message: it is the same one for most. */
  #listenTo(lost: AbortSignal): void {
    if (lost === this.#lost) return;
    this.#lost = lost;
    const end = (): void => {
      for (const group of this.#groups) group.endIfLost();
    };
    lost.addEventListener("abort", end, { once: true });
  }

  #startSpawner(): void {
    const { python = "", env, onStderr, onAsked, onKilled } = this.#options;
    const onGone = (isRunning: boolean): void => {
      if (isRunning) onKilled();
      this.#dismiss(spawner);
    };
    const onReady = (): void => {
      this.#isStarting = false;
      this.#idle.push(spawner);
    };
    let spawner: Spawner;
    try {
      spawner = new Spawner(python, env, { onReady, onStderr, onAsked, onGone });
    } catch (error) {
      // It is only slower without.
      if (!isOfSystem(error)) throw error;
      this.#limit = 0;
      return;
    }
    this.#isStarting = true;
    this.#spawners.add(spawner);
  }

  /** One that cannot do its work is not followed by another. */
  #dismiss(spawner: Spawner): void {
    spawner.close();
    this.#spawners.delete(spawner);
    if (this.#idle.includes(spawner)) this.#idle.splice(this.#idle.indexOf(spawner), 1);
    this.#limit = 0;
  }

  async #getReady(message: Message): Promise<void> {
    try {
      await message.behind(async (next) => {
        if (next.bytes > AHEAD_BYTES || this.#ready.has(keyOf(next))) return;
        const ready = await this.#write(next);
        if (this.#isClosed) dropPayload(ready.command.payload);
        else this.#ready.set(keyOf(next), ready);
      });
    } catch {
      // When its turn comes it fails again, and is told.
    }
  }

  #takeReady(message: Message): Ready | undefined {
    const key = keyOf(message);
    const ready = this.#ready.get(key);
    this.#ready.delete(key);
    // Behind each command that runs there is one at the most: what is more has gone another way.
    for (const [stale, { command }] of this.#ready) {
      if (this.#ready.size < this.#options.jobs) break;
      this.#ready.delete(stale);
      this.#drop(command);
    }
    return ready;
  }

  async #write(message: Upcoming): Promise<Ready> {
    const payload = this.#options.draft();
    try {
      await writePayload(payload, message.stream());
    } catch (cause) {
      throw new NoPayload("no payload file", { cause });
    }
    const command = commandFor(this.#options.argv, message, payload);
    return { command, request: Spawner.requestFor(command) };
  }

  /** Removes its payload, when the next command has been started. */
  #drop({ payload }: Command): void {
    if (this.#spent.push(payload) === 1) setImmediate(() => this.#sweep());
  }

  #sweep(): void {
    const spent = this.#spent;
    this.#spent = [];
    for (const payload of spent) dropPayload(payload);
  }
}

const keyOf = ({ id, attempt }: Upcoming): string => `${id} ${attempt}`;
