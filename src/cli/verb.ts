/**
 * A verb of the command line, as a table: its words, its options, what it does.
 *
 * A plain command line (options that there are, each with its value, the right number of arguments) is
 * read here. Every other one, each error and all help go to commander, which is given the same table and
 * has the last word: loading it takes longer than a put (docs/decisions.md).
 */
import type { Argument, Command, Option } from "commander";

/** What a word on the command line stands for. @throws SpoolError */
type Reads = ((text: string, before: never) => unknown) | readonly string[];

/** The same, as commander has it. */
type Parser = (text: string, before: unknown) => unknown;

interface Word {
  readonly flags: string;
  readonly text: string;
  /** A parser, or what it may be. */
  readonly reads: Reads | undefined;
}

interface OptionWord extends Word {
  readonly initial: unknown;
}

/** What is to be done: an action, and what it is given. */
export interface Call {
  readonly verb: Verb;
  readonly args: readonly unknown[];
  readonly options: Readonly<Record<string, unknown>>;
}

type Action = (...args: never[]) => unknown;

/** The parts of commander that a table is turned into. */
export interface Commander {
  readonly Command: new (name: string) => Command;
  readonly Option: new (flags: string, text: string) => Option;
  readonly Argument: new (flags: string, text: string) => Argument;
}

export class Verb {
  readonly name: string;
  readonly summary: string;
  readonly commands: Verb[] = [];
  #description: string;
  #after = "";
  #action: Action | undefined;
  #refusal: ((why: string) => Promise<void>) | undefined;
  readonly #arguments: Word[] = [];
  readonly #options: OptionWord[] = [];

  constructor(name: string, summary: string) {
    this.name = name;
    this.summary = summary;
    this.#description = summary;
  }

  description(text: string): this {
    this.#description = text;
    return this;
  }

  /** @param flags  `<one>`, `[one]`, `<more...>` or `[more...]`. */
  argument(flags: string, text: string, reads?: Reads): this {
    this.#arguments.push({ flags, text, reads });
    return this;
  }

  /** @param flags  as commander has them: `-n, --name <value>`. */
  option(flags: string, text: string, reads?: Reads, initial?: unknown): this {
    this.#options.push({ flags, text, reads, initial });
    return this;
  }

  /** What help shows at its end. */
  after(text: string): this {
    this.#after = text;
    return this;
  }

  command(verb: Verb): this {
    this.commands.push(verb);
    return this;
  }

  action(act: Action): this {
    this.#action = act;
    return this;
  }

  /** For a verb that says by itself, and where it says everything, that a command line does not parse. */
  refuse(answer: (why: string) => Promise<void>): this {
    this.#refusal = answer;
    return this;
  }

  get refusal(): ((why: string) => Promise<void>) | undefined {
    return this.#refusal;
  }

  /** All options, as they are written. */
  get flags(): string[] {
    return this.#options.map(({ flags }) => longOf(flags) ?? shortOf(flags) ?? "");
  }

  run({ args, options }: Call): unknown {
    return this.#action?.(...(args as never[]), options as never);
  }

  /** What a plain command line asks for; undefined where commander has to look at it. */
  read(words: readonly string[]): Call | undefined {
    if (this.commands.length > 0) {
      const [name, ...rest] = words;
      return this.commands.find((one) => one.name === name)?.read(rest);
    }
    try {
      return new Reading(this, this.#options).read(words, this.#arguments);
    } catch {
      // It does not parse: commander says so.
      return undefined;
    }
  }

  /** The same as commander wants it. */
  toCommand({ Command, Option, Argument }: Commander): Command {
    const command = new Command(this.name).summary(this.summary).description(this.#description);
    for (const { flags, text, reads } of this.#arguments) {
      const argument = new Argument(flags, text);
      if (typeof reads === "function") argument.argParser(reads as Parser);
      else if (reads) argument.choices(reads);
      command.addArgument(argument);
    }
    for (const { flags, text, reads, initial } of this.#options) {
      const option = new Option(flags, text);
      if (typeof reads === "function") option.argParser(reads as Parser);
      else if (reads) option.choices(reads);
      if (initial !== undefined) option.default(initial);
      command.addOption(option);
    }
    for (const verb of this.commands) {
      command.addCommand(verb.toCommand({ Command, Option, Argument }));
    }
    if (this.#after !== "") command.addHelpText("after", this.#after);
    if (this.#action) command.action(this.#action as (...args: unknown[]) => void);
    return command;
  }
}

const longOf = (flags: string): string | undefined => /--[a-z0-9-]+/.exec(flags)?.[0];
const shortOf = (flags: string): string | undefined => /^-[A-Za-z0-9]\b/.exec(flags)?.[0];

/** As commander names what an option sets: `--until-empty` is `untilEmpty`, `--no-count` is `count`. */
function keyOf(flags: string): string {
  const name = (longOf(flags) ?? shortOf(flags)!).replace(/^--?(no-)?/, "");
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

class NotPlain extends Error {}

/** One reading of a command line. */
class Reading {
  readonly #verb: Verb;
  readonly #byFlag = new Map<string, OptionWord>();
  readonly #options: Record<string, unknown> = {};
  readonly #given: string[] = [];

  constructor(verb: Verb, options: readonly OptionWord[]) {
    this.#verb = verb;
    for (const option of options) {
      const { flags, initial } = option;
      for (const flag of [longOf(flags), shortOf(flags)]) if (flag) this.#byFlag.set(flag, option);
      if (initial !== undefined) this.#options[keyOf(flags)] = initial;
      else if (flags.includes("--no-")) this.#options[keyOf(flags)] = true;
    }
  }

  read(words: readonly string[], wanted: readonly Word[]): Call {
    for (let at = 0; at < words.length; at++) {
      const word = words[at]!;
      if (word === "--") {
        this.#given.push(...words.slice(at + 1));
        break;
      }
      if (word[0] === "-" && word !== "-") at += this.#option(word, words[at + 1]);
      else this.#given.push(word);
    }
    return { verb: this.#verb, args: this.#args(wanted), options: this.#options };
  }

  /** Returns how many of the words behind it belong to it. */
  #option(word: string, next: string | undefined): 0 | 1 {
    const [flag, joined] = split(word);
    const option = this.#byFlag.get(flag);
    // A value that may be left out is not told from an argument as easily.
    if (option === undefined || option.flags.includes("[")) throw new NotPlain();
    const { flags, reads } = option;
    const key = keyOf(flags);
    if (!flags.includes("<")) {
      if (joined !== undefined) throw new NotPlain();
      this.#options[key] = !flags.includes("--no-");
      return 0;
    }
    const text = joined ?? next;
    if (text === undefined || (joined === undefined && /^-./.test(text))) throw new NotPlain();
    this.#options[key] = valueOf(reads, text, this.#options[key]);
    return joined === undefined ? 1 : 0;
  }

  #args(wanted: readonly Word[]): unknown[] {
    const given = this.#given;
    const args = wanted.map(({ flags, reads }, at) => {
      const isRequired = flags[0] === "<";
      if (isRequired && at >= given.length) throw new NotPlain();
      if (!flags.includes("...")) {
        const text = given[at];
        return text === undefined ? undefined : valueOf(reads, text, undefined);
      }
      if (reads !== undefined) throw new NotPlain();
      return given.splice(at);
    });
    if (given.length > wanted.length) throw new NotPlain();
    return args;
  }
}

/** `--name=value`, `-nvalue`, or the flag alone. */
function split(word: string): [flag: string, joined?: string] {
  const at = word.startsWith("--") ? word.indexOf("=") : 2;
  if (at === -1 || at >= word.length) return [word];
  return [word.slice(0, at), word.slice(word.startsWith("--") ? at + 1 : at)];
}

function valueOf(reads: Reads | undefined, text: string, before: unknown): unknown {
  if (reads === undefined) return text;
  if (typeof reads === "function") return reads(text, before as never);
  if (!reads.includes(text)) throw new NotPlain();
  return text;
}
