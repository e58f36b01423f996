/** Goal: what the models believe of a disk is what a disk does. Method: the same calls to both. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import { expect, test } from "vitest";

import type { FileSystem } from "../../src/disk/file-system.ts";
import { chance, randomRuns } from "../helpers/model-chance.ts";
import { EXT4, MemoryDisk, ModelTime, TimedDisk } from "../helpers/model-disk.ts";
import { SimulatedDisk } from "../simulation/disk.ts";

const path = fc.constantFrom("a", "b", "c", "a/x", "a/y", "b/x", "b/y", "a/x/q", "b/x/q/r");
const call = fc.oneof(
  ...(["mkdir", "rmdir", "unlink", "list", "lstat"] as const).map((name) =>
    fc.record({ name: fc.constant(name), one: path, two: path }),
  ),
  fc.record({
    name: fc.constantFrom("rename", "link", "rename", "write", "read"),
    one: path,
    two: path,
  }),
  fc.record({ name: fc.constant("touch"), one: path, two: path }),
  fc.record({ name: fc.constant("directory"), one: path, two: path }),
);

async function act(fs: FileSystem, root: string, name: string, one: string, two: string) {
  const [from, to] = [`${root}/${one}`, `${root}/${two}`];
  switch (name) {
    case "list":
      return (await fs.list(from)).toSorted();
    case "lstat":
    case "touch": {
      if (name === "touch") await fs.touch(from, 1_700_000_000_000);
      const { kind, mtimeMs, links, bytes } = await fs.lstat(from);
      return kind === "file" ? { kind, mtimeMs, links, bytes } : { kind, mtimeMs };
    }
    case "write": {
      const fd = await fs.open(from, "create");
      await fs.write(fd, Buffer.from("hel"), null);
      await fs.write(fd, Buffer.from(one), null);
      await fs.write(fd, Buffer.from("J"), 0);
      return fs.close(fd);
    }
    case "read":
    case "directory": {
      const fd = await fs.open(from, name);
      const into = Buffer.alloc(4);
      try {
        const count = await fs.read(fd, into, null);
        await fs.read(fd, into.subarray(0, 1), 1);
        return [count, (await fs.stat(fd)).bytes, into.toString("hex")];
      } finally {
        await fs.close(fd);
      }
    }
    case "rename":
    case "link":
      return fs[name](from, to);
    default:
      return fs[name as "mkdir"](from);
  }
}

async function outcome(...args: Parameters<typeof act>): Promise<unknown> {
  try {
    return { gives: await act(...args) };
  } catch (error) {
    return { fails: (error as NodeJS.ErrnoException).code ?? error };
  }
}

test("the disk in memory does what a real one does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 40 }), async (calls) => {
      const root = mkdtempSync(join(tmpdir(), "spool-disk-"));
      const time = new ModelTime();
      const memory = new MemoryDisk(time);
      const real = new TimedDisk(time);
      const simulated = new SimulatedDisk("ordered", EXT4, () => time.nowMs, chance(1));
      const calledByHalves = new Proxy(simulated, {
        get:
          (disk, method) =>
          (...args: unknown[]) =>
            disk.begin(String(method), args)(),
      }) as unknown as FileSystem;
      memory.mkdir("/m");
      await calledByHalves.mkdir("/m");
      try {
        for (const { name, one, two } of calls) {
          time.advance(10);
          if (name === "rename" && two.startsWith(`${one}/`)) continue;
          const given = await outcome(memory, "/m", name, one, two);
          expect(given, `${name} ${one} ${two}`).toEqual(await outcome(real, root, name, one, two));
          const again = await outcome(calledByHalves, "/m", name, one, two);
          expect(again, `${name} ${one} ${two}, simulated`).toEqual(given);
        }
        expect(memory.openFiles).toBe(0);
        expect(simulated.openFiles).toBe(0);
      } finally {
        rmSync(root, { recursive: true });
      }
    }),
    randomRuns(150),
  );
});
