/**
 * Goal: bad bytes, foreign files, symbolic links and nonsense are reported and set aside; they are
 * never delivered, never followed, never fatal, and never in the way of the rest.
 *
 * Method: a spool that others have tampered with, by hand; then every verb that reads it.
 */
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { basename, dirname } from "node:path";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, test } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";

describe.concurrent("settings", () => {
  const texts: readonly [what: string, text: string][] = [
    ["no JSON", "{ nonsense"],
    ["nothing", ""],
    ["a list", "[]"],
    ["null", "null"],
    ["a setting that is not known", '{"lese":"1s"}'],
    ["a value that is none", '{"lease":"soon"}'],
    ["a value of another type", '{"lease":["1s"]}'],
    ["binary", "\0\u0001\u0002"],
  ];
  for (const [what, text] of texts) {
    test(`${what}: 78, with the file's name; other queues go on`, async ({ cli }) => {
      await cli.ok(["put", "bad", "-m", "kept"]);
      await cli.ok(["put", "good", "-m", "x"]);
      const file = cli.path("queue.json", "bad");
      await writeFile(file, text);
      for (const words of [
        ["put", "bad", "-m", "x"],
        ["take", "bad"],
        ["work", "bad", "--until-empty", "--", "true"],
        ["queue", "show", "bad"],
      ]) {
        expectFailure(await cli.run(words), 78, /queues\/bad\/queue\.json: .*\[BAD_SETTINGS\]/);
      }
      expect(await cli.ok(["take", "good"])).toBe("x");
      const verified = await cli.run(["verify"]);
      expect(verified.code).toBe(1);
      expect(verified.stdout).toContain("queues/bad/queue.json");
      await writeFile(file, "{}");
      expect(await cli.ok(["take", "bad"])).toBe("kept");
    });
  }

  test("of one queue do not keep gc from the others", async ({ cli }) => {
    await cli.ok(["put", "a", "-m", "x"]);
    await cli.ok(["put", "b", "-m", "x", "--ttl", "1ms"]);
    await writeFile(cli.path("queue.json", "a"), "nonsense");
    const ended = await cli.run(["gc", "--json"]);
    expect(ended.code).toBe(78);
    expect(ended.stderr).toMatch(/queues\/a\/queue\.json/);
    const said = linesOf(ended.stdout).map((line) => JSON.parse(line) as object);
    expect(said).toMatchObject([{ queue: "b", expired: 1 }]);
  });

  test("of one queue do not keep status from the others", async ({ cli }) => {
    await cli.ok(["put", "a", "-m", "x"]);
    await cli.ok(["put", "b", "-m", "x"]);
    await writeFile(cli.path("queue.json", "a"), "nonsense");
    const status = JSON.parse(await cli.ok(["status", "--json"])) as object;
    expect(status).toMatchObject({
      queues: [
        { queue: "a", ready: 1 },
        { queue: "b", ready: 1 },
      ],
    });
  });
});

describe.concurrent("the spool's format", () => {
  const rows: readonly [text: string, line: RegExp][] = [
    ['{"format":2,"id":"x"}', /format 2; this dirspool knows format 1.*\[NEWER_FORMAT\]/],
    ['{"format":999999}', /format 999999.*\[NEWER_FORMAT\]/],
    ['{"format":"new"}', /names no format.*\[BAD_SETTINGS\]/],
    ["nonsense", /not JSON.*\[BAD_SETTINGS\]/],
    ["", /not JSON.*\[BAD_SETTINGS\]/],
    ["null", /\[BAD_SETTINGS\]/],
    ["[1]", /\[BAD_SETTINGS\]/],
  ];
  for (const [text, line] of rows) {
    test(`${text || "an empty file"}: 78, and nothing is touched`, async ({ cli }) => {
      await cli.ok(["put", "q", "-m", "x"]);
      await writeFile(`${cli.spool}/spool.json`, text);
      const before = await cli.tree();
      for (const words of [
        ["put", "q", "-m", "x"],
        ["take", "q"],
        ["status"],
        ["gc"],
        ["verify"],
        ["queue", "rm", "q", "-f"],
      ]) {
        expectFailure(await cli.run(words), 78, line);
      }
      expect(await cli.tree()).toEqual(before);
    });
  }
});

/** Three batches of three lines; returns the path of the middle one. */
async function threeBatches(cli: Cli): Promise<string> {
  const paths: string[] = [];
  for (const lines of ["a1\na2\na3\n", "b1\nb2\nb3\n", "c1\nc2\nc3\n"]) {
    await cli.ok(["put", "q", "--lines"], { input: lines });
    paths.push((await cli.slices("ready")).find((path) => !paths.includes(path))!);
  }
  return paths[1]!;
}

async function change(path: string, act: (bytes: Buffer) => Buffer): Promise<void> {
  const bytes = await readFile(path);
  await chmod(path, 0o644);
  await writeFile(path, act(bytes));
}

const damages: readonly [what: string, act: (path: string) => Promise<void>][] = [
  [
    "a flipped bit in the body",
    (path) =>
      change(path, (bytes) => {
        bytes[bytes.length - 4]! ^= 1;
        return bytes;
      }),
  ],
  [
    "a flipped bit in the header",
    (path) =>
      change(path, (bytes) => {
        bytes[5]! ^= 1;
        return bytes;
      }),
  ],
  ["one byte less", (path) => change(path, (bytes) => bytes.subarray(0, -1))],
  ["one byte more", (path) => change(path, (bytes) => Buffer.concat([bytes, Buffer.from("x")]))],
  ["half of it", (path) => change(path, (bytes) => bytes.subarray(0, bytes.length / 2))],
  ["nothing of it", (path) => truncate(path, 0)],
  ["zeroes of its length", (path) => change(path, (bytes) => Buffer.alloc(bytes.length))],
  [
    "another batch's bytes",
    async (path) => {
      const other = (await readdir(dirname(path))).find((name) => name !== basename(path))!;
      await writeFile(path, await readFile(`${dirname(path)}/${other}`));
    },
  ],
];

describe.concurrent("a batch of which is left", () => {
  for (const [what, act] of damages) {
    test(`${what}: a dead letter with its reason; its neighbours are delivered`, async ({
      cli,
    }) => {
      await act(await threeBatches(cli));
      const verified = await cli.run(["verify", "--json"]);
      expect(verified.code).toBe(1);
      expect(JSON.parse(verified.stdout)).toMatchObject({ findings: [{}] });

      expect(await cli.ok(["take", "q"])).toBe("a1");
      const script = 'read -r l; echo "$l"';
      const worked = await cli.run(["work", "q", "--until-empty", "--", "sh", "-c", script]);
      expect(worked).toMatchObject({ code: 0, stdout: "a2\na3\nc1\nc2\nc3\n" });
      expect(worked.stderr).toMatch(/^spool: .*damaged: .*moved to the dead letters$/m);
      await cli.expectStatus({ dead: 3 });
      const [letter, ...more] = await cli.lines(["dlq", "ls", "q", "--json"]);
      expect(more).toEqual([]);
      expect(letter).toMatchObject({ messages: 3, attempts: 0 });
      expect(letter!["reason"]).toMatch(/^damaged: ./);
      // It is kept for a person to look at, and is no longer in anybody's way.
      await cli.ok(["gc"]);
      await cli.ok(["put", "q", "-m", "next"]);
      expect(await cli.ok(["consume", "q", "--until-empty"])).toBe("next\n");
      expect((await cli.run(["verify"])).code).toBe(1);
      await cli.ok(["dlq", "drop", "q", "-f"]);
      await cli.ok(["verify"]);
    });
  }

  for (const verb of ["consume", "take"]) {
    test(`a flipped bit: ${verb} passes it over too, and peek does not show it`, async ({
      cli,
    }) => {
      await damages[0]![1](await threeBatches(cli));
      const peeked = await cli.run(["peek", "q", "-n", "9"]);
      expect(peeked.stdout).toBe("a1\na2\na3\nc1\nc2\nc3\n");
      const words =
        verb === "take" ? ["take", "q", "-n", "9", "--json"] : ["consume", "q", "--until-empty"];
      const { code, stdout } = await cli.run(words);
      expect(code).toBe(0);
      const bodies =
        verb === "consume"
          ? linesOf(stdout)
          : linesOf(stdout).map((line) => (JSON.parse(line) as { body: string }).body);
      expect(bodies).toEqual(["a1", "a2", "a3", "c1", "c2", "c3"]);
      await cli.expectStatus({ dead: 3 });
    });
  }
});

describe.concurrent("what does not belong into ready/", () => {
  /** One of each, at the top, in a bucket, and in a bucket with the name of a message. */
  async function litter(cli: Cli): Promise<string[]> {
    await cli.ok(["put", "q", "-m", "genuine"]);
    const [genuine] = await cli.slices("ready");
    const bucket = dirname(genuine!);
    const fake = (rank: number): string => {
      const rest = basename(genuine!).slice(2);
      return `${bucket}/${rank}-${rest.replace(/[0-9a-z]{26}/, (id) => `${id.slice(0, 22)}zzz${rank}`)}`;
    };
    await writeFile(`${cli.dir}/secret`, "root:x:0:0");
    const made = {
      file: [cli.path("ready/foreign"), `${bucket}/foreign`],
      link: [cli.path("ready/link"), `${bucket}/link`, fake(1)],
      fifo: [cli.path("ready/fifo"), `${bucket}/fifo`, fake(2)],
      directory: [cli.path("ready/directory"), `${bucket}/directory`, fake(3)],
      dangling: [`${bucket}/dangling`, fake(6)],
      text: [fake(7)],
    };
    for (const path of made.file) await writeFile(path, "foreign");
    for (const path of made.link) await symlink("/etc/passwd", path);
    for (const path of made.fifo) await cli.sh(`mkfifo '${path}'`);
    for (const path of made.directory) await mkdir(path);
    for (const path of made.dangling) await symlink("/nowhere", path);
    for (const path of made.text) await writeFile(path, "root:x:0:0\n");
    return Object.values(made).flat();
  }

  test("is reported by verify, with exit 1, and is not touched by it", async ({ cli }) => {
    const paths = await litter(cli);
    const before = await cli.tree();
    const { code, stdout } = await cli.run(["verify", "--json"]);
    expect(code).toBe(1);
    const { findings } = JSON.parse(stdout) as { findings: { path: string }[] };
    expect([...new Set(findings.map(({ path }) => path))].toSorted()).toEqual(paths.toSorted());
    expect(await cli.tree()).toEqual(before);
  });

  for (const words of [
    ["consume", "q", "--until-empty"],
    ["work", "q", "--until-empty", "--", "sh", "-c", "cat; echo"],
    ["take", "q", "-n", "99"],
  ]) {
    test(`is never delivered by ${words[0]}, nor followed, nor fatal; gc sets it aside`, async ({
      cli,
    }) => {
      const paths = await litter(cli);
      const passwd = await readFile("/etc/passwd", "utf8");
      const first = await cli.run(words);
      expect(first.stdout.trim()).toBe("genuine");
      expect(first.code).toBe(0);
      const second = await cli.run(["gc"]);
      expect(second.code).toBe(0);
      for (const path of paths) {
        expect(await readdir(dirname(path)).catch(() => [])).not.toContain(basename(path));
      }
      expect(await readFile("/etc/passwd", "utf8")).toBe(passwd);
      const { ready, in_flight } = await cli.status();
      expect({ ready, in_flight }).toEqual({ ready: 0, in_flight: 0 });
      // Nothing was thrown away: it waits in aside/, or among the dead, for a person.
      const kept = (await readdir(cli.path("aside"))).length + (await cli.slices("dead")).length;
      expect(kept).toBe(paths.length);
      expect((await cli.run(["verify"])).code).toBe(1);
      await cli.ok(["put", "q", "-m", "next"]);
      expect(await cli.ok(["take", "q"])).toBe("next");
    });
  }

  test("in the drop box is reported, and neither delivered nor followed", async ({ cli }) => {
    await cli.ok(["queue", "create", "q"]);
    const drop = cli.path("drop");
    await symlink("/etc/passwd", `${drop}/link`);
    await mkdir(`${drop}/directory`);
    await cli.sh(`mkfifo '${drop}/fifo'`);
    await writeFile(`${drop}/.hidden`, "not yet");
    await writeFile(`${cli.dir}/good`, "good");
    await rename(`${cli.dir}/good`, `${drop}/good`);
    const { code, stdout } = await cli.run(["verify", "--json"]);
    expect(code).toBe(1);
    const { findings } = JSON.parse(stdout) as { findings: { path: string }[] };
    expect(findings.map(({ path }) => basename(path)).toSorted()).toEqual([
      ".hidden",
      "directory",
      "fifo",
      "link",
    ]);
    expect(await cli.ok(["consume", "q", "--until-empty"])).toBe("good\n");
    await cli.expectStatus({});
    expect((await readdir(drop)).toSorted()).toEqual([".hidden", "directory", "fifo", "link"]);
  });

  test("a queue that is a link, a file or has a strange name is passed over", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    await symlink("/etc", `${cli.spool}/queues/link`);
    await writeFile(`${cli.spool}/queues/file`, "x");
    await mkdir(`${cli.spool}/queues/.hidden`);
    await mkdir(`${cli.spool}/queues/a b`);
    await mkdir(`${cli.spool}/queues/empty`);
    expect(await cli.ok(["queue", "ls"])).toBe("q\n");
    const status = JSON.parse(await cli.ok(["status", "--json"])) as { queues: unknown[] };
    expect(status.queues).toHaveLength(1);
    await cli.ok(["gc"]);
    const { code, stdout } = await cli.run(["verify"]);
    expect(code).toBe(1);
    for (const name of ["link", "file", ".hidden", "a b"])
      expect(stdout).toContain(`queues/${name}: `);
    expectFailure(await cli.run(["take", "link"]), 66, /.+/);
    expectFailure(await cli.run(["take", "file"]), 66, /.+/);
  });
});
