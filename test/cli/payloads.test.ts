/**
 * Goal: what comes out is what went in, byte for byte, whatever the bytes are.
 *
 * Method: payloads of every awkward kind through every way in and every way out.
 */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import { linesOf, test } from "../helpers/cli.ts";

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

const PAYLOADS: readonly [what: string, bytes: Buffer][] = [
  ["nothing", Buffer.alloc(0)],
  ["one NUL", Buffer.of(0)],
  ["one newline", Buffer.from("\n")],
  ["every byte", EVERY_BYTE],
  ["no final newline", Buffer.from("a\nb")],
  ["CRLF", Buffer.from("a\r\nb\r\n")],
  ["what is no UTF-8", Buffer.of(0xff, 0xfe, 0x80)],
  ["a BOM", Buffer.from("\ufeffx")],
  ["what looks like a header of ours", Buffer.from('{"dirspool":1,"format":1}\nbody')],
  ["the size of a block", randomBytes(256 * 1024)],
  ["one more", randomBytes(256 * 1024 + 1)],
  ["more than is kept in memory", randomBytes(9 * 1024 * 1024)],
];

describe.concurrent("a payload of", () => {
  for (const [what, bytes] of PAYLOADS) {
    test(`${what}: by put and take, by FILE, by the drop box, as JSON`, async ({ cli }) => {
      await cli.ok(["put", "q"], { input: bytes });
      expect((await cli.run(["take", "q"])).out.equals(bytes)).toBe(true);

      await writeFile(`${cli.dir}/file`, bytes);
      await cli.ok(["put", "q", "file", "file"]);
      const both = (await cli.run(["take", "q", "-n", "2"])).out;
      expect(both.equals(Buffer.concat([bytes, bytes]))).toBe(true);

      await cli.sh(`cp file drop && mv drop '${cli.path("drop")}/x'`);
      const [seen] = await cli.lines(["take", "q", "--json"]);
      const { body, body_base64 } = seen as { body?: string; body_base64?: string };
      const shown = body === undefined ? Buffer.from(body_base64!, "base64") : Buffer.from(body);
      expect(shown.equals(bytes)).toBe(true);
      await cli.expectStatus({});
    });
  }
});

describe.concurrent("put --lines of", () => {
  const rows: readonly [what: string, input: string, bodies: readonly string[]][] = [
    ["nothing", "", []],
    ["a last line without its newline", "a\nb", ["a", "b"]],
    ["the same with it", "a\nb\n", ["a", "b"]],
    ["empty lines", "\n\na\n\n", ["", "", "a", ""]],
    ["CRLF: the CR is the line's", "a\r\nb\r\n", ["a\r", "b\r"]],
    ["NULs in a line", "a\0b\n\0\n", ["a\0b", "\0"]],
    ["letters of several bytes", "ü\n漢字\n👍", ["ü", "漢字", "👍"]],
  ];
  for (const [what, input, bodies] of rows) {
    test(`${what}: ${bodies.length} messages`, async ({ cli }) => {
      await cli.ok(["queue", "create", "q"]);
      await cli.ok(["put", "q", "--lines"], { input });
      await cli.expectStatus({ ready: bodies.length });
      const seen = await cli.lines(["peek", "q", "-n", "99", "--json"]);
      expect(seen.map(({ body }) => body)).toEqual(bodies);
      const nul = await cli.run(["consume", "q", "--until-empty", "-0"]);
      expect(nul.stdout).toBe(bodies.map((body) => `${body}\0`).join(""));
      await cli.expectStatus({});
    });
  }

  test("lines through a pipe, piece by piece, cut anywhere", async ({ cli }) => {
    const script =
      "(printf 'on'; sleep 0.3; printf 'e\\ntw'; sleep 0.3; printf 'o\\n') | spool put q -l";
    expect(await cli.sh(script)).toMatchObject({ code: 0 });
    expect(await cli.ok(["consume", "q", "--until-empty"])).toBe("one\ntwo\n");
  });

  test("several files, one of which has no final newline", async ({ cli }) => {
    await writeFile(`${cli.dir}/a`, "a1\na2");
    await writeFile(`${cli.dir}/b`, "b1\n");
    await cli.ok(["put", "q", "--lines", "a", "b"]);
    expect(await cli.ok(["consume", "q", "--until-empty"])).toBe("a1\na2\nb1\n");
  });
});

describe.concurrent("put -0 of", () => {
  const rows: readonly [input: string, bodies: readonly string[]][] = [
    ["a\0b\0", ["a", "b"]],
    ["a\nb\0\0c", ["a\nb", "", "c"]],
    ["\n\0", ["\n"]],
    ["", []],
  ];
  for (const [input, bodies] of rows) {
    test(`${JSON.stringify(input)}: ${bodies.length} messages`, async ({ cli }) => {
      await cli.ok(["queue", "create", "q"]);
      await cli.ok(["put", "q", "-0"], { input });
      const lines = linesOf(await cli.ok(["consume", "q", "--until-empty", "--json"]));
      expect(lines.map((line) => (JSON.parse(line) as { body: string }).body)).toEqual(bodies);
    });
  }
});

test("a message over the queue's limit is refused with 65, and nothing of it stays", async ({
  cli,
}) => {
  await cli.ok(["queue", "create", "q", "max-message=1k"]);
  const large = Buffer.alloc(1025, "x");
  const put = await cli.run(["put", "q"], { input: large });
  expect(put).toMatchObject({ code: 65, stdout: "" });
  expect(put.stderr).toMatch(/larger than 1024 bytes/);
  const lines = await cli.run(["put", "q", "-l", "--batch", "1"], {
    input: `ok\n${large.toString()}\n`,
  });
  expect(lines.code).toBe(65);
  expect(lines.stderr).toMatch(/1 message (is|are) safe/);
  await cli.ok(["put", "q"], { input: large.subarray(1) });
  await cli.expectStatus({ ready: 2 });
});
