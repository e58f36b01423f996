/**
 * Goal: what was once broken at the command line stays mended.
 *
 * Method: for each defect the shortest way to it, with the built program.
 */
import { chmod, readdir, readFile, truncate, writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, NO_MOUNT, test } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";

describe.concurrent("a reader that closes the pipe within a payload", () => {
  for (const how of ["", "-0", "--json"]) {
    test(`consume ${how}: it acks nothing, and the message is still ready`, async ({ cli }) => {
      const put = await cli.sh("yes text | head -c 1000000 | spool put q");
      expect(put).toMatchObject({ code: 0, stderr: "" });
      const ended = await cli.sh(`spool consume q --until-empty ${how} | head -c 10`);
      expect(ended.out).toHaveLength(10);
      await cli.expectStatus({ ready: 1 });
      const there = await cli.run(["take", "q"]);
      expect(there.out.equals(Buffer.from("text\n".repeat(200_000)))).toBe(true);
    });
  }
});

describe("a disk without room for the payload of a command", () => {
  test("work: it ends with 73, and counts no attempt", async ({ cli, mount, skip }) => {
    const at = (await mount("size=2m")) ?? skip(NO_MOUNT);
    const on = ["-C", `${at}/spool`];
    for (const letter of ["a", "b"]) {
      await cli.ok([...on, "put", "q"], { input: letter.repeat(800_000) });
    }
    const worked = await cli.run([...on, "work", "q", "--until-empty", "--", "cat"]);
    expectFailure(worked, 73, /the disk is full.*\[DISK_FULL\]/);
    expect(worked.stdout).toBe("");
    const status = JSON.parse(await cli.ok([...on, "status", "--json"])) as object;
    expect(status).toMatchObject({ queues: [{ ready: 2, in_flight: 0, dead: 0 }] });
    const peeked = linesOf(await cli.ok([...on, "peek", "q", "-n", "9", "--json"]));
    const attempts = peeked.map((line) => (JSON.parse(line) as { attempts: number }).attempts);
    expect(attempts).toEqual([0, 0]);
    expect(await readdir(`${at}/spool/queues/q/tmp`)).toEqual([]);
  });
});

const damages: readonly [what: string, act: (bytes: Buffer) => Buffer][] = [
  ["a flipped bit in the body", (bytes) => flip(bytes, bytes.length - 2)],
  ["a flipped bit in the header", (bytes) => flip(bytes, 5)],
  ["half of it", (bytes) => bytes.subarray(0, bytes.length / 2)],
  ["nothing of it", () => Buffer.alloc(0)],
];

function flip(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 1;
  return bytes;
}

/** A batch of three lines, damaged. */
async function damaged(cli: Cli, act: (bytes: Buffer) => Buffer): Promise<void> {
  await cli.ok(["put", "q", "--lines"], { input: "a\nb\nc\n" });
  const path = (await cli.slices("ready")).find((one) => one.includes("-n3-"));
  await chmod(path!, 0o644);
  const bytes = act(await readFile(path!));
  await truncate(path!, 0);
  await writeFile(path!, bytes);
}

describe.concurrent("a part of a damaged batch", () => {
  for (const [what, act] of damages) {
    for (const words of [
      ["purge", "q", "--max", "1", "-f"],
      ["move", "q", "r", "--max", "1"],
    ]) {
      test(`${what}, ${words[0]}: it is no bug of ours`, async ({ cli }) => {
        await damaged(cli, act);
        const ended = await cli.run(words);
        expect(ended.signal).toBeNull();
        expect(ended.code).not.toBe(70);
        expect(ended.stderr).not.toMatch(/^\s+at /m);
        expect(ended.stderr).not.toMatch(/INTERNAL|bug/i);
        // Others are not in its way.
        await cli.ok(["put", "q", "-m", "next"]);
        expect(await cli.ok(["consume", "q", "--until-empty"])).toBe("next\n");
        expect(await cli.slices("leases")).toEqual([]);
      });
    }
  }
});

describe.concurrent("what is printed", () => {
  test("dlq ls -o plain, a reason of two lines: it keeps one line a letter", async ({ cli }) => {
    for (const reason of ["a\nb", "c\td\re"]) {
      await cli.ok(["put", "q", "-m", "x"]);
      const [taken] = linesOf(await cli.ok(["take", "q", "--lease", "1h"]));
      const { receipt } = JSON.parse(taken!) as { receipt: string };
      await cli.ok(["reject", "--reason", reason, receipt]);
    }
    const said = await cli.ok(["dlq", "ls", "q", "-o", "plain"]);
    const letters = linesOf(said).filter((line) => !line.startsWith("ID"));
    expect(letters).toHaveLength(2);
    for (const line of letters) expect(line.split("\t")).toHaveLength(5);
    expect(said).not.toContain("\r");
  });

  test("status --watch with a queue for a time: it says so in one line", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    expectFailure(await cli.run(["status", "--watch", "q"]), 64, /^spool: .*"?q"?/m);
  });
});
