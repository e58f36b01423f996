/**
 * Goal: whatever is wrong with the program that spawns, each command is run, once, and ends as it does without.
 *
 * Method: a CommandRunner over real messages, with something else in the place of a Python.
 */
import { chmod, readFile, readdir, writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import type { Outcome } from "../../src/cli/command.ts";
import { CommandRunner } from "../../src/cli/run-command.ts";
import { PYTHON } from "../../src/cli/spawner-script.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { linesIn, runs } from "../helpers/cli.ts";
import { test } from "../helpers/fixtures.ts";
import { bytesOf } from "../helpers/model-jobs.ts";

const LINES = Array.from({ length: 40 }, (_, index) => String(index));

const isThere = PYTHON !== undefined && runs(PYTHON, "-c", "import os; os.posix_spawnp");

/** Runs `script` for each of forty lines; returns how they ended. */
async function runAll(
  queue: Queue,
  dir: string,
  script: string,
  python: string | undefined,
): Promise<Outcome[]> {
  const runner = new CommandRunner({
    argv: ["sh", "-c", `cd "${dir}" || exit; ${script}`],
    env: { PATH: process.env["PATH"] },
    timeoutMs: undefined,
    jobs: 1,
    isOnce: false,
    python,
    draft: () => queue.room.draft("payload-"),
    onStderr: () => {},
    onAsked: () => {},
    onKilled: () => expect.unreachable("nobody has killed a spawner"),
  });
  await queue.putMany().run(bytesOf(LINES.join("\n")));
  const outcomes: Outcome[] = [];
  await queue.work(async (message) => void outcomes.push(await runner.run(message)), {
    untilEmpty: true,
  });
  runner.close();
  return outcomes;
}

const SCRIPT = 'read -r l; echo "$l" >>ran; echo "e$l" >&2; exit $((l % 3))';

async function expectAllRun(dir: string, queue: Queue, outcomes: Outcome[]): Promise<void> {
  expect(await linesIn(`${dir}/ran`)).toEqual(LINES);
  expect(outcomes).toEqual(
    LINES.map((line) => ({
      code: Number(line) % 3,
      signal: null,
      hasTimedOut: false,
      stderr: `e${line}\n`,
    })),
  );
  expect(await readdir(queue.room.layout.tmp)).toEqual([]);
}

describe("each command runs once", () => {
  test("where there is to be no spawner", async ({ queue, dir }) => {
    await expectAllRun(dir, queue, await runAll(queue, dir, SCRIPT, undefined));
  });

  test.skipIf(!isThere)("where there is one", async ({ queue, dir }) => {
    await expectAllRun(dir, queue, await runAll(queue, dir, SCRIPT, PYTHON));
  });

  for (const [what, program] of [
    ["is not there", undefined],
    ["is no program", "not a program"],
    ["ends at once, and well", "#!/bin/sh\nexit 0\n"],
    ["ends at once, with an error", "#!/bin/sh\nexit 1\n"],
    ["never answers", "#!/bin/sh\nexec sleep 60\n"],
    ["can run nothing", `#!/bin/sh\nPATH=/nowhere exec ${PYTHON ?? "false"} "$@"\n`],
  ] as const) {
    test(`where its program ${what}`, async ({ queue, dir }) => {
      const python = `${dir}/python`;
      if (program !== undefined) {
        await writeFile(python, program);
        await chmod(python, 0o755);
      }
      await expectAllRun(dir, queue, await runAll(queue, dir, SCRIPT, python));
    });
  }
});

test("the payload of the next one is there before its turn, and gone when all have ended", async ({
  queue,
  dir,
}) => {
  const tmp = queue.room.layout.tmp;
  const script = `ls "${tmp}" | grep -c payload >>there; true`;
  await runAll(queue, dir, script, undefined);
  const there = (await readFile(`${dir}/there`, "utf8")).trim().split("\n").map(Number);
  expect(there).toHaveLength(LINES.length);
  // Its own, that of the one behind it, and perhaps the one before's.
  expect(Math.max(...there)).toBeGreaterThan(1);
  expect(Math.max(...there)).toBeLessThanOrEqual(3);
  expect(await readdir(tmp)).toEqual([]);
});
