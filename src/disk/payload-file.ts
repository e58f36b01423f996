/** A file that holds one payload and nothing else, for a program that wants a path or a stdin. */
import * as fs from "node:fs";

/** Writes the blocks to a new file; returns a descriptor that reads it from its start. */
export async function writePayload(path: string, blocks: AsyncIterable<Buffer>): Promise<number> {
  const fd = fs.openSync(path, "wx+", 0o600);
  try {
    let at = 0;
    for await (const block of blocks) {
      for (let done = 0; done < block.length;) {
        const count = fs.writeSync(fd, block, done, block.length - done, at);
        done += count;
        at += count;
      }
    }
    return fd;
  } catch (error) {
    fs.closeSync(fd);
    fs.rmSync(path, { force: true });
    throw error;
  }
}

/** Removes it; the descriptor, where it is still open, is closed. */
export function dropPayload(path: string, fd: number): void {
  fs.closeSync(fd);
  fs.rmSync(path, { force: true });
}
