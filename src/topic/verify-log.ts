/** Verify a topic's log: its buckets, and a whole batch behind each name, each once. */
import { ID_PATTERN } from "../message/id.ts";
import { parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { BatchChecker } from "../queue/batch-check.ts";
import { MOVES } from "../queue/finding.ts";
import type { SiteLook } from "../queue/verify-site.ts";
import type { TopicParts } from "./sweep.ts";

const BUCKET = new RegExp(`^${ID_PATTERN}$`);

export async function verifyLog(
  { room, log }: TopicParts,
  site: SiteLook,
  checker: BatchChecker,
): Promise<void> {
  const seen = new Map<string, string>();
  for (const bucket of await site.list(room.layout.log)) {
    const directory = `${room.layout.log}/${bucket}`;
    const dir = await site.statOf(directory);
    if (dir === undefined) continue;
    if (!BUCKET.test(bucket) || dir.kind !== "directory") {
      site.foreign(directory, "not a bucket of the log", dir);
      continue;
    }
    for (const name of await site.list(directory)) {
      await room.breathe();
      const path = `${directory}/${name}`;
      const slice = parseSlice(name);
      if (slice === undefined) site.foreign(path, "not a name of ours");
      else if (await isWhole(path, slice)) {
        const other = seen.get(slice.batch);
        if (other !== undefined) site.needless(path, `is in the log already, as ${other}`, other);
        else if (slice.batch < bucket) {
          const mend = async (): Promise<string | undefined> => {
            const placed = await log.add(path, slice);
            return placed === undefined || placed === path ? undefined : `moved to ${placed}`;
          };
          site.findings.add(path, `is older than its bucket, ${bucket}`, mend, MOVES);
        }
        seen.set(slice.batch, other ?? path);
      }
    }
  }

  async function isWhole(path: string, slice: Slice): Promise<boolean> {
    const { state, problem, stat } = await checker.check(path, slice);
    if (state === "gone") return false;
    site.findings.count(slice);
    if (state === "unreadable") site.findings.add(path, problem);
    else if (state !== "intact") site.foreign(path, problem, stat);
    return state === "intact";
  }
}
