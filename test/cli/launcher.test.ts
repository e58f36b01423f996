/**
 * Goal: `spool` starts from wherever and however it is called, with the Node that it needs, or says in
 * one line what it lacks.
 *
 * Method: bin/spool by path, by links, through npm, on a PATH with an old Node, with none.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

import { describe, expect } from "vitest";

import { expectFailure, ROOT, SPOOL, test } from "../helpers/cli.ts";
import type { Cli, Ended } from "../helpers/cli.ts";

const VERSION = /^dirspool \d+\.\d+\.\d+/;

/** The Node that Linux distributions have, which is too old for us; undefined where there is none. */
const OLD_NODE = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => {
  const { stdout } = spawnSync(path, ["-p", "process.versions.node"], { encoding: "utf8" });
  return Number.parseInt(stdout ?? "99", 10) < 24;
});

/** Whether V8 refuses the code that is kept for it. */
const IS_REFUSED = `
  const { readFileSync } = require("node:fs");
  const source = readFileSync(process.env.DIST + "/core.cjs");
  const kept = readFileSync(process.env.DIST + "/core.cache");
  const cachedData = kept.subarray(0, (kept.length - source.length) / 2);
  new (require("node:vm").Script)(source.toString("latin1"), { cachedData }).cachedDataRejected`;

describe("called", () => {
  test("by its absolute path, from any directory", async ({ cli }) => {
    for (const cwd of ["/", cli.dir, ROOT, dirname(SPOOL)]) {
      expect(await cli.ok(["-V"], { cwd })).toMatch(VERSION);
    }
  });

  test("by a relative path", async ({ cli }) => {
    for (const [cwd, path] of [
      [ROOT, "bin/spool"],
      [ROOT, "./bin/../bin/spool"],
      [dirname(SPOOL), "./spool"],
      [`${ROOT}/src/cli`, "../../bin/spool"],
    ] as const) {
      const ended = await cli.sh(`${path} -V`, { cwd });
      expect(ended).toMatchObject({ code: 0, stdout: expect.stringMatching(VERSION) as string });
    }
  });

  test("through links: absolute, relative, chained, and on the PATH", async ({ cli }) => {
    await mkdir(`${cli.dir}/a/b`, { recursive: true });
    await symlink(SPOOL, `${cli.dir}/a/absolute`);
    await symlink("../absolute", `${cli.dir}/a/b/relative`);
    await symlink("a/b/relative", `${cli.dir}/chained`);
    await symlink(ROOT, `${cli.dir}/a/checkout`);
    await symlink("checkout/bin/spool", `${cli.dir}/a/through`);
    for (const path of ["a/absolute", "a/b/relative", "chained", "a/through"]) {
      for (const [cwd, word] of [
        ["/", `${cli.dir}/${path}`],
        [cli.dir, `./${path}`],
        [dirname(`${cli.dir}/${path}`), `./${path.slice(path.lastIndexOf("/") + 1)}`],
      ] as const) {
        const ended = await cli.sh(`'${word}' -V`, { cwd });
        expect([word, ended.code, ended.stderr]).toEqual([word, 0, ""]);
        expect(ended.stdout).toMatch(VERSION);
      }
    }
    const onPath = { cwd: "/", env: { PATH: `${cli.dir}/a/b:/usr/bin:/bin` } };
    expect(await cli.sh("relative -V", onPath)).toMatchObject({ code: 0 });
    // An empty entry of the PATH is the directory one is in; $0 has no slash then in some shells.
    const here = { cwd: `${cli.dir}/a/b`, env: { PATH: ":/usr/bin:/bin" } };
    expect(await cli.sh("relative -V", here)).toMatchObject({ code: 0, stderr: "" });
    expect(await cli.sh("/bin/sh relative -V", here)).toMatchObject({ code: 0, stderr: "" });
  });

  test("by npm exec and npx in the checkout", async ({ cli }) => {
    for (const words of [
      ["npm", "exec", "--offline", "--", "spool", "-V"],
      ["npx", "--offline", "spool", "-V"],
    ]) {
      const ended = await cli.sh(words.join(" "), { cwd: ROOT });
      expect([ended.code, ended.stderr]).toEqual([0, ""]);
      expect(ended.stdout).toMatch(VERSION);
    }
  });

  test("with spaces and odd letters in its path and in its arguments", async ({ cli }) => {
    const home = `${cli.dir}/a b'c"ü$`;
    await mkdir(home);
    await symlink(SPOOL, `${home}/spool`);
    await cli.launch(`${home}/spool`, ["put", "q", "-m", "a  b'\"$x\n*"]).read().ended;
    expect(await cli.ok(["take", "q"])).toBe("a  b'\"$x\n*");
  });

  test("passes signals and the exit code on: it becomes the program", async ({ cli }) => {
    await cli.ok(["queue", "create", "q"]);
    expect((await cli.run(["take", "q"])).code).toBe(75);
    const running = cli.start(["take", "q", "--wait", "20s"]);
    running.kill("SIGKILL");
    expect(await running.ended).toMatchObject({ code: null, signal: "SIGKILL" });
    expect(cli.living()).toEqual([]);
  });

  // Which of a hundred ends would hang with the compiler, nobody can say: see decision 38.
  test.for([
    ["take", "q", "--wait", "20s"],
    ["consume", "q"],
    ["work", "q", "--", "true"],
  ])(
    "runs %s without V8's baseline compiler, and with the code that is kept",
    async (line, { cli }) => {
      await cli.ok(["queue", "create", "q"]);
      const { pid } = cli.start(line);
      const words = async (): Promise<string[]> =>
        (await readFile(`/proc/${pid}/cmdline`, "latin1")).split("\0");
      await expect.poll(async () => (await words())[0]).toMatch(/node$/);
      const [node, ...rest] = await words();
      const flags = rest.slice(
        0,
        rest.findIndex((word) => word.endsWith("spool.cjs")),
      );
      expect(flags).toContain("--no-sparkplug");
      const options = { encoding: "utf8", env: { DIST: `${ROOT}/dist` } } as const;
      const asked = execFileSync(node!, [...flags, "-p", IS_REFUSED], options);
      expect(asked.trim()).toBe("false");
    },
  );
});

/** A copy without node_modules, as if it had been unpacked by hand. */
async function unpacked(cli: Cli): Promise<string> {
  const home = `${cli.dir}/unpacked`;
  await cp(`${ROOT}/bin`, `${home}/bin`, { recursive: true });
  await cp(`${ROOT}/dist`, `${home}/dist`, { recursive: true });
  await cp(`${ROOT}/package.json`, `${home}/package.json`);
  return `${home}/bin/spool`;
}

/** Runs the copy. */
function runAt(cli: Cli, spool: string, words: readonly string[]): Promise<Ended> {
  const env = { PATH: dirname(process.execPath) };
  return cli.launch("/bin/sh", [spool, ...words], { env }).read().ended;
}

describe("an installation that is not whole", () => {
  const broken = { code: 70, signal: null, stdout: "" };

  // Scripts read 1 as the damage that verify found.
  test("without the file of a verb: that verb ends with 70", async ({ cli }) => {
    const spool = await unpacked(cli);
    const verbs = `${dirname(spool)}/../dist/cli`;
    const [file = ""] = (await readdir(verbs)).filter((name) => /^verify-.*\.cjs$/.test(name));
    await cli.ok(["put", "q", "-m", "x"]);
    expect(await runAt(cli, spool, ["verify"])).toMatchObject({ code: 0 });
    for (const damage of ["", "throw new Error('torn');", "let"]) {
      await writeFile(`${verbs}/${file}`, damage);
      expect(await runAt(cli, spool, ["verify"])).toMatchObject(broken);
    }
    await rm(`${verbs}/${file}`);
    const ended = await runAt(cli, spool, ["verify"]);
    expect(ended).toMatchObject(broken);
    expect(ended.stderr).toMatch(/^spool: .*\n.*verify/);
    expect(await runAt(cli, spool, ["take", "q"])).toMatchObject({ code: 0, stdout: "x" });
  });

  test("without its main file, or with half of it: 70", async ({ cli }) => {
    const spool = await unpacked(cli);
    const core = `${dirname(spool)}/../dist/core.cjs`;
    await writeFile(core, (await readFile(core)).subarray(0, 50_000));
    expect(await runAt(cli, spool, ["put", "q", "-m", "x"])).toMatchObject(broken);
    await rm(core);
    const ended = await runAt(cli, spool, ["verify"]);
    expect(ended).toMatchObject(broken);
    expect(ended.stderr).toMatch(/^spool: dirspool does not load: .*\n.*core\.cjs/);
  });

  test("whose links Node is told not to follow: it runs all the same", async ({ cli }) => {
    await symlink(`${ROOT}/dist`, `${cli.dir}/dist`);
    const main = `${cli.dir}/dist/spool.cjs`;
    await cli.ok(["put", "q", "-m", "x"]);
    for (const words of [["verify"], ["status"], ["take", "q"]]) {
      const flags = ["--preserve-symlinks-main", main];
      const ended = await cli.launch(process.execPath, [...flags, ...words]).read().ended;
      expect([words, ended.code]).toEqual([words, 0]);
    }
  });

  // V8 does not look: it runs what it is given, or dies of it by a signal.
  test("with a damaged cache: it runs from the source", async ({ cli }) => {
    const spool = await unpacked(cli);
    const path = `${dirname(spool)}/../dist/core.cache`;
    const whole = await readFile(path);
    const flipped = (at: number): Buffer => {
      const bytes = Buffer.from(whole);
      bytes[at] = bytes[at]! ^ 16;
      return bytes;
    };
    const damages = [
      Buffer.alloc(0),
      Buffer.alloc(whole.length),
      whole.subarray(0, 300_000),
      ...[0.1, 0.3, 0.6, 0.9].map((part) =>
        Buffer.from(whole).fill(0, Math.floor(whole.length * part)),
      ),
      ...Array.from({ length: 20 }, (_, one) => flipped(Math.floor((one * whole.length) / 20))),
    ];
    for (const damage of damages) {
      await writeFile(path, damage);
      const ended = await runAt(cli, spool, ["put", "q", "-m", "x"]);
      expect(ended).toMatchObject({ code: 0, signal: null, stderr: "" });
    }
    expect(JSON.parse(await cli.ok(["status", "--json"]))).toMatchObject({
      queues: [{ ready: damages.length }],
    });
  });

  test("with the cache of another source: it runs from its own", async ({ cli }) => {
    const spool = await unpacked(cli);
    const core = `${dirname(spool)}/../dist/core.cjs`;
    const source = await readFile(core, "latin1");
    await writeFile(core, source.replaceAll("no such queue", "nO sUcH qUeUe"), "latin1");
    await cli.ok(["queue", "create", "other"]);
    const ended = await runAt(cli, spool, ["take", "q"]);
    expect(ended.stderr).toContain("nO sUcH qUeUe");
  });
});

describe("the Node that it takes", () => {
  test("is its own, where the PATH has only an old one", async ({ cli, skip }) => {
    if (OLD_NODE === undefined) skip("there is no old Node here");
    const path = `${cli.dir}/path`;
    await mkdir(path);
    await symlink(OLD_NODE!, `${path}/node`);
    expect(await cli.ok(["-V"], { env: { PATH: path } })).toMatch(VERSION);
    await cli.ok(["put", "q", "-m", "x"], { env: { PATH: path } });
  });

  test("is its own, where the PATH has none", async ({ cli }) => {
    expect(await cli.ok(["-V"], { env: { PATH: "" } })).toMatch(VERSION);
  });

  test("is beside it, where npm has put both into one node_modules", async ({ cli }) => {
    const modules = `${cli.dir}/node_modules`;
    await cp(dirname(await unpacked(cli)), `${modules}/dirspool/bin`, { recursive: true });
    await cp(`${ROOT}/dist`, `${modules}/dirspool/dist`, { recursive: true });
    await mkdir(`${modules}/.bin`);
    await mkdir(`${modules}/node/bin`, { recursive: true });
    await symlink(process.execPath, `${modules}/node/bin/node`);
    await symlink("../dirspool/bin/spool", `${modules}/.bin/spool`);
    const ended = await cli.sh(`${modules}/.bin/spool -V`, { env: { PATH: "/usr/bin:/bin" } });
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
  });

  test("is the PATH's, where that is new enough", async ({ cli }) => {
    const spool = await unpacked(cli);
    const env = { PATH: dirname(process.execPath) };
    const ended = await cli.launch("/bin/sh", [spool, "-V"], { env }).read().ended;
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringMatching(VERSION) as string });
  });

  test("is nowhere: 78, and one line says what is needed", async ({ cli }) => {
    const spool = await unpacked(cli);
    const env = { PATH: "" };
    const ended = await cli.launch("/bin/sh", [spool, "-V"], { env }).read().ended;
    expectFailure(ended, 78, /^spool: needs Node 24 or newer: there is no node on the PATH\n$/);
    expect(ended.stdout).toBe("");
  });

  test("is too old: 78, and one line says so; nothing is made", async ({ cli, skip }) => {
    if (OLD_NODE === undefined) skip("there is no old Node here");
    const spool = await unpacked(cli);
    await mkdir(`${cli.dir}/path`);
    await symlink(OLD_NODE!, `${cli.dir}/path/node`);
    const env = { PATH: `${cli.dir}/path` };
    for (const words of [["-V"], ["put", "q", "-m", "x"]]) {
      const ended = await cli.launch("/bin/sh", [spool, ...words], { env }).read().ended;
      expectFailure(ended, 78, /^spool: needs Node 24 or newer; this is v\d+\..*\n$/);
      expect(ended.stdout).toBe("");
    }
    expect(existsSync(cli.spool)).toBe(false);
  });

  test("does not matter where it is not built: 78, in one line", async ({ cli }) => {
    await cp(`${ROOT}/bin`, `${cli.dir}/bare/bin`, { recursive: true });
    const ended = await cli.launch("/bin/sh", [`${cli.dir}/bare/bin/spool`]).read().ended;
    expectFailure(ended, 78, /^spool: not built yet: .*\n$/);
  });

  test("is not a program that only looks like it", async ({ cli }) => {
    // Not executable: passed over, as a PATH search does.
    const spool = await unpacked(cli);
    await mkdir(`${cli.dir}/path`);
    await writeFile(`${cli.dir}/path/node`, "#!/bin/sh\nexit 1\n");
    await chmod(`${cli.dir}/path/node`, 0o644);
    const env = { PATH: `${cli.dir}/path` };
    const ended = await cli.launch("/bin/sh", [spool, "-V"], { env }).read().ended;
    expect(ended.code).not.toBe(0);
    expect(ended.stdout).toBe("");
  });
});
