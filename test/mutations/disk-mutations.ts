/** Bugs in what is read back, and in replies that get lost. */
import type { Mutation } from "./mutation.ts";

const DURABLE = "disk/durable.ts";

const CHECKS: readonly Mutation[] = [
  {
    name: "checksum of the header not checked",
    file: "message/batch.ts",
    find: "if (self === undefined || checksumOf(front) !== self) {",
    replace: "if (self === undefined) {",
    breaks: "A header that was altered is believed.",
  },
  {
    name: "checksum of the body not checked",
    file: "queue/open-batch.ts",
    find: "if (header.length !== body.length || checksumOf(body) !== header.checksum) {",
    replace: "if (header.length !== body.length && checksumOf(body) !== header.checksum) {",
    breaks: "Torn, zeroed and flipped bytes are delivered.",
  },
  {
    name: "checksum of a large body not checked",
    file: "queue/open-batch.ts",
    find: "if (checksum.digest() !== header.checksum) {",
    replace: "if (checksum.digest() === undefined) {",
    breaks: "Torn, zeroed and flipped bytes are delivered.",
  },
  {
    name: "length of a batch not checked",
    file: "queue/open-batch.ts",
    find: "if (fileBytes !== expected) {",
    replace: "if (fileBytes < 0) {",
    breaks: "A batch that was cut short, or that grew, is read.",
    survives: "The checksum is one of all that is there.",
  },
  {
    name: "id of a batch not checked",
    file: "queue/open-batch.ts",
    find: "if (parsed.header.id !== slice.batch) throw new DamagedError(`it is batch ${parsed.header.id}`);",
    replace: "",
    breaks: "A file under the name of another batch is delivered as that.",
  },
  {
    name: "name of a slice not checked",
    file: "queue/batch-file.ts",
    find: "  checkSlice(slice: Slice): void {",
    replace: ["  checkSlice(slice: Slice): void {", "    if (slice.count > 0) return;"],
    breaks: "A name that says more than the batch holds is believed.",
  },
  {
    name: "short write not continued",
    file: DURABLE,
    find: "done += count;\n  }\n}\n\n/** Fills",
    replace: "done = bytes.length;\n  }\n}\n\n/** Fills",
    breaks: "A write that took only a part of the bytes leaves out the rest.",
  },
];

const REPLIES: readonly Mutation[] = [
  {
    name: "lost reply of a rename not looked for",
    file: DURABLE,
    find: 'return disk.kind.shared && ignore(disk.fs.lstat.bind(disk.fs, to), "ENOENT");',
    replace: "return false;",
    breaks: "An ack on a shared disk that worked says that the lease was lost.",
  },
  {
    name: "rename: ENOENT taken for success",
    file: DURABLE,
    find: 'return disk.kind.shared && ignore(disk.fs.lstat.bind(disk.fs, to), "ENOENT");',
    replace: "return to !== undefined;",
    breaks: "Who has lost its lease acks a part of what it held, and is told that it did.",
  },
  {
    name: "lost reply of a link is an error",
    file: "disk/copy.ts",
    find: 'if (isErrno(error, "EEXIST")) return;',
    replace: "",
    breaks: "A link on a shared disk that worked fails.",
  },
  {
    name: "put and give back: lost reply not looked for",
    file: "queue/buckets.ts",
    find: 'if (this.#room.disk.kind.shared && (await ignore(() => fs.lstat(path), "ENOENT"))) {',
    replace: "if (dirname(path) === undefined) {",
    breaks: "What was given back on a shared disk says that the lease was lost.",
  },
  {
    name: "give back: a reaper's rename taken for one's own",
    file: "queue/buckets.ts",
    find: "return isOurs ? path : undefined;",
    replace: "return isOurs ? path : path;",
    breaks: "Who has lost its lease on a shared disk is told that it gave the message back.",
  },
  {
    name: "claim: lost reply not looked for",
    file: "queue/claimer.ts",
    find: "if (this.#room.disk.kind.shared && (await isThere(this.#room, path))) return true;",
    replace: "if (isThere === undefined) return true;",
    breaks: "What was claimed on a shared disk lies in a lease that lives, and nobody works on it.",
  },
  {
    name: "ack: lost reply of an unlink not told apart",
    file: "queue/held.ts",
    find: "return disk.kind.shared ? this.#removeOnce(path) : unlinkIfThere(fs, path);",
    replace: "return disk.random() < 0 ? this.#removeOnce(path) : unlinkIfThere(fs, path);",
    breaks: "An ack on a shared disk that worked says that the lease was lost.",
  },
  {
    name: "dead letter: lost reply not looked for",
    file: "queue/dead-letters.ts",
    find: 'const isBuried = disk.kind.shared && (await ignore(() => fs.lstat(path), "ENOENT"));',
    replace: "const isBuried = disk === undefined;",
    breaks: "A reject on a shared disk that worked says that the lease was lost.",
  },
  {
    name: "dead letter: a reaper's rename taken for one's own",
    file: "queue/dead-letters.ts",
    find: 'return isBuried && (await ignore(() => fs.lstat(dirname(from)), "ENOENT"));',
    replace: "return isBuried || dirname(from) === path;",
    breaks: "Who has lost its lease on a shared disk is told that it buried the message.",
  },
];

export const DISK: readonly Mutation[] = [...CHECKS, ...REPLIES];
