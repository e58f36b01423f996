/** spool doctor — see whether this disk is fit for a spool. */
import type { Verb } from "../verb.ts";

import { examine } from "../../disk/probe.ts";
import type { Check } from "../../disk/probe.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { plain, table } from "../format.ts";
import { command, examples } from "../options.ts";

export default function doctorCommand(context: Context): Verb {
  return command("doctor", "see whether this disk is fit for a spool")
    .description(
      "Try on this very disk what a spool relies on: exclusive names, rename, hard links, fsync and its " +
        "time, events, the clock, the space that is left. Exit 1 means that something will not do.",
    )
    .after(examples("spool doctor", "spool doctor -C /mnt/shared/spool --json"))
    .action((options: GlobalOptions) => doctor(context, options));
}

async function doctor(context: Context, options: GlobalOptions): Promise<void> {
  const checks: Check[] = [{ name: "node", verdict: "ok", detail: process.version }];
  for await (const check of examine(context.dirOf(options))) checks.push(check);
  await print(context, checks, options);
  if (checks.some(({ verdict }) => verdict === "fail")) context.exitCode = 1;
}

async function print(
  context: Context,
  checks: readonly Check[],
  options: GlobalOptions,
): Promise<void> {
  const output = context.outputOf(options);
  if (output === "json") {
    await context.write(`${JSON.stringify({ checks })}\n`);
    return;
  }
  const rows = checks.map(({ name, verdict, detail }) => [name, verdict, detail]);
  if (output === "plain") {
    await context.write(plain(["CHECK", "VERDICT", "DETAIL"], rows));
    return;
  }
  const [head = "", ...lines] = table(
    ["CHECK", "", ""],
    rows.map(([name, verdict]) => [name!, verdict!, ""]),
  ).split("\n");
  await context.write(`${head.trimEnd()}\n`);
  for (const [index, line] of lines.entries()) {
    if (line !== "") await context.write(`${line}  ${rows[index]![2]}\n`);
  }
}
