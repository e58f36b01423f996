/** A file for a person's editor: in a directory of its own outside of any spool, that only its owner can read. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";

export interface EditFile {
  readonly path: string;
  read(): Buffer;
  /** True where an editor has left more than the file: a swap file, a copy. */
  hasOthersBeside(): boolean;
  remove(): void;
}

/** @throws what the system says. */
export function makeEditFile(name: string, bytes: Uint8Array): EditFile {
  const directory = fs.mkdtempSync(`${tmpdir()}/spool-edit-`);
  const path = `${directory}/${name}`;
  const remove = (): void => fs.rmSync(directory, { recursive: true, force: true });
  try {
    fs.writeFileSync(path, bytes, { mode: 0o600 });
  } catch (error) {
    remove();
    throw error;
  }
  const hasOthersBeside = (): boolean =>
    // An editor may have removed all of it.
    fs.existsSync(directory) && fs.readdirSync(directory).some((one) => one !== name);
  return { path, read: () => fs.readFileSync(path), hasOthersBeside, remove };
}
