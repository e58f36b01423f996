/**
 * What everybody in the soak has heard and seen, one line of JSON each, appended to files beside the
 * spool, so that a kill loses nothing of it.
 *
 *   put     a put or publish has said success: from here on it has to come, in each of these queues
 *   undone  a publish has said that nobody got it
 *   got     a message was delivered
 *   acked   its ack has returned
 *   wrong   something that must not be
 *
 * Times are of the machine's monotonic clock, the same for all processes.
 */
import { appendFileSync, readdirSync, readFileSync } from "node:fs";

export interface Note {
  readonly what: "put" | "undone" | "got" | "acked" | "wrong";
  /** A subscription's name, a queue's, or a topic's for what was published. */
  readonly queue: string;
  /** The payload, made once. */
  readonly token: string;
  /** The message's, where it is known. */
  readonly id?: string;
  readonly who: string;
  /** In ms. */
  readonly at: number;
}

export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export class Journal {
  readonly #path: string;
  readonly #who: string;

  constructor(directory: string, who: string) {
    this.#path = `${directory}/${who}`;
    this.#who = who;
  }

  say(what: Note["what"], queue: string, token: string, id?: string, who = this.#who): void {
    const note = { what, queue, token, who, at: nowMs(), ...(id !== undefined && { id }) };
    appendFileSync(this.#path, `${JSON.stringify(note)}\n`);
  }
}

/** What a worker's command writes down: without a process of its own, so that it costs little. */
export const NOTE_COMMAND =
  'IFS= read -r token || :; read -r up _ </proc/uptime; echo "$SPOOL_QUEUE $token $SPOOL_ID $WHO $up" >>"$NOTES.sh"';

export function notesIn(directory: string): Note[] {
  const notes: Note[] = [];
  for (const name of readdirSync(directory)) {
    const lines = readFileSync(`${directory}/${name}`, "utf8").split("\n").filter(Boolean);
    const parse = name.endsWith(".sh") ? ofShell : (line: string) => JSON.parse(line) as Note;
    for (const line of lines) notes.push(parse(line));
  }
  return notes;
}

function ofShell(line: string): Note {
  const [queue = "", token = "", id = "", who = "", up = ""] = line.split(" ");
  return { what: "got", queue, token, id, who, at: Number(up) * 1000 };
}
