/**
 * Goal: an error of the system ends the real command with one clear line and the right exit code;
 * nothing is lost or half there, and the next command works.
 *
 * Method: strace lets one system call of the real `spool` fail. And a disk that is really full, where
 * one may be mounted.
 */
import { describe, expect } from "vitest";

import { expectFailure, NO_MOUNT, SPOOL, test } from "../helpers/cli.ts";
import type { Cli, Ended } from "../helpers/cli.ts";
import { whyNot } from "../processes/strace-kill.ts";

const reason = whyNot();

/** Runs `spool ARGS`; the main thread's n-th call of this name fails. */
function failing(cli: Cli, call: string, error: string, args: readonly string[], nth = 1) {
  const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:error=${error}:when=${nth}`];
  const argv = ["-f", "-qq", "-o", "/dev/null", ...inject, SPOOL, ...args];
  return cli.launch("strace", argv).read().ended;
}

const PUTS = [
  ["fsync", "EIO", 74],
  ["fsync", "ENOSPC", 73],
  ["fsync", "EDQUOT", 73],
  ["fsync", "ESTALE", 74],
  ["pwrite64", "ENOSPC", 73],
  ["pwrite64", "EDQUOT", 73],
  ["pwrite64", "EIO", 74],
  ["rename", "EACCES", 77],
  ["rename", "EROFS", 77],
  ["rename", "EDQUOT", 73],
] as const;

const TAKES = [
  ["rename", "EIO", 74],
  ["rename", "EDQUOT", 73],
  ["unlink", "EIO", 74],
  ["unlink", "EROFS", 77],
  ["mkdir", "ENOSPC", 73],
  ["mkdir", "EACCES", 77],
] as const;

/** What can be taken from q, in order. */
async function takeAll(cli: Cli, queue = "q"): Promise<string[]> {
  const { stdout } = await cli.run(["consume", queue, "--until-empty"]);
  return stdout.split("\n").filter((line) => line !== "");
}

const isSaid = (ended: Ended, code: number): void =>
  expectFailure(ended, code, /^spool: .* \[[A-Z_]+\]$/m);

describe.skipIf(reason !== undefined)(`a command whose call fails ${reason ?? ""}`, () => {
  test.for(PUTS)("put: %s, %s: exit %i, and nothing of it is there", async (one, { cli }) => {
    const [call, error, code] = one;
    await cli.ok(["put", "q", "-m", "before"]);
    isSaid(await failing(cli, call, error, ["put", "q", "-m", "failed"]), code);
    await cli.expectStatus({ ready: 1 });
    await cli.ok(["put", "q", "-m", "after"]);
    expect(await takeAll(cli)).toEqual(["before", "after"]);
    await cli.ok(["gc"]);
    expect(await cli.ok(["verify"])).not.toContain("tmp/");
  });

  test.for(TAKES)("take: %s, %s: exit %i, and it is there again", async (one, { cli }) => {
    const [call, error, code] = one;
    await cli.ok(["put", "q", "-m", "one"]);
    await cli.ok(["put", "q", "-m", "two"]);
    // The clock is read by a file that is made and removed.
    const nth = call === "unlink" ? 2 : 1;
    isSaid(await failing(cli, call, error, ["take", "q"], nth), code);
    expect((await takeAll(cli)).toSorted()).toEqual(["one", "two"]);
  });

  test("publish: fsync, EIO: exit 74, and nobody has it", async ({ cli }) => {
    await cli.ok(["subscribe", "t/a"]);
    await cli.ok(["subscribe", "t/b"]);
    isSaid(await failing(cli, "fsync", "EIO", ["publish", "t", "-m", "failed"]), 74);
    await cli.ok(["publish", "t", "-m", "after"]);
    expect(await takeAll(cli, "t/a")).toEqual(["after"]);
    expect(await takeAll(cli, "t/b")).toEqual(["after"]);
  });
});

describe("a disk that is full", () => {
  test("refuses, still delivers, and goes on when there is room", async ({ cli, mount, skip }) => {
    const at = (await mount("size=1m")) ?? skip(NO_MOUNT);
    const env = { SPOOL_DIR: `${at}/spool` };
    await cli.ok(["put", "q", "-m", "before"], { env });
    const half = Buffer.alloc(400_000, "x");
    await cli.ok(["put", "other"], { env, input: half });
    isSaid(await cli.run(["put", "q"], { env, input: Buffer.alloc(900_000, "y") }), 73);
    const lines = Buffer.from("z".repeat(99).concat("\n").repeat(9000));
    const put = await cli.run(["put", "q", "--lines", "--batch", "100"], { env, input: lines });
    expect(put.code, put.stderr).toBe(73);
    const [, safe = ""] = /(\d+) messages are safe/.exec(put.stderr) ?? [];
    expect(await cli.ok(["take", "q"], { env })).toBe("before");
    await cli.ok(["purge", "other", "-f"], { env });
    await cli.ok(["put", "q", "-m", "after"], { env });
    const taken = await cli.ok(["consume", "q", "--until-empty"], { env });
    const got = taken.split("\n").filter((line) => line !== "");
    expect(got.filter((line) => line.startsWith("z")).length).toBe(Number(safe));
    expect(got.at(-1)).toBe("after");
  });
});
