/** A file that holds one payload and nothing else, for a program that wants a path or a stdin. */
import * as fs from "node:fs";

import { isOfSystem } from "../errors.ts";

/** Writes the blocks to a new file; where that fails, there is none. */
export async function writePayload(path: string, blocks: AsyncIterable<Buffer>): Promise<void> {
  const fd = fs.openSync(path, "wx", 0o600);
  try {
    try {
      for await (const block of blocks) {
        for (let done = 0; done < block.length;) {
          done += fs.writeSync(fd, block, done, block.length - done);
        }
      }
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    dropPayload(path);
    throw error;
  }
}

/** Removes it, where a command has not. What stays is swept when we are gone. */
export function dropPayload(path: string): void {
  try {
    fs.unlinkSync(path);
  } catch (error) {
    if (!isOfSystem(error)) throw error;
  }
}
