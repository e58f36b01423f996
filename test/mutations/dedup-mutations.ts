/** Bugs in putting once for each key. */
import { POWER } from "./mutation.ts";
import type { Mutation } from "./mutation.ts";

const DEDUP = "queue/dedup.ts";
const KEYED = [
  "test/queue",
  "test/crash/put.test.ts",
  "test/crash/topic-publish.test.ts",
  "test/model",
];

const FINISHED_LATER =
  "Before it is placed its name in tmp/ and its markers are safe, and so is a new bucket before something goes into " +
  "it. So after the cut it is where it was placed, or in tmp/ with its markers: whoever sweeps, or puts with the " +
  "same key, delivers it.";

export const DEDUPS: readonly Mutation[] = [
  {
    name: "key: marked before its batch is synced",
    file: DEDUP,
    find: ['    if (sync === "disk") await fs.sync(draft.fd);', "    else await draft.close();"],
    replace: '    if (sync !== "disk") await draft.close();',
    breaks: "After a power cut a key stands for a batch that is torn.",
    catchers: POWER,
  },
  {
    name: "key: success before its names are synced",
    file: DEDUP,
    find: [
      '  if (sync === "disk") {',
      "    await syncMarker(delivery, `${layout.dedup}/${next}/${hash}`, slice.batch, placed);",
      "  }",
    ],
    replace: "void [placed, layout];",
    breaks: "A put with a key that said success is lost in a power cut.",
    catchers: POWER,
  },
  {
    name: "key: a duplicate said before the first is safe",
    file: DEDUP,
    find: 'if (sync === "disk" && id !== undefined) await syncMarker(delivery, marker, id);',
    replace: "",
    breaks: "A put that is answered with an earlier id is lost in a power cut, with that one.",
    catchers: POWER,
  },
  {
    name: "key: no sync of directories, careful disk",
    file: DEDUP,
    find: [
      "  for (const directory of [dirname(marker), layout.dedup, ...places]) {",
      '    await ignore(() => syncDirectory(fs, directory), "ENOENT");',
    ],
    replace: [
      "  for (const directory of [dirname(marker), layout.dedup, ...places]) {",
      "    void [fs, directory];",
    ],
    breaks: "A put with a key says success before its names are safe.",
    survives: FINISHED_LATER,
    catchers: POWER,
  },
  {
    name: "key: marked before its draft's name is safe, careful disk",
    file: DEDUP,
    find: 'if (sync === "disk" && !site.disk.kind.oneSync) await syncDirectory(site.fs, layout.tmp);',
    replace: "",
    breaks:
      "A power cut leaves the markers and not the batch: a second put is told that it was put.",
    catchers: POWER,
  },
  {
    name: "key: markers not synced before delivery, careful disk",
    file: DEDUP,
    find: 'if (sync === "disk") await syncMarkers(site, [current, next]);',
    replace: "void syncMarkers;",
    breaks: "A power cut leaves the message and not its markers: the same key is delivered again.",
    catchers: POWER,
  },
  {
    name: "key: the bucket of another finisher not synced",
    file: "queue/intake.ts",
    find: "if (names.some((name) => name.includes(batch))) directories.push(path);",
    replace: "void [names, batch];",
    breaks: "What somebody else has placed, who died then, may be lost although success was said.",
    survives: FINISHED_LATER,
    catchers: POWER,
  },
  {
    name: "key: marked after delivery",
    file: DEDUP,
    find: [
      "  for (const epoch of [current, next]) {",
      "    const directory = `${layout.dedup}/${epoch}`;",
      "    const rival = await mark(site, keyed, inode, directory, hash);",
    ],
    replace: [
      "  const early = await delivery.deliver(keyed, slice, sync);",
      "  for (const epoch of [current, next]) {",
      "    const directory = `${layout.dedup}/${epoch}`;",
      '    await ignore(() => site.fs.mkdir(directory), "EEXIST");',
      "    const rival =",
      "      early === undefined",
      "        ? await mark(site, keyed, inode, directory, hash)",
      "        : ((await inodeAt(site, `${directory}/${hash}`)) ?? inode);",
      '    await ignore(() => site.fs.link(early ?? keyed, `${directory}/${hash}`), "EEXIST", "ENOENT");',
    ],
    breaks: "Two puts with one key are both delivered; so is one that died between the two.",
    catchers: KEYED,
  },
  {
    name: "key: only this epoch marked",
    file: DEDUP,
    find: "for (const epoch of [current, next]) {",
    replace: "for (const epoch of [current]) {",
    breaks: "A key is forgotten at the end of the epoch, be it a moment after the put.",
    catchers: KEYED,
  },
  {
    name: "key: first marker not taken back",
    file: DEDUP,
    find: "if (epoch === next) await unmark(site, `${layout.dedup}/${current}/${hash}`, inode);",
    replace:
      "if (epoch === undefined) await unmark(site, `${layout.dedup}/${current}/${hash}`, inode);",
    breaks: "A key stands for a batch that gave way and was never delivered.",
    catchers: KEYED,
  },
  {
    name: "key: EEXIST taken for one's own marker",
    file: DEDUP,
    find: "if (marker !== undefined) return marker;",
    replace: "if (marker !== undefined) return inode;",
    breaks: "The same key is delivered twice.",
    catchers: KEYED,
  },
  {
    name: "key: a rival's batch answered and not finished",
    file: DEDUP,
    find: "return finishOther(delivery, path, rival, sync);",
    replace: "return idInHeader(site, path, rival);",
    breaks: "A put says that its message was put before, and it is not delivered yet.",
    catchers: KEYED,
  },
  {
    name: "key: a marked batch of the dead dropped",
    file: DEDUP,
    find: "((await isMarked(current)) || (await isMarked(next)))",
    replace: "hash === sliceName",
    breaks: "A key stands for a batch that was never delivered.",
    catchers: KEYED,
  },
  {
    name: "key: a batch of the dead swept as a draft",
    file: "queue/sweep.ts",
    find: "const isSwept = isKeyed(name)",
    replace: "const isSwept = isKeyed(name) && name.length > 255",
    breaks: "A key stands for a batch that was never delivered.",
    catchers: KEYED,
  },
  {
    name: "key: a batch of the dead with its second marker alone swept",
    file: DEDUP,
    find: "((await isMarked(current)) || (await isMarked(next)))",
    replace: "(await isMarked(current))",
    breaks: "A key stands for a batch that was never delivered.",
    catchers: POWER,
  },
  {
    name: "key: forgotten too early",
    file: "queue/forget-keys.ts",
    find: "const oldestMs = nowMs - 3 * windowMs;",
    replace: "const oldestMs = nowMs + windowMs;",
    breaks: "A key that was seen within its window is delivered again.",
    catchers: KEYED,
  },
];
