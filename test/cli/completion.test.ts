/**
 * Goal: completion works in a real shell: verbs, options, verbs of nouns, and the names of queues.
 *
 * Method: bash loads the script and completes; zsh and fish, where they are there, read theirs.
 */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";

import { expect } from "vitest";

import { linesOf, test } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";

/** What bash offers for the last of these words, through the function that `complete` names. */
async function complete(cli: Cli, ...words: readonly string[]): Promise<string[]> {
  const script = `
    set -eu
    eval "$(spool completion bash)"
    spec=$(complete -p spool); [ "$spec" = "complete -F _spool spool" ]
    COMP_WORDS=(spool "$@"); COMP_CWORD=$#
    _spool spool "\${@: -1}" "" || true
    printf '%s\\n' "\${COMPREPLY[@]+"\${COMPREPLY[@]}"}"`;
  const ended = await cli.launch("bash", ["-c", script, "bash", ...words]).read().ended;
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return linesOf(ended.stdout);
}

test("bash: the script is sound", async ({ cli }) => {
  await writeFile(`${cli.dir}/spool.bash`, await cli.ok(["completion", "bash"]));
  expect(await cli.sh("bash -n spool.bash")).toMatchObject({ code: 0, stderr: "" });
});

test("bash: completes verbs, nouns, options and the names of queues", async ({ cli }) => {
  for (const queue of ["jobs", "jobs-slow", "mail"]) await cli.ok(["queue", "create", queue]);
  expect(await complete(cli, "")).toEqual(
    expect.arrayContaining(["put", "take", "work", "status", "dlq", "help"]),
  );
  expect(await complete(cli, "pu")).toEqual(["put", "publish", "purge"]);
  expect(await complete(cli, "take", "")).toEqual(["jobs", "jobs-slow", "mail"]);
  expect(await complete(cli, "take", "jo")).toEqual(["jobs", "jobs-slow"]);
  expect(await complete(cli, "work", "ma")).toEqual(["mail"]);
  expect(await complete(cli, "dlq", "re")).toEqual(["redrive"]);
  expect(await complete(cli, "dlq", "ls", "m")).toEqual(["mail"]);
  expect(await complete(cli, "queue", "")).toEqual(["ls", "create", "set", "show", "rm"]);
  expect(await complete(cli, "take", "--w")).toEqual(["--wait"]);
  expect(await complete(cli, "work", "--until")).toEqual(["--until-empty"]);
  expect(await complete(cli, "completion", "")).toEqual(["bash", "zsh", "fish"]);
  expect(await complete(cli, "help", "ta")).toEqual(["take"]);
});

test("bash: completes topics, their verbs and their subscriptions", async ({ cli }) => {
  for (const name of ["logs/archive", "logs/alerts", "mail/x"]) await cli.ok(["subscribe", name]);
  await cli.ok(["queue", "create", "jobs"]);
  expect(await complete(cli, "pub")).toEqual(["publish"]);
  expect(await complete(cli, "un")).toEqual(["unsubscribe"]);
  expect(await complete(cli, "sub")).toEqual(["subscribe"]);
  expect(await complete(cli, "rep")).toEqual(["replay"]);
  expect(await complete(cli, "topic", "")).toEqual(["ls", "create", "set", "show", "rm"]);
  expect(await complete(cli, "topic", "show", "l")).toEqual(
    expect.arrayContaining(["logs", "logs/alerts", "logs/archive"]),
  );
  expect(await complete(cli, "publish", "lo")).toEqual(expect.arrayContaining(["logs"]));
  expect(await complete(cli, "take", "logs/a")).toEqual(["logs/alerts", "logs/archive"]);
  expect(await complete(cli, "unsubscribe", "m")).toEqual(expect.arrayContaining(["mail/x"]));
  expect(await complete(cli, "publish", "--req")).toEqual(["--require-subscriber"]);
  expect(await complete(cli, "subscribe", "--f")).toEqual(["--from", "--filter"]);
  expect(await complete(cli, "replay", "--")).toEqual(
    expect.arrayContaining(["--since", "--until", "--dry-run"]),
  );
  expect(await complete(cli, "help", "topi")).toEqual(["topic"]);
});

test("bash: falls back to files, and without a spool is quiet", async ({ cli }) => {
  await writeFile(`${cli.dir}/picture.png`, "");
  expect(await complete(cli, "put", "jobs", "pict")).toEqual(["picture.png"]);
  expect(await complete(cli, "take", "zzz")).toEqual([]);
});

for (const [shell, args] of [
  ["zsh", ["-n"]],
  ["fish", ["--no-execute"]],
] as const) {
  test(`${shell}: the script is sound`, async ({ cli, skip }) => {
    const script = await cli.ok(["completion", shell]);
    expect(script).toContain("spool __queues");
    for (const verb of ["publish", "subscribe", "unsubscribe", "replay", "topic"]) {
      expect(script).toMatch(new RegExp(`\\b${verb}\\b`));
    }
    expect(script).toContain("require-subscriber");
    if (spawnSync(shell, ["--version"]).status !== 0) skip(`${shell} is not installed`);
    await writeFile(`${cli.dir}/script`, script);
    const { code, stderr } = await cli.launch(shell, [...args, "script"]).read().ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
}
