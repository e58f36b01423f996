/**
 * A small file that other programs read at any time, replaced as a whole: they see the old one or the new one.
 *
 * It is written beside its name, as a dot file that ends in no suffix a reader looks for, and renamed to it.
 * It is not synced, because the next one is on its way. Where anything fails nothing is left, and the old file stays.
 */
import * as fs from "node:fs";
import { basename, dirname } from "node:path";

/** The owner of the file is one user, and its reader mostly another one: for everybody, whatever the umask. */
const MODE = 0o644;

/** @throws what the system calls throw */
export function replaceTextFile(path: string, text: string): void {
  const draft = `${dirname(path)}/.${basename(path)}.${process.pid}`;
  // Of a process with our number that was killed right here.
  fs.rmSync(draft, { force: true });
  const fd = fs.openSync(draft, "wx", MODE);
  try {
    try {
      const bytes = Buffer.from(text);
      for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done);
      fs.fchmodSync(fd, MODE);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(draft, path);
  } catch (error) {
    fs.rmSync(draft, { force: true });
    throw error;
  }
}
