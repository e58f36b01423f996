/**
 * The counts of many directories, and of which state of each they are.
 *
 * A count is used again while its directory is in the same state. That is told by inode, mtime and ctime; the
 * last one nobody can set, so a backup that is unpacked over a directory does not pass for what was there.
 * Times move in ticks, so what was read of a directory is kept only if it had been quiet for a while by
 * then: what comes next could have the same time. All this is as true of what another
 * process has counted: nothing but the directory is asked.
 *
 * Rows of numbers and not objects, because there may be many, and most of them are only compared and
 * added up; and so they can be written to a file as they are.
 */
import type { FileStat } from "../disk/file-system.ts";
import type { Count, Total } from "./tally.ts";

/** Which state of a directory was read. */
export type Stamp = Pick<FileStat, "inode" | "mtimeMs" | "ctimeMs">;

/** Numbers of a row: the state, when the count is true, what it says. */
export const ROW = 14;

/** Where they stand in a row; the inode comes first. */
const MTIME = 1;
const CTIME = 2;
const FROM = 3;
const UNTIL = 4;
const NEXT_DUE = 5;
const READY = 6;
const SCHEDULED = 9;
const RETRYING = 11;
const EXPIRED = 13;

export class CountTable {
  /** Of the directories, sorted. They stay what they are, so an index means one directory for good. */
  readonly names: readonly string[];
  readonly rows: Float64Array;

  constructor(
    names: readonly string[] = [],
    rows: Float64Array = new Float64Array(ROW * names.length),
  ) {
    this.names = names;
    this.rows = rows;
  }

  /** Another table, of these directories, with all that is known of them here. */
  withNames(names: readonly string[]): CountTable {
    const other = new CountTable(names);
    let from = 0;
    for (const [at, name] of names.entries()) {
      while (from < this.names.length && this.names[from]! < name) from++;
      if (this.names[from] !== name) continue;
      other.rows.set(this.rows.subarray(ROW * from, ROW * (from + 1)), ROW * at);
    }
    return other;
  }

  /** True where the count is of this state of the directory, and holds at that time. */
  isTrue(index: number, stat: Stamp, nowMs: number): boolean {
    const rows = this.rows;
    const at = ROW * index;
    return (
      rows[at] === stat.inode &&
      rows[at + MTIME] === stat.mtimeMs &&
      rows[at + CTIME] === stat.ctimeMs &&
      nowMs >= rows[at + FROM]! &&
      nowMs < rows[at + UNTIL]!
    );
  }

  /** @param stat  undefined where the directory may have changed unseen: then the count is for once. */
  set(index: number, stat: Stamp | undefined, count: Count): void {
    const { ready, scheduled, retrying, expired, fromMs, untilMs, nextDueMs } = count;
    const at = ROW * index;
    const { inode, mtimeMs, ctimeMs } = stat ?? { inode: 0, mtimeMs: 0, ctimeMs: 0 };
    this.rows.set([inode, mtimeMs, ctimeMs, fromMs, untilMs, nextDueMs], at);
    this.rows.set([ready.messages, ready.bytes, ready.oldestMs], at + READY);
    this.rows.set([scheduled.messages, scheduled.bytes], at + SCHEDULED);
    this.rows.set([retrying.messages, retrying.oldestMs], at + RETRYING);
    this.rows.set([expired.messages], at + EXPIRED);
  }

  addTo(total: Total, index: number): void {
    const { rows } = this;
    const at = ROW * index;
    total.ready.add(rows[at + READY]!, rows[at + READY + 1]!, rows[at + READY + 2]);
    total.scheduled.add(rows[at + SCHEDULED]!, rows[at + SCHEDULED + 1]!);
    total.retrying.add(rows[at + RETRYING]!, 0, rows[at + RETRYING + 1]);
    total.expired.add(rows[at + EXPIRED]!, 0);
    total.nextDueMs = Math.min(total.nextDueMs, rows[at + NEXT_DUE]!);
  }
}
