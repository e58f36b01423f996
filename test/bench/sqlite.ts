/**
 * A queue in SQLite, as one would write it: WAL, synchronous=FULL, a transaction for each 256 rows.
 *
 * Taken and acked at its fastest: 256 rows are claimed in one transaction and deleted one by one
 * in another. No index for what waits: one consumer leaves no more than a transaction's rows taken before it, and
 * without it all is a third faster.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";

import { PAYLOAD } from "./ground.ts";

const ROWS = 256;

export class SqliteQueue {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** @param sync  FULL: a commit is safe when it returns; NORMAL: it need not be. */
  static async open(dir: string, sync: "FULL" | "NORMAL" = "FULL"): Promise<SqliteQueue> {
    const { DatabaseSync: Database } = await import("node:sqlite");
    mkdirSync(dir);
    const db = new Database(join(dir, "queue.db"));
    db.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${sync}; PRAGMA wal_autocheckpoint = 10000;` +
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, taken INTEGER NOT NULL DEFAULT 0, body BLOB);",
    );
    return new SqliteQueue(db);
  }

  put(count: number): void {
    const insert = this.#db.prepare("INSERT INTO jobs (body) VALUES (?)");
    for (let done = 0; done < count; done += ROWS) {
      this.#db.exec("BEGIN IMMEDIATE");
      for (let at = done; at < Math.min(count, done + ROWS); at++) insert.run(PAYLOAD);
      this.#db.exec("COMMIT");
    }
  }

  /** Takes and acks all; returns how many there were. */
  takeAll(): number {
    const claim = this.#db.prepare(
      "UPDATE jobs SET taken = 1 WHERE id IN " +
        `(SELECT id FROM jobs WHERE taken = 0 ORDER BY id LIMIT ${ROWS}) RETURNING id, body`,
    );
    const remove = this.#db.prepare("DELETE FROM jobs WHERE id = ?");
    for (let taken = 0; ;) {
      const rows = claim.all();
      if (rows.length === 0) return taken;
      this.#db.exec("BEGIN IMMEDIATE");
      for (const { id } of rows) remove.run(id as number);
      this.#db.exec("COMMIT");
      taken += rows.length;
    }
  }

  close(): void {
    this.#db.close();
  }
}
