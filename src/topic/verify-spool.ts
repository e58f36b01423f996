/**
 * Verify what is above queues and topics: the spool's own directory, queues/ and topics/.
 *
 *   spool.json    one that is missing is made anew, one that says nothing is set aside before. A newer
 *                 format is nobody's damage: it is refused, and nothing is touched
 *   .spool.json.* .doctor-* .spool-bench-* .removed-*  what the dead have left
 *   aside/        what did not belong there; made when it is needed
 *   queues/ topics/  what is no queue and no topic
 */
import { ignore, isDirectory, makeDirectory, readFile } from "../disk/durable.ts";
import { kindOf } from "../disk/kind.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { isErrno } from "../errors.ts";
import { ORPHAN_SWEEP_MS } from "../limits.ts";
import { ID_PATTERN } from "../message/id.ts";
import { isPattern, topicOfDirectory } from "../names.ts";
import { setAside } from "../queue/aside.ts";
import { Findings, MOVES, verifyAndRepair } from "../queue/finding.ts";
import type { Finding, Verified, VerifyOptions } from "../queue/finding.ts";
import { QueueLayout } from "../queue/layout.ts";
import { removeSite, REMOVED } from "../queue/remove.ts";
import { LEFT_MS, SiteRepair } from "../queue/repair-site.ts";
import { Site } from "../queue/site.ts";
import type { Disk } from "../queue/site.ts";
import { SiteLook, words } from "../queue/verify-site.ts";
import { TopicLayout } from "./layout.ts";
import { isOwnName, isSite, verifyRemoved } from "./verify.ts";

const DRAFT = new RegExp(`^\\.spool\\.json\\.${ID_PATTERN}$`);
const TRIAL = /^\.(doctor-\d+|spool-bench-\w{6})$/;

/** What mkfs makes at the root of a file system. */
const OF_THE_DISK = ["lost+found"];

interface SpoolPlace {
  readonly dir: string;
  readonly disk: Disk;
}

/** The spool's own directory, as a place with an aside/. */
class SpoolSite extends Site {
  readonly layout: { root: string; tmp: string; dedup: string; aside: string; flow: string };

  constructor({ dir, disk }: SpoolPlace) {
    super("the spool", disk);
    this.layout = { root: dir, tmp: dir, dedup: dir, aside: `${dir}/aside`, flow: `${dir}/flow` };
  }

  override draft(): string {
    return `${this.layout.root}/.spool.json.${this.disk.ids.next(Date.now())}`;
  }

  makeAgain(): Promise<void> {
    return Promise.resolve();
  }
}

/** Reads the names above queues and topics. */
export async function verifySpool(
  spool: SpoolPlace,
  options: VerifyOptions = {},
): Promise<Verified> {
  const repair = new SiteRepair(new SpoolSite(spool), options.moved ?? new Set(), []);
  return verifyAndRepair(options, repair.moved, () => new SpoolLook(repair).run());
}

class SpoolLook {
  readonly #repair: SiteRepair;
  readonly #dir: string;
  readonly #findings: Findings;
  readonly #site: SiteLook;

  constructor(repair: SiteRepair) {
    this.#repair = repair;
    this.#dir = repair.site.layout.root;
    this.#findings = new Findings(repair.site.fs);
    this.#site = new SiteLook(repair, undefined, this.#findings);
  }

  async run(): Promise<Findings> {
    const dir = this.#dir;
    await this.#site.directories([`${dir}/aside`, `${dir}/queues`, `${dir}/topics`], true);
    for (const name of await this.#site.list(dir)) await this.#root(name);
    await verifyRemoved(this.#site, this.#repair, dir);
    for (const place of ["queues", "topics"] as const) {
      await verifyRemoved(this.#site, this.#repair, `${dir}/${place}`);
      for (const name of await this.#site.list(`${dir}/${place}`)) await this.#one(place, name);
    }
    await this.#site.aside();
    return this.#findings;
  }

  async #root(name: string): Promise<void> {
    const path = `${this.#dir}/${name}`;
    const isOurs = ["spool.json", "queues", "topics", "aside", ...OF_THE_DISK].includes(name);
    if (isOurs || REMOVED.test(name)) return;
    const seen = await this.#site.statOf(path);
    if (seen === undefined) return;
    const { kind } = seen;
    const ageMs = await this.#site.ageOf(path);
    if (kind === "file" && DRAFT.test(name)) {
      if (ageMs <= LEFT_MS) return;
      const mend = () => this.#repair.remove(path);
      this.#findings.add(path, "left by a writer that is gone", mend, MOVES);
    } else if (kind === "directory" && TRIAL.test(name)) {
      if (ageMs <= ORPHAN_SWEEP_MS) return;
      const { fs, disk } = this.#repair.site;
      const mend = async (): Promise<string | undefined> =>
        (await removeSite({ fs, disk, layout: { root: path } })) ? "cleared" : undefined;
      this.#findings.add(path, "left by a doctor or a bench that was killed", mend, MOVES);
    } else this.#site.foreign(path, "not a name of ours");
  }

  async #one(place: "queues" | "topics", name: string): Promise<void> {
    if (REMOVED.test(name)) return;
    const path = `${this.#dir}/${place}/${name}`;
    const noun = place === "queues" ? "queue" : "topic";
    const seen = await this.#site.statOf(path);
    if (seen === undefined) return;
    const { kind } = seen;
    if (kind !== "directory") this.#site.foreign(path, `${words(kind)}, not a ${noun}`, seen);
    else if (!isNameIn(place, name)) this.#site.foreign(path, "not a name of ours");
    // One that is being made has nothing in it yet.
    else if (!(await isSite(this.#repair.site.fs, layoutIn(place, path)))) {
      const isOld = (await this.#site.ageOf(path)) > LEFT_MS;
      if (isOld) this.#site.foreign(path, `not a ${noun}`, seen);
    }
  }
}

function isNameIn(place: "queues" | "topics", name: string): boolean {
  return place === "topics" ? topicOfDirectory(name) !== undefined : isOwnName(name);
}

const layoutIn = (place: "queues" | "topics", root: string): QueueLayout | TopicLayout =>
  place === "queues" ? new QueueLayout(root) : new TopicLayout(root);

/** The names of all there is to verify, also of what has lost its settings. */
export async function sitesOf({
  dir,
  disk: { fs },
}: SpoolPlace): Promise<{ queues: string[]; topics: string[] }> {
  const queues: string[] = [];
  const topics: string[] = [];
  for (const name of await directoriesIn(fs, `${dir}/queues`)) {
    if (!isNameIn("queues", name)) continue;
    if (await isSite(fs, new QueueLayout(`${dir}/queues/${name}`))) queues.push(name);
  }
  for (const directory of await directoriesIn(fs, `${dir}/topics`)) {
    const topic = topicOfDirectory(directory);
    const root = `${dir}/topics/${directory}`;
    if (topic === undefined || !(await isSite(fs, new TopicLayout(root)))) continue;
    topics.push(topic);
    for (const name of await directoriesIn(fs, `${root}/subscriptions`)) {
      if (!isOwnName(name)) continue;
      const layout = new QueueLayout(`${root}/subscriptions/${name}`);
      if (await isSite(fs, layout)) queues.push(`${topic}/${name}`);
    }
  }
  // Patterns last: which of their links belong to nothing is known when the topics are right.
  const [patterns, plain] = [topics.filter(isPattern), topics.filter((name) => !isPattern(name))];
  return { queues, topics: [...plain, ...patterns] };
}

async function directoriesIn(fs: FileSystem, path: string): Promise<string[]> {
  const directories: string[] = [];
  try {
    for (const name of await fs.list(path)) {
      const isOne = (): Promise<boolean> => isDirectory(fs, `${path}/${name}`);
      if (!name.includes("\ufffd") && (await isOne())) directories.push(name);
    }
  } catch (error) {
    // What cannot be listed, or not be entered, is said elsewhere.
    if (!isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EPERM")) throw error;
  }
  return directories.toSorted();
}

/**
 * Sees to it that a directory with queues or topics in it can be opened as a spool: a spool.json that says
 * nothing is set aside; that it is missing then, or was before, is what it returns.
 */
export async function mendSpoolFile(
  fs: FileSystem,
  dir: string,
  moved: Set<string>,
): Promise<Finding | undefined> {
  const path = `${dir}/spool.json`;
  let isSpool = false;
  for (const place of ["queues", "topics"]) {
    isSpool ||= await ignore(() => fs.list(`${dir}/${place}`), "ENOENT", "ENOTDIR");
  }
  const problem = isSpool ? await complaintAbout(fs, path) : undefined;
  if (problem === undefined) return undefined;
  const repair = "made anew";
  if (problem === "is missing") return { path, problem, repair };
  const kind = kindOf((await fs.space(dir)).type);
  const site = { fs, disk: { random: Math.random, kind }, layout: { aside: `${dir}/aside` } };
  await needAside(fs, site.layout.aside, moved);
  const target = await setAside(site, path, "", () => {});
  if (target === undefined) return { path, problem, repair };
  moved.add(target);
  return { path, problem, repair: `set aside as ${target}, and ${repair}` };
}

/** A link there would lead out of the spool: it makes way. */
async function needAside(fs: FileSystem, aside: string, moved: Set<string>): Promise<void> {
  await makeDirectory(fs, aside);
  if (await isDirectory(fs, aside)) return;
  const away = `${aside}.${Math.floor(Math.random() * 36 ** 6).toString(36)}`;
  if (await ignore(() => fs.rename(aside, away), "ENOENT")) moved.add(away);
  await makeDirectory(fs, aside);
}

/** What is wrong with spool.json; undefined where it says a format, be it one that is too new. */
async function complaintAbout(fs: FileSystem, path: string): Promise<string | undefined> {
  let text: string;
  try {
    if ((await fs.lstat(path)).kind !== "file") return "it is not a regular file";
    text = (await readFile(fs, path, 4096)).toString();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return "is missing";
    throw error;
  }
  try {
    const { format } = JSON.parse(text) as { format?: unknown };
    return typeof format === "number" ? undefined : "it names no format";
  } catch {
    return "it is not JSON";
  }
}
