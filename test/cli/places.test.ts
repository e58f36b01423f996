/**
 * Goal: a place that will not do (a file, somebody else's, full, read-only) is said in one line with
 * its exit code, and what was said to be safe is safe.
 *
 * Method: real ones: a process without rights, a tmpfs of one megabyte, a tmpfs remounted read-only.
 */
import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, NO_MOUNT, runs, SPOOL, test } from "../helpers/cli.ts";
import type { Cli, Ended } from "../helpers/cli.ts";

describe("a spool that is a file", () => {
  test("or lies below one: 66, and the file is as it was", async ({ cli }) => {
    const file = `${cli.dir}/file`;
    await writeFile(file, "precious");
    for (const dir of [file, `${file}/below`]) {
      for (const verb of [["put", "q", "-m", "x"], ["take", "q"], ["status"], ["gc"]]) {
        expectFailure(await cli.run(["-C", dir, ...verb]), 66, /not a directory/);
      }
    }
    expect(await readFile(file, "utf8")).toBe("precious");
  });
});

/** Runs `spool` as one who owns nothing here. */
function asNobody(cli: Cli, words: readonly string[], input?: string): Promise<Ended> {
  const drop = ["--reuid=65534", "--regid=65534", "--clear-groups", SPOOL, ...words];
  const options = input === undefined ? {} : { input };
  return cli.launch("setpriv", drop, options).read().ended;
}

describe("no permission", () => {
  const isRoot = process.getuid?.() === 0 && runs("setpriv", "--version");

  test("to write: 77 and nothing changes, but looking is allowed", async ({ cli, skip }) => {
    if (!isRoot) skip("it takes root and setpriv to be somebody else");
    await cli.ok(["put", "q", "-m", "ours"]);
    await chmod(cli.dir, 0o755);
    const before = await cli.tree();
    for (const words of [
      ["put", "q", "-m", "x"],
      ["put", "other", "-m", "x"],
      ["take", "q"],
      ["take", "q", "--lease", "1m"],
      ["consume", "q", "--until-empty"],
      ["work", "q", "--until-empty", "--", "true"],
      ["purge", "q", "-f"],
      ["queue", "set", "q", "lease=1m"],
      ["queue", "rm", "q", "-f"],
      ["bench"],
    ]) {
      const ended = await asNobody(cli, words);
      expectFailure(ended, 77, /permission denied.*\[NOT_PERMITTED\]/);
      expect(ended.stdout).toBe("");
    }
    const lines = await asNobody(cli, ["put", "q", "-l"], "a\nb\n");
    expect(lines.code).toBe(77);
    expect(lines.stderr).toMatch(/^spool: 0 messages are safe in q.*\nspool: .*\[NOT_PERMITTED\]/);
    expect(await cli.tree()).toEqual(before);
    expect((await asNobody(cli, ["peek", "q"])).stdout).toBe("ours\n");
    expect((await asNobody(cli, ["status", "--json"])).code).toBe(0);
    expect(await cli.ok(["take", "q"])).toBe("ours");
  });

  test("to look: 77", async ({ cli, skip }) => {
    if (!isRoot) skip("it takes root and setpriv to be somebody else");
    await cli.ok(["put", "q", "-m", "ours"]);
    await chmod(cli.dir, 0o755);
    await chmod(cli.spool, 0o700);
    for (const words of [["status"], ["take", "q"], ["put", "q", "-m", "x"], ["verify"]]) {
      expectFailure(await asNobody(cli, words), 77, /permission denied.*\[NOT_PERMITTED\]/);
    }
    await cli.expectStatus({ ready: 1 });
  });

  test("to make a spool: 77", async ({ cli, skip }) => {
    if (!isRoot) skip("it takes root and setpriv to be somebody else");
    await chmod(cli.dir, 0o755);
    expectFailure(await asNobody(cli, ["put", "q", "-m", "x"]), 77, /\[NOT_PERMITTED\]/);
    expect(await readdir(cli.dir)).not.toContain("spool");
  });
});

describe("a full disk", () => {
  test("refuses what does not fit with 73, whole; what was accepted is delivered", async ({
    cli,
    mount,
    skip,
  }) => {
    const at = (await mount("size=1m")) ?? skip(NO_MOUNT);
    const on = ["-C", `${at}/spool`];
    await cli.ok([...on, "queue", "create", "q"]);
    // Too large at once, from a stream and from a buffer.
    for (const bytes of [3_000_000, 1_200_000]) {
      const ended = await cli.run([...on, "put", "q"], { input: Buffer.alloc(bytes) });
      expectFailure(ended, 73, /the disk is full.*\[DISK_FULL\]/);
      expect(ended.stdout).toBe("");
      expect(await readdir(`${at}/spool/queues/q/tmp`)).toEqual([]);
    }
    const accepted: string[] = [];
    for (;;) {
      const body = `${accepted.length}:`.padEnd(90_000, "x");
      const ended = await cli.run([...on, "put", "q"], { input: body });
      if (ended.code === 0) accepted.push(body);
      else {
        expectFailure(ended, 73, /the disk is full/);
        break;
      }
    }
    expect(accepted.length).toBeGreaterThan(5);
    expect(await readdir(`${at}/spool/queues/q/tmp`)).toEqual([]);
    const found = JSON.parse(await cli.ok([...on, "verify", "--json"])) as object;
    expect(found).toEqual({
      messages: accepted.length,
      bytes: accepted.join("").length,
      findings: [],
    });
    // Taking needs no space; and it makes some.
    expect(await cli.ok([...on, "take", "q"])).toBe(accepted[0]);
    await cli.ok([...on, "put", "q"], { input: accepted[0]! });
    expect(await cli.ok([...on, "consume", "q", "--until-empty"])).toBe(
      [...accepted.slice(1), accepted[0]].map((body) => `${body}\n`).join(""),
    );
  });

  test("in the middle of put --lines: 73, and the lines said to be safe are there", async ({
    cli,
    mount,
    skip,
  }) => {
    const at = (await mount("size=1m")) ?? skip(NO_MOUNT);
    const on = ["-C", `${at}/spool`];
    const lines = Array.from({ length: 30_000 }, (_, index) => `line ${index}`.padEnd(99, "."));
    for (const [queue, batch] of [
      ["small", "500"],
      ["large", "10000"],
    ] as const) {
      const put = ["put", queue, "--lines", "--batch", batch];
      const ended = await cli.run([...on, ...put], { input: `${lines.join("\n")}\n` });
      expect(ended.code).toBe(73);
      expect(ended.stderr).toMatch(/the disk is full.*\[DISK_FULL\]/);
      const safe = Number(/(\d+) messages? are safe in/.exec(ended.stderr)?.[1]);
      if (queue === "small") expect(safe).toBeGreaterThan(4000);
      const there = linesOf(await cli.ok([...on, "consume", queue, "--until-empty"]));
      expect(there).toEqual(lines.slice(0, safe));
      expect(await readdir(`${at}/spool/queues/${queue}/tmp`)).toEqual([]);
    }
  });

  test("without an inode left: 73 or served, never lost", async ({ cli, mount, skip }) => {
    const at = (await mount("size=4m,nr_inodes=60")) ?? skip(NO_MOUNT);
    const on = ["-C", `${at}/spool`];
    const ballast = [1, 2, 3, 4].map((index) => `${at}/ballast${index}`);
    for (const name of ballast) await writeFile(name, "");
    let accepted = 0;
    for (;;) {
      const ended = await cli.run([...on, "put", "q", "-m", String(accepted)]);
      if (ended.code !== 0) {
        expectFailure(ended, 73, /the disk is full/);
        break;
      }
      accepted++;
    }
    expect(accepted).toBeGreaterThan(10);
    // A claim needs a lease, which is two directories, and the disk's clock a file.
    expectFailure(await cli.run([...on, "take", "q"]), 73, /the disk is full/);
    const status = JSON.parse(await cli.ok([...on, "status", "--json"])) as object;
    expect(status).toMatchObject({ queues: [{ ready: accepted, in_flight: 0 }] });
    expect(await cli.ok([...on, "peek", "q"])).toBe("0\n");
    for (const name of ballast) await rm(name);
    const there = linesOf(await cli.ok([...on, "consume", "q", "--until-empty"]));
    expect(there).toEqual(Array.from({ length: accepted }, (_, index) => String(index)));
  });
});

describe("a read-only disk", () => {
  test("77 for what would change it, and looking is allowed", async ({ cli, mount, skip }) => {
    const at = (await mount("size=1m")) ?? skip(NO_MOUNT);
    const on = ["-C", `${at}/spool`];
    await cli.ok([...on, "put", "q", "-m", "kept"]);
    const [claimed] = linesOf(await cli.ok([...on, "take", "q", "--lease", "1h"]));
    await cli.ok([...on, "put", "q", "-m", "ready"]);
    expect(runs("mount", "-o", "remount,ro", at)).toBe(true);
    const { receipt } = JSON.parse(claimed!) as { receipt: string };
    for (const words of [
      ["put", "q", "-m", "x"],
      ["put", "new", "-m", "x"],
      ["take", "q"],
      ["consume", "q", "--until-empty"],
      ["ack", receipt],
      ["gc"],
      ["purge", "q", "-f"],
      ["queue", "set", "q", "lease=1m"],
    ]) {
      const ended = await cli.run([...on, ...words]);
      expectFailure(ended, 77, /read-only.*\[NOT_PERMITTED\]/);
      expect(ended.stdout).toBe("");
    }
    const status = JSON.parse(await cli.ok([...on, "status", "--json"])) as object;
    expect(status).toMatchObject({ queues: [{ ready: 1, in_flight: 1 }] });
    expect(await cli.ok([...on, "peek", "q"])).toBe("ready\n");
    await cli.ok([...on, "verify"]);
    expect(runs("mount", "-o", "remount,rw", at)).toBe(true);
    await cli.ok([...on, "ack", receipt]);
    expect(await cli.ok([...on, "take", "q"])).toBe("ready");
  });
});
