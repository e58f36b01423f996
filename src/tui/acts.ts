/** What a person has done from the screen: plans that run, a message in the pager or the editor, and the way out. */
import type { Answered, State } from "../stats/detail.ts";
import { edit, EditFiles, showInPager } from "./editor.ts";
import type { LentTerminal } from "./lent-terminal.ts";
import { PlanRunner } from "./plan-runner.ts";
import type { Plan } from "./plans.ts";
import type { Program } from "./spool-command.ts";

/** As `put` has it. */
const DEFAULT_PRIORITY = 4;

/** The session, as far as it is needed here. */
export interface Screen {
  note(text: string): void;
  ask(plan: Plan): void;
  lookAgain(): void;
  /** The last answer to what is looked at. */
  answered(): Answered | undefined;
}

export class Acts {
  readonly #program: Program;
  readonly #screen: Screen;
  readonly #plans: PlanRunner;
  readonly #files = new EditFiles();
  #isLeaving = false;
  #unsaid: string[] = [];

  constructor(program: Program, screen: Screen) {
    this.#program = program;
    this.#screen = screen;
    this.#plans = new PlanRunner(program);
  }

  /** Somebody wants to quit, and something runs. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** What runs, for the last line of the screen. */
  get busy(): string {
    const { running } = this.#plans;
    if (running === "") return "";
    return this.#isLeaving ? `q again ends at once; ends after: ${running} ...` : `${running} ...`;
  }

  /** What has to be said when the screen is gone. */
  get lastWords(): string[] {
    return [...this.#unsaid, ...this.#files.paths.map((path) => `edited and not put: ${path}`)];
  }

  /** Runs what was said yes to, and looks again at once. */
  async run(plan: Plan): Promise<void> {
    const running = this.#plans.run(plan);
    this.#screen.note("");
    const said = await running;
    this.#screen.lookAgain();
    this.#screen.note(said);
  }

  /** A payload in the pager. */
  async page(
    lent: LentTerminal,
    { queue, state, id }: { queue: string; state: State; id: string },
  ): Promise<void> {
    const peek = ["peek", queue, "--state", state, "--id", id];
    this.#screen.note(await showInPager(lent, this.#program, peek));
  }

  /** A dead letter in the editor; then asks whether it is to be put. What it is now is told only now: it may be gone then. */
  editing({ queue, id }: { queue: string; id: string }): (lent: LentTerminal) => Promise<void> {
    const priority = priorityOf(this.#screen.answered(), id);
    return async (lent) => {
      const plan = await edit(lent, this.#files, this.#program, { queue, id, priority });
      if (typeof plan === "string") this.#screen.note(plan);
      else this.#screen.ask(plan);
    };
  }

  /** Resolves when nothing runs; told twice, when no further command does. */
  async leave(): Promise<void> {
    if (this.#plans.running === "") return;
    if (this.#isLeaving) return this.stop();
    this.#isLeaving = true;
    this.#screen.note("");
    this.#unsaid = await this.#plans.settled();
  }

  /** Resolves soon, and begins no further command of a plan. */
  async stop(): Promise<void> {
    this.#isLeaving = true;
    if (this.#plans.running !== "") this.#unsaid = await this.#plans.stop();
  }
}

function priorityOf(answered: Answered | undefined, id: string): number {
  const detail = answered?.detail;
  const rows =
    detail?.kind === "messages" ? detail.rows : detail?.kind === "message" ? [detail.message] : [];
  return rows.find((row) => row?.id === id)?.priority ?? DEFAULT_PRIORITY;
}
