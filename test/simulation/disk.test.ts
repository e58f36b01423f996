/** Goal: the simulated disk loses what a real one may lose, and nothing else. */
import { expect, test } from "vitest";

import { chance } from "../helpers/model-chance.ts";
import { SimulatedDisk } from "./disk.ts";
import type { CrashModel } from "./disk.ts";

const MODELS: readonly CrashModel[] = ["ordered", "logged", "unordered"];

function make(model: CrashModel, seed: number): SimulatedDisk {
  return new SimulatedDisk(model, 0xef53, () => 0, chance(seed));
}

function write(disk: SimulatedDisk, path: string, text: string, isSynced = false): void {
  const fd = disk.open(path, "create");
  disk.write(fd, Buffer.from(text), null);
  if (isSynced) disk.sync(fd);
  disk.close(fd);
}

function sync(disk: SimulatedDisk, path: string, mode: "read" | "directory" = "directory"): void {
  const fd = disk.open(path, mode);
  disk.sync(fd);
  disk.close(fd);
}

function read(disk: SimulatedDisk, path: string): string {
  const fd = disk.open(path, "read");
  const into = Buffer.alloc(1000);
  const text = into.subarray(0, disk.read(fd, into, 0)).toString();
  disk.close(fd);
  return text;
}

const call = (disk: SimulatedDisk, name: string, ...args: string[]): unknown =>
  disk.begin(name, args)();

/** All that is there after a power cut, for many seeds, of a disk on which `act` was done. */
function outcomes(model: CrashModel, act: (disk: SimulatedDisk) => void): Set<string> {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const disk = make(model, seed);
    call(disk, "mkdir", "/a");
    call(disk, "mkdir", "/b");
    for (const path of ["/", "/a", "/b"]) sync(disk, path);
    act(disk);
    disk.powerCut();
    const names = ["a", "b"].flatMap((one) => disk.list(`/${one}`).map((name) => `${one}/${name}`));
    seen.add(names.toSorted().join(" "));
  }
  return seen;
}

test.each(MODELS)("%s: what was synced, file and directory, is there", (model) => {
  const left = outcomes(model, (disk) => {
    write(disk, "/a/x", "hello", true);
    sync(disk, "/a");
    expect(read(disk, "/a/x")).toBe("hello");
  });
  expect([...left]).toEqual(["a/x"]);
});

test.each(MODELS)("%s: bytes that were not synced are there, lost, cut off or zeroed", (model) => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const disk = make(model, seed);
    write(disk, "/x", "abcd");
    sync(disk, "/");
    disk.powerCut();
    if (disk.list("/").length > 0) seen.add(read(disk, "/x"));
  }
  for (const text of ["abcd", "", "ab", "ab\0\0", "\0\0\0\0"]) expect(seen).toContain(text);
});

test("ordered: a prefix of what was done to names", () => {
  const left = outcomes("ordered", (disk) => {
    for (const name of ["1", "2", "3"]) write(disk, `/a/${name}`, "");
  });
  expect([...left].toSorted()).toEqual(["", "a/1", "a/1 a/2", "a/1 a/2 a/3"]);
});

test("unordered: any subset, and each rename whole", () => {
  const left = outcomes("unordered", (disk) => {
    write(disk, "/a/1", "", true);
    sync(disk, "/a");
    write(disk, "/a/2", "");
    call(disk, "rename", "/a/1", "/b/1");
  });
  expect([...left].toSorted()).toEqual(["a/1", "a/1 a/2", "a/2 b/1", "b/1"]);
});

test("unordered: a link and the unlink of its source come in any order, and so a file may be lost", () => {
  const left = outcomes("unordered", (disk) => {
    write(disk, "/a/1", "", true);
    sync(disk, "/a");
    call(disk, "link", "/a/1", "/b/1");
    call(disk, "unlink", "/a/1");
  });
  expect([...left].toSorted()).toEqual(["", "a/1", "a/1 b/1", "b/1"]);
});

test("unordered: a link may outlast the rename that named its source", () => {
  const left = outcomes("unordered", (disk) => {
    write(disk, "/a/1", "", true);
    sync(disk, "/a");
    call(disk, "rename", "/a/1", "/b/1");
    call(disk, "link", "/b/1", "/b/2");
  });
  expect([...left].toSorted()).toEqual(["a/1", "a/1 b/2", "b/1", "b/1 b/2"]);
});

test("unordered: what goes into a directory without a name is lost with it", () => {
  const seen = new Set<boolean>();
  for (let seed = 0; seed < 100; seed++) {
    const disk = make("unordered", seed);
    call(disk, "mkdir", "/a");
    write(disk, "/a/x", "", true);
    sync(disk, "/a");
    disk.powerCut();
    seen.add(disk.list("/").includes("a"));
  }
  expect(seen).toEqual(new Set([true, false]));
});

test("logged: an fsync of a file keeps all its names, and that it left its old ones", () => {
  const left = outcomes("logged", (disk) => {
    write(disk, "/a/1", "", true);
    call(disk, "rename", "/a/1", "/b/1");
    call(disk, "link", "/b/1", "/b/2");
    sync(disk, "/b/2", "read");
  });
  expect([...left]).toEqual(["b/1 b/2"]);
});

test("logged: an fsync of a directory may keep a name twice", () => {
  const left = outcomes("logged", (disk) => {
    write(disk, "/a/1", "", true);
    sync(disk, "/a");
    disk.writeBack();
    call(disk, "rename", "/a/1", "/b/1");
    sync(disk, "/b");
  });
  expect(left).toContain("a/1 b/1");
  expect(left).toContain("b/1");
});

test("logged: an fsync of a directory may lose a name in a new directory", () => {
  const left = outcomes("logged", (disk) => {
    write(disk, "/a/1", "", true);
    sync(disk, "/a");
    disk.writeBack();
    call(disk, "mkdir", "/new");
    call(disk, "rename", "/a/1", "/new/1");
    call(disk, "link", "/new/1", "/b/2");
    sync(disk, "/b");
  });
  expect(left).toContain("b/2");
  expect(left).not.toContain("");
});

test("a call in two halves acts in the directory that it found, wherever that is by then", () => {
  const disk = make("ordered", 1);
  call(disk, "mkdir", "/a");
  write(disk, "/a/x", "1");
  const half = disk.begin("rename", ["/a/x", "/a/y"]);
  call(disk, "rename", "/a", "/b");
  half();
  expect(disk.list("/b")).toEqual(["y"]);
});

test("a listing may miss what moves meanwhile, and never what stays", () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 50; seed++) {
    const disk = make("ordered", seed);
    for (const name of ["/1", "/2"]) write(disk, name, "");
    const half = disk.begin("list", ["/"]);
    call(disk, "rename", "/2", "/3");
    seen.add((half() as string[]).toSorted().join(" "));
  }
  expect([...seen].toSorted()).toEqual(["1", "1 2", "1 2 3", "1 3"]);
});
