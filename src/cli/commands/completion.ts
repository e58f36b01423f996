/**
 * spool completion — print a completion script for a shell.
 *
 * The scripts know the verbs; for names of queues they call `spool __queues`, which lists directories and
 * loads nothing else.
 */
import type { Verb } from "../verb.ts";

import type { Context } from "../context.ts";
import { VERBS } from "../main.ts";
import { command, examples } from "../options.ts";

const SUBVERBS: Readonly<Record<string, string>> = {
  queue: "ls create set show rm",
  topic: "ls create set show rm",
  dlq: "ls show redrive drop",
  completion: "bash zsh fish",
};

export default function completionCommand(context: Context): Verb {
  return command("completion", "print a completion script for a shell")
    .argument("<shell>", "which shell", ["bash", "zsh", "fish"])
    .after(
      examples(
        'eval "$(spool completion bash)"      # in ~/.bashrc',
        'eval "$(spool completion zsh)"       # in ~/.zshrc, after compinit',
        "spool completion fish > ~/.config/fish/completions/spool.fish",
      ),
    )
    .action(async (shell: "bash" | "zsh" | "fish") => {
      const options = await optionsOfVerbs(context);
      await context.write(SCRIPTS[shell](options));
    });
}

/** The names of all queues, topics and subscriptions, one a line: no commander, no reading of files. */
export async function printQueueNames(context: Context): Promise<number> {
  try {
    const spool = await context.open({});
    const names = [
      ...(await spool.queueNames()),
      ...(await spool.topicNames()),
      ...(await spool.subscriptionNames()),
    ];
    await context.write(names.map((name) => `${name}\n`).join(""));
  } catch {
    // A completion that fails shows nothing.
  }
  return 0;
}

/** Every verb's long options, from the commands themselves. */
async function optionsOfVerbs(context: Context): Promise<Map<string, string>> {
  const options = new Map<string, string>();
  for (const [verb, [, load]] of Object.entries(VERBS)) {
    const { default: create } = await load();
    const made = create(context);
    const flags = [made, ...made.commands].flatMap((one) => one.flags);
    options.set(verb, [...new Set(flags), "--help"].join(" "));
  }
  return options;
}

const SCRIPTS = {
  bash: (options: Map<string, string>): string => `# bash completion for spool
_spool() {
  local cur=\${COMP_WORDS[COMP_CWORD]} verb=\${COMP_WORDS[1]}
  local words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${[...options.keys()].join(" ")} help"
  elif [ "\${cur#-}" != "$cur" ]; then
    case $verb in
${cases(options, "      ", (verb, flags) => `${verb}) words="${flags}" ;;`)}
    esac
  else
    case $verb:$COMP_CWORD in
${Object.entries(SUBVERBS)
  .map(([verb, words]) => `      ${verb}:2) words="${words}" ;;`)
  .join("\n")}
      help:2) words="${[...options.keys()].join(" ")}" ;;
      *) words=$(command spool __queues 2>/dev/null) ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [ "\${#COMPREPLY[@]}" -eq 0 ]; then COMPREPLY=($(compgen -f -- "$cur")); fi
}
complete -F _spool spool
`,
  zsh: (options: Map<string, string>): string =>
    `#compdef spool
_spool() {
  local -a words
  local verb=$words[2]
  if (( CURRENT == 2 )); then
    compadd -- ${[...options.keys()].join(" ")} help
  elif [[ $PREFIX == -* ]]; then
    case $words[2] in
${cases(options, "      ", (verb, flags) => `${verb}) compadd -- ${flags} ;;`)}
    esac
  else
    case $words[2]:$CURRENT in
${Object.entries(SUBVERBS)
  .map(([verb, words]) => `      ${verb}:3) compadd -- ${words} ;;`)
  .join("\n")}
      help:3) compadd -- ${[...options.keys()].join(" ")} ;;
      *) compadd -- \${(f)"$(command spool __queues 2>/dev/null)"} || _files ;;
    esac
  fi
}
compdef _spool spool
`.replace("  local -a words\n  local verb=$words[2]\n", ""),
  fish: (options: Map<string, string>): string =>
    [
      "# fish completion for spool",
      "function __spool_queues; command spool __queues 2>/dev/null; end",
      ...Object.entries(VERBS).map(
        ([verb, [summary]]) =>
          `complete -c spool -n __fish_use_subcommand -f -a ${verb} -d '${summary}'`,
      ),
      ...[...options].flatMap(([verb, flags]) =>
        flags.split(" ").map((flag) => {
          const name = flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
          return `complete -c spool -n '__fish_seen_subcommand_from ${verb}' ${name}`;
        }),
      ),
      ...Object.entries(SUBVERBS).map(
        ([verb, words]) =>
          `complete -c spool -n '__fish_seen_subcommand_from ${verb}' -f -a '${words}'`,
      ),
      "complete -c spool -n 'not __fish_use_subcommand' -a '(__spool_queues)'",
      "",
    ].join("\n"),
};

function cases(
  options: Map<string, string>,
  indent: string,
  line: (verb: string, flags: string) => string,
): string {
  return [...options].map(([verb, flags]) => indent + line(verb, flags)).join("\n");
}
