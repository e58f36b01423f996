import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { HostProcesses, UNKNOWN_PROCESS } from "../../src/disk/processes.ts";
import { parseLeaseName } from "../../src/queue/lease.ts";

const processes = new HostProcesses();
const SOURCE = new URL("../../src/disk/processes.ts", import.meta.url).pathname;

/** A child that says its own token and then waits. */
async function child(): Promise<{ process: ChildProcess; token: string }> {
  const code = `import { HostProcesses } from ${JSON.stringify(SOURCE)};
    console.log(new HostProcesses().self); setInterval(() => {}, 1000);`;
  const started = spawn(process.execPath, ["--input-type=module", "-e", code]);
  const [chunk] = (await once(started.stdout, "data")) as [Buffer];
  return { process: started, token: chunk.toString().trim() };
}

describe("a process", () => {
  test("is not gone while it runs, and gone when it was killed", async () => {
    const { process: running, token } = await child();
    expect(processes.isGone(token)).toBe(false);

    running.kill("SIGKILL");
    await once(running, "exit");

    expect(processes.isGone(token)).toBe(true);
  });

  test("is gone when its pid is another process's now", () => {
    const { self } = processes;
    expect(processes.isGone(self)).toBe(false);
    expect(processes.isGone(self.replace(/s\d+$/, "s1"))).toBe(true);
  });

  test("is gone when it is a zombie that nobody has asked about", async () => {
    // A shell starts a child, becomes a `sleep`, and so never asks how that child ended.
    const parent = spawn("sh", ["-c", `sleep 600 & echo $!; exec sleep 600`]);
    try {
      const [chunk] = (await once(parent.stdout, "data")) as [Buffer];
      const pid = Number(chunk.toString());
      const fields = (): string[] =>
        readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ");
      const token = processes.self.replace(/p\d+\.s\d+$/, `p${pid}.s${fields()[19]}`);
      expect(processes.isGone(token)).toBe(false);
      process.kill(pid, "SIGKILL");
      await expect.poll(() => fields()[0]).toBe("Z");
      expect(processes.isGone(token)).toBe(true);
    } finally {
      parent.kill("SIGKILL");
    }
  });

  test("of another boot, another namespace or an unknown one is never said to be gone", () => {
    const dead = processes.self.replace(/s\d+$/, "s1");
    expect(processes.isGone(dead)).toBe(true);
    expect(processes.isGone(dead.replace(/^b.{8}/, "b00000000"))).toBe(false);
    expect(processes.isGone(dead.replace(/n\d+/, "n1"))).toBe(false);
    for (const token of [UNKNOWN_PROCESS, "", "x", `${dead}x`, "b.n.p.s"]) {
      expect(processes.isGone(token)).toBe(false);
    }
  });

  test("and its host make a lease's name", () => {
    const { self, host } = processes;
    const name = `01kdvdna000003f9x2c7m1q8zt_1_${self}_${host}`;
    expect(parseLeaseName(name)).toMatchObject({ process: self, host });
  });
});
