/** The commander program around one command: help, version, errors of usage. */
import { Argument, Command, CommanderError, Option } from "commander";

import { EXIT_CODES, SpoolError } from "../errors.ts";
import type { Context } from "./context.ts";
import { fail } from "./fail.ts";
import type { Verbs } from "./main.ts";
import type { Verb } from "./verb.ts";

const FRONT = `A durable message queue that is nothing but a directory: no server, no daemon.

  $ dmesg | spool put logs --lines            each line becomes a message, safely on disk
  $ spool work jobs -j4 -- ./resize.sh {}     run a command for each message, four at once
  $ spool take jobs                           one message to stdout
  $ spool publish deploys -m 'web 1.4.2'      to every subscription: spool subscribe deploys/NAME
  $ spool status                              what is where
`;

const BACK = `
spool help VERB explains a verb, with examples.
Exit codes: 0 done, 64 usage, 65 bad data or lease lost, 66 not there, 69 no subscriber, 73 full,
74 I/O error, 75 nothing now, 77 not permitted, 78 bad settings.`;

export async function run(
  context: Context,
  words: readonly string[],
  verbs: Verbs,
): Promise<number> {
  const program = new Command("spool")
    .usage("VERB [options] [arguments]")
    .version(`dirspool ${context.version}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .configureHelp({ sortSubcommands: false });
  program.exitOverride();
  const asked = words[0] === "help" && words[1] !== undefined ? [words[1], "--help"] : [...words];
  const [verb = ""] = asked;
  const entry = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  let made: Verb | undefined;
  try {
    if (entry === undefined) return await withoutVerb(context, verb, verbs);
    const { default: create } = await entry[1]();
    made = create(context);
    const isSilent = made.refusal !== undefined;
    const command = made.toCommand({ Command, Option, Argument });
    command.helpOption("-h, --help", "print help");
    program.addCommand(command);
    for (const one of [program, command, ...command.commands]) {
      one
        .exitOverride()
        .showHelpAfterError(isSilent ? false : HINT)
        .configureOutput({
          outputError: (text, write) =>
            isSilent || write(text.replace(/^error: (.*)/, "spool: $1  [USAGE]")),
        });
    }
    await program.parseAsync(asked, { from: "user" });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version are not failures; commander has said the others already.
      if (error.exitCode === 0) return 0;
      if (made?.refusal === undefined) return EXIT_CODES.USAGE;
      await made.refusal(error.message.replace(/^error: /, ""));
      return context.exitCode;
    }
    return fail(context, error);
  }
}

const HINT = "(add --help for what there is)";

async function withoutVerb(context: Context, verb: string, verbs: Verbs): Promise<number> {
  if (verb === "-V" || verb === "--version") {
    await context.write(`dirspool ${context.version}\n`);
    return 0;
  }
  const width = Math.max(...Object.keys(verbs).map((name) => name.length));
  const list = Object.entries(verbs).map(
    ([name, [summary]]) => `  ${name.padEnd(width)}  ${summary}`,
  );
  const help = `${FRONT}\nVerbs:\n${list.join("\n")}\n${BACK}\n`;
  if (verb === "help" || verb === "-h" || verb === "--help") {
    await context.write(help);
    return 0;
  }
  if (verb === "") {
    context.tell(help);
    return EXIT_CODES.USAGE;
  }
  const near = Object.keys(verbs).find((name) => name.startsWith(verb.slice(0, 2)));
  const known = near === undefined ? "" : ` Did you mean ${near}?`;
  throw new SpoolError("USAGE", `no such verb: ${verb}`, `See: spool help.${known}`);
}
