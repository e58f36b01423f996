/** Verify a topic: reads every name and byte that is not in a queue, and says what is wrong. */
import { ignore, listIfThere } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { DamagedError } from "../message/batch.ts";
import { ID_PATTERN } from "../message/id.ts";
import { parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { BatchFile, ForeignError } from "../queue/batch-file.ts";
import type { Finding, Verified } from "../queue/verify.ts";
import type { Member } from "./audience.ts";
import type { Recovery } from "./recover.ts";
import { parseLink, parseTicket } from "./ticket.ts";
import type { TopicRoom } from "./topic-room.ts";

const BUCKET = new RegExp(`^${ID_PATTERN}$`);
const MISSING = "is missing";

export async function verifyTopic(
  room: TopicRoom,
  recovery: Recovery,
  members: () => Promise<Member[]>,
): Promise<Verified> {
  return new TopicVerifier(room, recovery, members).run();
}

class TopicVerifier {
  readonly #room: TopicRoom;
  readonly #recovery: Recovery;
  readonly #members: () => Promise<Member[]>;
  readonly #findings: Finding[] = [];
  #messages = 0;
  #bytes = 0;

  constructor(room: TopicRoom, recovery: Recovery, members: () => Promise<Member[]>) {
    this.#room = room;
    this.#recovery = recovery;
    this.#members = members;
  }

  async run(): Promise<Verified> {
    const { fs, layout } = this.#room;
    await this.#settings();
    for (const directory of [layout.staging, layout.aborted, layout.committed]) {
      await this.#tickets(directory);
    }
    for (const bucket of await listIfThere(fs, layout.log)) await this.#bucket(bucket);
    await this.#subscriptions();
    await this.#incoming();
    for (const name of await listIfThere(fs, layout.aside)) {
      this.#find(`${layout.aside}/${name}`, "was set aside; look at it and remove it");
    }
    const findings: Finding[] = [];
    // What moves while it is read is not wrong.
    for (const finding of this.#findings) {
      const isThere = await ignore(() => fs.lstat(finding.path), "ENOENT");
      if (finding.problem === MISSING || isThere) findings.push(finding);
    }
    return { findings, messages: this.#messages, bytes: this.#bytes };
  }

  #find(path: string, problem: string): void {
    this.#findings.push({ path, problem });
  }

  async #settings(): Promise<void> {
    const { fs, layout } = this.#room;
    try {
      await this.#room.settings();
    } catch (error) {
      if (!(error instanceof SpoolError)) throw error;
      this.#find(layout.settings, error.code === "NO_TOPIC" ? MISSING : error.message);
    }
    // Those of a pattern come and go.
    if (this.#room.isPattern) return;
    for (const directory of layout.directories) {
      const isThere = await ignore(async () => {
        const { kind } = await fs.lstat(directory);
        if (kind !== "directory") this.#find(directory, `a ${kind} where a directory belongs`);
      }, "ENOENT");
      if (!isThere) this.#find(directory, MISSING);
    }
  }

  async #tickets(directory: string): Promise<void> {
    for (const name of await listIfThere(this.#room.fs, directory)) {
      const path = `${directory}/${name}`;
      const ticket = parseTicket(name);
      if (ticket === undefined) this.#find(path, "not a name of ours");
      else if (ticket.slice !== undefined) await this.#batch(path, ticket.slice);
    }
  }

  async #bucket(bucket: string): Promise<void> {
    const directory = `${this.#room.layout.log}/${bucket}`;
    let names: string[] = [];
    const isOne =
      BUCKET.test(bucket) &&
      (await ignore(async () => {
        names = await listIfThere(this.#room.fs, directory);
      }, "ENOTDIR"));
    if (!isOne) this.#find(directory, "not a bucket of the log");
    for (const name of names) {
      const path = `${directory}/${name}`;
      const slice = parseSlice(name);
      if (slice === undefined) this.#find(path, "not a name of ours");
      else {
        if (slice.batch < bucket) this.#find(path, `is older than its bucket, ${bucket}`);
        await this.#batch(path, slice);
      }
    }
  }

  async #batch(path: string, slice: Slice): Promise<void> {
    this.#messages += slice.count;
    this.#bytes += slice.bytes;
    try {
      const file = await BatchFile.open(this.#room.fs, path, slice);
      await file.close();
    } catch (error) {
      if (error instanceof DamagedError || error instanceof ForeignError) {
        this.#find(path, error.message);
      } else if (!isErrno(error, "ENOENT")) throw error;
    }
  }

  async #subscriptions(): Promise<void> {
    const { fs, layout } = this.#room;
    let names: string[] = [];
    await ignore(async () => {
      names = await listIfThere(fs, layout.subscriptions);
    }, "ENOTDIR");
    for (const name of names) {
      const path = `${layout.subscriptions}/${name}`;
      if (name.startsWith(".removed-")) continue;
      const kind = await this.#kindOf(path);
      if (kind === undefined) continue;
      if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name)) this.#find(path, "not a name of ours");
      else if (kind !== "directory") this.#find(path, `a ${kind}, not a subscription`);
      else await this.#needIncoming(`${path}/incoming`);
    }
  }

  async #needIncoming(path: string): Promise<void> {
    const kind = await this.#kindOf(path);
    if (kind === undefined) this.#find(path, MISSING);
    else if (kind !== "directory") this.#find(path, `a ${kind} where a directory belongs`);
  }

  async #kindOf(path: string): Promise<string | undefined> {
    let kind: string | undefined;
    await ignore(async () => {
      ({ kind } = await this.#room.fs.lstat(path));
    }, "ENOENT");
    return kind;
  }

  /** Links that no fan-out stands for: incoming/ is listed first, then where tickets go through. */
  async #incoming(): Promise<void> {
    const links: { readonly path: string; readonly tag: string | undefined }[] = [];
    for (const { incoming } of await this.#members()) {
      await ignore(async () => {
        for (const name of await listIfThere(this.#room.fs, incoming)) {
          links.push({ path: `${incoming}/${name}`, tag: parseLink(name)?.tag });
        }
      }, "ENOTDIR");
    }
    const { staging, committed, aborted } = this.#room.layout;
    const tags = new Set<string>();
    for (const directory of [staging, committed, aborted]) {
      for (const { tag } of await this.#recovery.ticketsIn(directory)) tags.add(tag);
    }
    for (const { path, tag } of links) {
      if (tag === undefined) this.#find(path, "not a name of ours");
      else if (!this.#room.isPattern && !tags.has(tag)) this.#find(path, "a link of no fan-out");
    }
  }
}
