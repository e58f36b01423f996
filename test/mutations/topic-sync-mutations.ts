/** Bugs in what topics sync, and when. */
import { POWER } from "./mutation.ts";
import type { Mutation } from "./mutation.ts";

const FAN_OUT = "topic/fan-out.ts";

export const TOPIC_SYNCS: readonly Mutation[] = [
  {
    name: "publish: not synced before it is staged",
    file: "topic/publish.ts",
    find: 'const written = sync === "disk" ? syncOf(this.site, draft) : draft.close();',
    replace:
      'const written = sync === "none" ? draft.close() : Promise.resolve().then(() => void syncOf);',
    breaks: "After a power cut some subscriptions have a torn file.",
    catchers: POWER,
  },
  {
    name: "publish: not synced before success, one-sync disk",
    file: "topic/publish.ts",
    find: 'if (sync === "disk" && this.site.disk.kind.oneSync) await fs.sync(draft.fd);',
    replace: "void fs;",
    breaks: "A publish says success before its names are on the disk.",
    catchers: POWER,
  },
  {
    name: "publish: links not synced before the commit, careful disk",
    file: FAN_OUT,
    find: "await this.#syncIfCareful(sync, new Set(planted.map(({ member }) => member.incoming)));",
    replace: "void sync;",
    breaks: "A power cut keeps the commit and not the links: some get it, and some do not.",
    catchers: POWER,
  },
  {
    name: "publish: commit not synced, careful disk",
    file: FAN_OUT,
    find: "    await this.#syncIfCareful(sync, [layout.committed]);\n",
    replace: "    void sync;\n",
    breaks:
      "A power cut keeps what was made visible and not the commit: it is undone for the others.",
    catchers: POWER,
  },
  {
    name: "publish: what was made visible not synced, careful disk",
    file: FAN_OUT,
    find: "else await this.#syncIfCareful(sync, directories);",
    replace: "else void directories;",
    breaks: "A power cut loses what is ready after its ticket has gone.",
    catchers: POWER,
  },
  {
    name: "publish: what others made visible not synced",
    file: FAN_OUT,
    find: "else others.add(one.member);",
    replace: "",
    breaks: "A ticket goes before what somebody else made visible, who died then, is safe.",
    catchers: POWER,
    survives:
      "incoming/ is synced, too, and a rename is whole or not: what has safely left there is safe where it went.",
  },
  {
    name: "publish: log not synced, careful disk",
    file: FAN_OUT,
    find: "if (kept !== undefined) await this.#syncIfCareful(sync, [dirname(kept), layout.log]);",
    replace: "void kept;",
    breaks: "The log loses in a power cut what was published.",
    catchers: POWER,
  },
  {
    name: "publish: copies not synced",
    file: FAN_OUT,
    find: 'if (options.sync === "disk" && this.#room.disk.kind.oneSync) await source.sync();',
    replace: "",
    breaks: "The names of a copy, made where a file has no more links, are lost in a power cut.",
    catchers: POWER,
    survives:
      "A copy was synced when it was made. On ext4 and XFS the last sync of the batch keeps all that came before; btrfs writes down the names of what it has in its log.",
  },
  {
    name: "topic: made without syncs of its directories",
    file: "topic/topic-room.ts",
    find: "for (const directory of [...above, layout.staging]) await syncDirectory(fs, dirname(directory));",
    replace: "void [above, syncDirectory];",
    breaks: "A topic that is there may vanish in a power cut.",
    catchers: POWER,
  },
  {
    name: "subscribe: not synced",
    file: "topic/subscribe.ts",
    find: "    await syncDirectory(fs, dirname(to));\n",
    replace: "    void [syncDirectory, dirname];\n",
    breaks: "A subscription that was made is lost in a power cut.",
    catchers: POWER,
  },
  {
    name: "fill: buckets not synced",
    file: "topic/fill.ts",
    find: "      await syncNames(this.#room.disk, layout.bucket(bucket));\n",
    replace: "      void [syncNames, bucket];\n",
    breaks: "A subscription is there after a power cut, and what it began with is not.",
    catchers: POWER,
  },
  {
    name: "names: synced by their directory, btrfs",
    file: "disk/durable.ts",
    find: "if (kind.ordered || !kind.oneSync) {",
    replace: "if (kind.ordered || kind.oneSync || !kind.oneSync) {",
    breaks: "A power cut on btrfs leaves a link in two directories, or in none.",
    catchers: POWER,
    survives:
      "Not harmless: real power cuts find it, where what is simulated of btrfs does not. A replay was there twice in 46 of fewer than 200 states, and in none of 200 without the bug (node test/power/run.ts --fs btrfs --roles publish,publish,publish,consume,manage,manage,manage --seconds 15 --states 300 --seed 21).",
  },
  {
    name: "log: bucket not synced before it is used, careful disk",
    file: "topic/log.ts",
    find: "if (!disk.kind.ordered) await syncDirectory(fs, layout.log);",
    replace: "void syncDirectory;",
    breaks: "A batch is lost with the bucket of the log that it goes to.",
    catchers: POWER,
    survives:
      "The log's directory is synced before success is said, and only the log needs the bucket.",
  },
  {
    name: "fill: ready/ not synced",
    file: "topic/fill.ts",
    find: "    await syncDirectory(fs, layout.ready);\n",
    replace: "",
    breaks: "A subscription is there after a power cut, and a bucket of what it began with is not.",
    catchers: POWER,
    survives:
      "On a careful disk a new bucket is safe before it is used; elsewhere the syncs of the files or buckets before it keep its name.",
  },
  {
    name: "replay: links not synced before the commit",
    file: "topic/replay.ts",
    find: "await syncNames(this.#room.disk, subscriber.incoming);",
    replace: "void syncNames;",
    breaks: "A power cut keeps the commit and not all of the links.",
    catchers: POWER,
  },
  {
    name: "replay: commit not synced",
    file: "topic/replay.ts",
    find: [
      '    if (disk.kind.oneSync) await ignore(() => syncFile(fs, to), "ENOENT");',
      "    else await syncDirectory(fs, layout.committed);",
    ],
    replace: "void syncFile;",
    breaks: "A power cut keeps what was made visible and not the commit: the rest is undone.",
    catchers: POWER,
  },
  {
    name: "replay: what was made visible not synced",
    file: FAN_OUT,
    find: 'if (ticket.kind === "replay") await this.#syncAll(directories);',
    replace: 'if (ticket.kind === "replay") void directories;',
    breaks: "A replay that said success is lost in a power cut.",
    catchers: POWER,
  },
  {
    name: "replay: end of the ticket not synced",
    file: "topic/replay.ts",
    find: "if (this.#room.disk.kind.ordered) await syncDirectory(this.#room.fs, layout.committed);",
    replace: "",
    breaks: "After a power cut the ticket is there again.",
    catchers: POWER,
    survives: "Whoever recovers finds nothing left to make visible, and drops the ticket.",
  },
];
