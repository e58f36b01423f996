import { readdirSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { EXIT_CODES, fromErrno, isErrno, leaseLost, SpoolError } from "../src/errors.ts";

describe("errors", () => {
  test("have an exit code of sysexits.h", () => {
    for (const code of Object.values(EXIT_CODES)) {
      expect(code).toBeGreaterThanOrEqual(64);
      expect(code).toBeLessThanOrEqual(78);
    }
    expect(new SpoolError("EMPTY", "nothing").exitCode).toBe(75);
  });

  test("of the operating system say what, where and what to do", () => {
    const full = Object.assign(new Error("x"), {
      code: "ENOSPC",
      syscall: "write",
      path: "/s/tmp/1",
    });
    const told = fromErrno(full) as SpoolError;
    expect(told).toMatchObject({
      code: "DISK_FULL",
      message: "/s/tmp/1: the disk is full",
      cause: full,
    });
    expect(told.hint).not.toBe("");
  });

  test("that nobody foresaw become IO", () => {
    let real: unknown;
    try {
      readdirSync("/dev/null/x");
    } catch (error) {
      real = Object.assign(error as Error, { code: "EWEIRD" });
    }
    expect(fromErrno(real)).toMatchObject({ code: "IO", exitCode: 74 });
    expect(String(fromErrno(real))).toContain("/dev/null/x");
  });

  test("that are no system call's pass unchanged", () => {
    for (const error of [new TypeError("bug"), leaseLost("x"), "thrown", undefined]) {
      expect(fromErrno(error)).toBe(error);
    }
  });

  test("are told apart by their code", () => {
    const error = Object.assign(new Error("x"), { code: "ENOENT" });
    expect(isErrno(error, "EEXIST", "ENOENT")).toBe(true);
    expect(isErrno(error, "EEXIST")).toBe(false);
    expect(isErrno({ code: "ENOENT" }, "ENOENT")).toBe(false);
  });
});
