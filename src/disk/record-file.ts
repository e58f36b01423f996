/** A file of lines that is appended to while something goes on, and read later as a whole. No message depends on it. */
import * as fs from "node:fs";

export class RecordFile {
  readonly path: string;
  readonly #fd: number;

  /** @throws EEXIST  it is never written over; and what else the system says. */
  constructor(path: string) {
    this.path = path;
    this.#fd = fs.openSync(path, "ax", 0o644);
  }

  /** @throws what the system says, a full disk included. */
  append(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    for (let done = 0; done < bytes.length;) done += fs.writeSync(this.#fd, bytes, done);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }

  /** There is nothing worth keeping in it. */
  remove(): void {
    this.close();
    try {
      fs.unlinkSync(this.path);
    } catch {
      // Then there is an empty recording.
    }
  }
}

/** Its lines; one that was cut off by the end of whoever wrote it is left out. @throws what the system says. */
export function readRecord(path: string): string[] {
  const lines = fs.readFileSync(path, "utf8").split("\n");
  lines.pop();
  return lines;
}
