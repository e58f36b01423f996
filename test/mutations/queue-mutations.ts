/** Bugs in the queue: who owns what, in what order it changes hands, and what is swept. */
import type { Mutation } from "./mutation.ts";

const HELD = "queue/held.ts";
const WINDOW = "queue/window.ts";
const CLAIMER = "queue/claimer.ts";
const SWEEP = "queue/sweep.ts";

const OWNERSHIP: readonly Mutation[] = [
  {
    name: "claim by link",
    file: CLAIMER,
    find: "const renamed = this.#room.fs.rename(this.#pathOf(candidate), path);",
    replace: "const renamed = this.#room.fs.link(this.#pathOf(candidate), path);",
    breaks: "Two consumers own one message.",
  },
  {
    name: "claim: lease not checked",
    file: CLAIMER,
    find: "await lease.check();",
    replace: "",
    breaks: "A consumer whose lease was taken away goes on and finds nothing for ever.",
  },
  {
    name: "claim: limit of attempts not looked at",
    file: "queue/limit.ts",
    find: "const isSpent = maxAttempts > 0 && attempts >= maxAttempts;",
    replace: "const isSpent = maxAttempts < 0;",
    breaks: "A message whose attempts are used up is delivered again.",
  },
  {
    name: "claim: what came back from a crash not alone",
    file: "queue/limit.ts",
    find: "const isSuspect = attempts !== restAttempts;",
    replace: "const isSuspect = attempts < 0 && restAttempts < 0;",
    breaks: "A poison message takes its neighbours along.",
  },
  {
    name: "split: rename before link",
    file: HELD,
    find: "await this.#linked(slice, head, () => this.#place(slice, rest, this.#bucket));",
    replace: [
      "const placed = await this.#buckets.place(this.#pathOf(slice), rest, this.#bucket);",
      "    if (placed === undefined) throw this.#lostNow();",
      '    await ignore(() => this.#room.fs.link(placed, this.#pathOf(head)), "ENOENT");',
    ],
    breaks: "Who dies between the two, or is slower than the next consumer, loses what it kept.",
  },
  {
    name: "nack: rename before link",
    file: HELD,
    find: "await this.#linked(slice, rest, () => this.#place(slice, back));",
    replace: [
      "const placed = await this.#buckets.place(this.#pathOf(slice), back);",
      "    if (placed === undefined) throw this.#lostNow();",
      "    if (rest !== undefined)",
      '      await ignore(() => this.#room.fs.link(placed, this.#pathOf(rest)), "ENOENT");',
    ],
    breaks: "Who dies between the two loses what is behind the message.",
  },
  {
    name: "reject: rename before link",
    file: HELD,
    find: "await this.#linked(slice, rest, async () => {",
    replace: [
      "const after = async (): Promise<void> => {",
      "      const placed = `${this.#room.layout.dead}/${formatSlice(letter)}`;",
      "      if (rest !== undefined)",
      '        await ignore(() => this.#room.fs.link(placed, this.#pathOf(rest)), "ENOENT");',
      "    };",
      "    const first = async (act: () => Promise<void>): Promise<void> => act().then(after);",
      "    await first(async () => {",
    ],
    breaks: "Who dies between the two loses what is behind the message.",
  },
  {
    name: "ack of the last: ENOENT taken for success",
    file: HELD,
    find: 'if (isErrno(error, "ENOENT")) return false;',
    replace: 'if (isErrno(error, "ENOENT")) return true;',
    breaks: "Who has lost its lease is told that its ack counts.",
  },
  {
    name: "ack of the last, shared disk: ENOENT taken for success",
    file: HELD,
    find: "if (!(await renameOnce(disk, path, gone))) return false;",
    replace: "await renameOnce(disk, path, gone);",
    breaks: "Who has lost its lease is told that its ack counts.",
  },
  {
    name: "ack of a part: ENOENT taken for success",
    file: HELD,
    find: "if (!isDone) throw this.#lostNow();",
    replace: "if (!isDone && rest === undefined) throw this.#lostNow();",
    breaks: "Who has lost its lease is told that its ack counts.",
  },
  {
    name: "window: what is in hand before an ack is acked with it",
    file: WINDOW,
    find: "while (run < members.length && members[run]!.isAcked) run++;",
    replace: "while (run < members.length && this.#ackedCount > 0) run++;",
    breaks: "A message that nobody has acked is gone.",
  },
  {
    name: "window: an ack resolves before it is done",
    file: WINDOW,
    find: "      setImmediate(() => void this.#flush());",
    replace: "      setImmediate(() => this.#flushing?.resolve());",
    breaks: "Who was told that it is acked gets it again after a crash.",
  },
  {
    name: "claim: what cannot be opened stays in the lease",
    file: CLAIMER,
    find: "    else throw await this.#givenBack(held, error);",
    replace: "    else throw error;",
    breaks: "A message that nobody has seen uses up its attempts.",
  },
  {
    name: "give back: ENOENT taken for success",
    file: HELD,
    find: "if (placed === undefined) throw this.#lostNow();",
    replace: "void placed;",
    breaks: "Who has lost its lease is told that it gave the message back.",
  },
  {
    name: "nack: attempt not counted",
    file: HELD,
    find: "...(isCounted ? withAttempt(head) : head), visibleMs",
    replace: "...(isCounted ? head : head), visibleMs",
    breaks: "A message that fails is tried for ever.",
  },
  {
    name: "nack: a second name, then an unlink",
    file: HELD,
    find: "await this.#linked(slice, rest, () => this.#place(slice, back));",
    replace: [
      "await this.#linked(slice, rest, async () => {",
      "      const { fs, disk } = this.#room;",
      "      const copy = this.#room.draft();",
      "      const made = linkOrCopy(disk, this.#pathOf(slice), copy, this.#room.draft());",
      '      if (!(await ignore(() => made, "ENOENT"))) throw this.#lostNow();',
      "      await this.#buckets.place(copy, back);",
      '      await ignore(() => fs.unlink(this.#pathOf(slice)), "ENOENT");',
      "    });",
    ],
    breaks: "Who dies between the two leaves the message in two places.",
  },
  {
    name: "bucket removed while it is not empty",
    file: "queue/buckets.ts",
    find: 'return ignore(() => this.#room.fs.rmdir(path), "ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR");',
    replace: [
      "const { fs } = this.#room;",
      "    return ignore(async () => {",
      '      if ((await fs.list(path)).length > 1) throw Object.assign(new Error(), { code: "ENOTEMPTY" });',
      "      for (const name of await fs.list(path)) await fs.unlink(`${path}/${name}`);",
      "      await fs.rmdir(path);",
      '    }, "ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR");',
    ],
    breaks: "What is put into a bucket while it is removed goes with it.",
  },
  {
    name: "put: a draft that was swept says success",
    file: "queue/intake.ts",
    find: 'if (placed === undefined) throw new SpoolError("IO", `${draft.path}: removed by somebody`);',
    replace: "if (placed === undefined) return draft.path;\n      void SpoolError;",
    breaks: "A put of which nothing is left says success.",
  },
  {
    name: "move between subscriptions under the same name",
    file: "queue/bulk.ts",
    find: "if (from === to || !(from.isSubscription || to.isSubscription)) return slice;",
    replace: "if (from === to || to.name.length > 0) return slice;",
    breaks: "A rename onto another name of the same file does nothing and says success.",
    catchers: ["test/topic", "test/crash/topic-"],
  },
];

const SWEEPS: readonly Mutation[] = [
  {
    name: "drafts swept too early",
    file: SWEEP,
    find: "if (!disk.processes.isGone(writer) && !(await isOlder(site, path, TMP_SWEEP_MS))) continue;",
    replace:
      "if (!disk.processes.isGone(writer) && !(await isOlder(site, path, TMP_SWEEP_MS / 1e9)))\n      continue;",
    breaks: "The draft of a put that goes on is taken away from it.",
  },
  {
    name: "drafts never swept",
    file: SWEEP,
    find: "if (!disk.processes.isGone(writer) && !(await isOlder(site, path, TMP_SWEEP_MS))) continue;",
    replace: "if (TMP_SWEEP_MS > 0 || (await isOlder(site, path, writer.length))) continue;",
    breaks: "Garbage stays in tmp/.",
  },
  {
    name: "writer never gives up",
    file: "queue/draft.ts",
    find: "this.#startedMs > WRITER_DEADLINE_MS",
    replace: "this.#startedMs > WRITER_DEADLINE_MS * 1e9",
    breaks: "The draft of a writer may be swept while it writes.",
    survives:
      "A draft that was swept makes the put fail: its rename finds nothing, and nothing is told as safe.",
  },
  {
    name: "reasons swept too early",
    file: SWEEP,
    find: "if (!(await isOlder(room, path, ORPHAN_SWEEP_MS))) continue;",
    replace: "if (!(await isOlder(room, path, ORPHAN_SWEEP_MS / 1e9))) continue;",
    breaks: "A dead letter whose reason was just written has none.",
  },
  {
    name: "dead letter: reason after the letter",
    file: "queue/dead-letters.ts",
    find: [
      "  await writeReason(room, `${path}${REASON_SUFFIX}`, { ...reason, atMs });",
      '  if (await ignore(() => fs.rename(from, path), "ENOENT")) return true;',
    ],
    replace: [
      '  if (await ignore(() => fs.rename(from, path), "ENOENT")) {',
      "    await writeReason(room, `${path}${REASON_SUFFIX}`, { ...reason, atMs });",
      "    return true;",
      "  }",
    ],
    breaks: "Who dies between the two leaves a dead letter without a reason.",
  },
  {
    name: "dead letter: who comes too late writes a reason",
    file: "queue/dead-letters.ts",
    find: 'if (!(await ignore(() => fs.lstat(from), "ENOENT"))) return false;',
    replace: "",
    breaks: "A reason without a letter stays for its hour, or replaces the right one.",
  },
  {
    name: "drop box: read under the name of its program",
    file: "queue/drop-box.ts",
    find: "const own = await ownName(room, path, inode);",
    replace: "const own = inode < 0 ? await ownName(room, path, inode) : path;",
    breaks: "What is renamed may be the next file, and not the one that was read.",
  },
  {
    name: "by ids: one that is given twice counts twice",
    file: "queue/bulk.ts",
    find: "const indices = new Set(own.map(({ index }) => index));",
    replace: "const indices = own.map(({ index }) => index);",
    breaks: "A purge by ids takes the neighbour of a message that was named twice.",
    catchers: ["test/queue/bulk.test.ts"],
  },
  {
    name: "by ids: a slice that holds others, too, not cut",
    file: "queue/bulk.ts",
    find: 'const isWhole = found.state === "dead" || some.length === found.slice.count;',
    replace: "const isWhole = some.length > 0;",
    breaks: "A purge by ids takes the neighbours.",
    catchers: ["test/queue/bulk.test.ts"],
  },
  {
    name: "by ids: the end of a run not cut off",
    file: "queue/isolate.ts",
    find: "if (end < from + held.slice!.count) await held.split(",
    replace: "if (end > from + held.slice!.count) await held.split(",
    breaks: "A purge by ids takes what stands behind a message that was named.",
    catchers: ["test/queue/bulk.test.ts"],
  },
];

export const QUEUE: readonly Mutation[] = [...OWNERSHIP, ...SWEEPS];
