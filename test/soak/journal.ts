/**
 * What everybody in the soak has heard and seen, one line of JSON each, appended to files beside the
 * spool, so that a kill loses nothing of it.
 *
 *   put     a put or publish has said success: from here on it has to come, in each of these queues
 *   undone  a publish has said that nobody got it
 *   got     a message was delivered
 *   acking  its ack is about to begin; who has not said so has not acked it
 *   acked   its ack has returned
 *   back    its nack, or its reject, has returned: it was still his since the call began, so whoever had
 *           it before has not acked it, and it has to come again
 *   killed  whoever it was is dead by now: what his command says later, it says in vain
 *   wrong   something that must not be
 *
 * Times are of the machine's monotonic clock, the same for all processes.
 */
import { appendFileSync, readdirSync, readFileSync } from "node:fs";

export interface Note {
  readonly what: "put" | "undone" | "got" | "acking" | "acked" | "back" | "killed" | "wrong";
  /** A subscription's name, a queue's, or a topic's for what was published. */
  readonly queue: string;
  /** The payload, made once. */
  readonly token: string;
  /** The message's, where it is known. */
  readonly id?: string;
  readonly who: string;
  /** In ms. */
  readonly at: number;
  /** Of `back`: when the call began. */
  readonly since?: number;
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
    this.#write({ what, queue, token, who, at: nowMs(), ...(id !== undefined && { id }) });
  }

  /** Of a call that has returned, and had begun at `since`. */
  back(queue: string, token: string, since: number, who = this.#who): void {
    this.#write({ what: "back", queue, token, who, at: nowMs(), since });
  }

  #write(note: Note): void {
    appendFileSync(this.#path, `${JSON.stringify(note)}\n`);
  }
}

/**
 * What a worker's command does, mostly without a process of its own, so that it costs little. Of ten messages
 * one fails at its first attempt, and one takes so long that its worker may be killed meanwhile.
 */
export const NOTE_COMMAND = `
IFS= read -r token || :
note() {
  read -r up _ </proc/uptime
  echo "$1 $SPOOL_QUEUE $token $SPOOL_ID $WHO $up" >>"$NOTES.sh"
}
note got
case $SPOOL_ATTEMPT$token in
  1*7) exit 1 ;;
  *8) sleep 0.4 ;;
esac
note acking`;

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
  const [what = "", queue = "", token = "", id = "", who = "", up = ""] = line.split(" ");
  return { what: what as Note["what"], queue, token, id, who, at: Number(up) * 1000 };
}
