/** The person's pager and editor, which have the terminal meanwhile (lent-terminal.ts). */
import { makeEditFile } from "../disk/edit-file.ts";
import type { EditFile } from "../disk/edit-file.ts";
import type { LentTerminal } from "./lent-terminal.ts";
import type { Plan } from "./plans.ts";
import { callSpool } from "./spool-command.ts";
import type { Called, Program } from "./spool-command.ts";

/** Files with what is or was edited, until it was put or turned out to be unchanged. */
export class EditFiles {
  readonly #files = new Map<string, EditFile>();

  get paths(): string[] {
    return [...this.#files.keys()];
  }

  make(name: string, bytes: Uint8Array): EditFile {
    const file = makeEditFile(name, bytes);
    const remove = (): void => {
      file.remove();
      this.#files.delete(file.path);
    };
    const known = { ...file, remove };
    this.#files.set(file.path, known);
    return known;
  }
}

/** Shows a message's payload in $PAGER. Returns what is to be said of it. */
export async function showInPager(
  lent: LentTerminal,
  program: Program,
  peek: readonly string[],
): Promise<string> {
  const called = await peeked(lent, program, peek);
  if (typeof called === "string") return called;
  const how = await lent.run("exec ${PAGER:-less}", [], called.stdout);
  return how === "" ? "" : `! ${failed("pager", how)}`;
}

/**
 * Gives a dead letter to $VISUAL or $EDITOR, in a file that only its owner can read. Returns the plan to put it, or a line
 * where there is nothing to be put: it was not changed, it is not there.
 */
export async function edit(
  lent: LentTerminal,
  files: EditFiles,
  program: Program,
  { queue, id, priority }: { queue: string; id: string; priority: number },
): Promise<Plan | string> {
  const args = ["peek", queue, "--state", "dead", "--id", id, "--json"];
  const called = await peeked(lent, program, args);
  if (typeof called === "string") return called;
  let file: EditFile | undefined;
  try {
    const found = JSON.parse(called.stdout.toString()) as Found;
    const before =
      found.body === undefined
        ? Buffer.from(found.body_base64 ?? "", "base64")
        : Buffer.from(found.body);
    file = files.make(id, before);
    const how = await lent.run('exec ${VISUAL:-${EDITOR:-vi}} "$1"', [file.path]);
    const isChanged = !file.read().equals(before);
    if (how === "" && isChanged) return planOfEdited(queue, id, priority, found.headers, file);
    // Editors that are killed save what they have beside the file.
    const isKept = isChanged || (how !== "" && file.hasOthersBeside());
    if (!isKept) file.remove();
    if (how === "") return "not changed: nothing was done";
    const kept = isKept ? `; what was edited is in ${file.path}` : "";
    return `! ${failed("editor", how)}: nothing was done${kept}`;
  } catch (error) {
    if (file?.hasOthersBeside() === false) file.remove();
    return `! ${(error as Error).message}`;
  }
}

interface Found {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly body_base64?: string;
}

/** All of it, before anything else has the terminal: so that an error can be said. */
async function peeked(
  lent: LentTerminal,
  program: Program,
  args: readonly string[],
): Promise<Called | string> {
  const { child, ended } = callSpool(program, args, false);
  const called = await lent.unlessInterrupted(child, ended);
  if (called === undefined) return "given up: the message was not read";
  return called.isDone ? called : `! ${called.why}`;
}

/** So long waits a put into a queue that is full: it may be one where a put waits for ever. */
const ROOM_WAIT = "3s";

/** Puts what was edited, and only then drops what it stands for. */
function planOfEdited(
  queue: string,
  id: string,
  priority: number,
  headers: Found["headers"],
  edited: EditFile,
): Plan {
  const lines = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  return {
    question: `put what was edited into ${queue}, and drop the dead letter`,
    commands: [
      ["put", queue, edited.path, "-p", String(priority), ...lines, "--wait", ROOM_WAIT],
      ["dlq", "drop", queue, id, "-f"],
    ],
    edited,
  };
}

/** Why it did not work, by the program's name, and what to do about it. */
function failed(what: "pager" | "editor", how: string): string {
  const { PAGER, VISUAL, EDITOR } = process.env;
  const [variable, line] =
    what === "pager"
      ? ["PAGER", PAGER || "less"]
      : [VISUAL ? "VISUAL" : "EDITOR", VISUAL || EDITOR || "vi"];
  const name = line.trim().split(/\s+/)[0];
  if (how === "exit 127") return `there is no ${what} ${name}: set $${variable}`;
  if (how === "exit 126") return `the ${what} ${name} cannot be run: set $${variable}`;
  return `the ${what} ${name} ended with ${how}`;
}
