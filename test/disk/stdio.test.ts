/**
 * Goal: a stream is read to its end, in order, whatever it is and however its writer dawdles; and a
 * wait for it holds nobody up.
 *
 * Method: pipes, files and sockets, written by other processes.
 */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";

import { expect } from "vitest";

import { readChunks } from "../../src/disk/stdio.ts";
import { test } from "../helpers/fixtures.ts";

async function textOf(fd: number): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of readChunks(fd)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

/** Opens a pipe's end for reading that a script of sh writes into. */
async function pipeFrom(dir: string, script: string): Promise<number> {
  const path = `${dir}/pipe`;
  execFileSync("mkfifo", [path]);
  spawn("sh", ["-c", `{ ${script}; } >"$1"`, "sh", path], { stdio: "inherit" });
  // Waits for the writer, so not here.
  const handle = await open(path);
  const fd = openSync(`/proc/self/fd/${handle.fd}`, "r");
  await handle.close();
  return fd;
}

test("a pipe whose writer is fast", async ({ dir }) => {
  const fd = await pipeFrom(dir, "seq 200000");
  const text = await textOf(fd);
  closeSync(fd);
  expect(text).toBe(Array.from({ length: 200_000 }, (_, at) => `${at + 1}\n`).join(""));
});

test("a pipe whose writer pauses: timers go on meanwhile", async ({ dir }) => {
  execFileSync("mkfifo", [`${dir}/go`]);
  const fd = await pipeFrom(dir, `echo one; read -r go <${dir}/go; echo two`);
  const chunks = readChunks(fd);
  expect(String((await chunks.next()).value)).toBe("one\n");
  const next = chunks.next();
  // It comes when this has had its turn, and not before.
  setTimeout(() => writeFileSync(`${dir}/go`, "\n"), 20);
  expect(String((await next).value)).toBe("two\n");
  expect(await chunks.next()).toMatchObject({ done: true });
  closeSync(fd);
});

test("a pipe that others share stays as they opened it", async ({ dir }) => {
  const fd = await pipeFrom(dir, "printf ab; sleep 0.1; printf cd");
  const chunks = readChunks(fd, 1);
  expect(String((await chunks.next()).value)).toBe("a");
  await chunks.return(undefined);
  const rest = Buffer.alloc(10);
  expect(readSync(fd, rest, 0, 1, null)).toBe(1);
  // Would be EAGAIN, were it not blocking any more.
  expect(readSync(fd, rest, 1, 9, null)).toBe(2);
  expect(rest.toString("utf8", 0, 3)).toBe("bcd");
  closeSync(fd);
});

test("a file, from where its descriptor stands", async ({ dir }) => {
  writeFileSync(`${dir}/file`, "one\ntwo\n");
  const fd = openSync(`${dir}/file`, "r");
  readSync(fd, Buffer.alloc(4), 0, 4, null);
  expect(await textOf(fd)).toBe("two\n");
  closeSync(fd);
});
