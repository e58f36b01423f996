/** spool doctor — see whether this disk is fit for a spool. */
import { dirname } from "node:path";

import type { Command } from "commander";

import { NodeFileSystem } from "../../disk/node-file-system.ts";
import { ignore } from "../../disk/durable.ts";
import { probe } from "../../disk/probe.ts";
import type { Check } from "../../disk/probe.ts";
import { HostProcesses, UNKNOWN_PROCESS } from "../../disk/processes.ts";
import { isErrno } from "../../errors.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { plain, table } from "../format.ts";
import { command, examples } from "../options.ts";

export default function doctorCommand(context: Context): Command {
  return command("doctor", "see whether this disk is fit for a spool")
    .description(
      "Try on this very disk what a spool relies on: exclusive names, rename, hard links, fsync and its\n" +
        "time, events, the clock, the space that is left. Exit 1 means that something will not do.",
    )
    .addHelpText("after", examples("spool doctor", "spool doctor -C /mnt/shared/spool --json"))
    .action((options: GlobalOptions) => doctor(context, options));
}

async function doctor(context: Context, options: GlobalOptions): Promise<void> {
  const fs = new NodeFileSystem({ blocking: true });
  const dir = await nearest(fs, context.dirOf(options));
  const checks: Check[] = [];
  checks.push({ name: "directory", verdict: "ok", detail: dir });
  checks.push({ name: "node", verdict: "ok", detail: process.version });
  const isKnown = new HostProcesses().self !== UNKNOWN_PROCESS;
  checks.push({
    name: "processes",
    verdict: isKnown ? "ok" : "warn",
    detail: isKnown
      ? "a dead consumer of this host is noticed at once"
      : "no /proc: a dead consumer is noticed when its lease runs out",
  });
  for await (const check of probe(fs, `${dir}/.doctor-${process.pid}`)) checks.push(check);
  await print(context, checks, options);
  if (checks.some(({ verdict }) => verdict === "fail")) context.exitCode = 1;
}

/** The spool's directory, or where it would be made: the nearest parent that is there. */
async function nearest(fs: NodeFileSystem, dir: string): Promise<string> {
  for (let at = dir; ; at = dirname(at)) {
    try {
      if (await ignore(() => fs.lstat(at), "ENOENT")) return at;
    } catch (error) {
      if (!isErrno(error, "ENOTDIR")) throw error;
    }
    if (dirname(at) === at) return at;
  }
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
