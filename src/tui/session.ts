/**
 * One run of `spool top` without its terminal: what was sampled, what the person has chosen, and the lines that
 * follow from both. Tells who draws that there is something new, no more often than is worth drawing.
 */
import type { Failure } from "../stats/sampler-messages.ts";
import { isAnswerTo } from "../stats/detail.ts";
import type { Sample } from "../stats/sample.ts";
import type { Source } from "../stats/told.ts";
import { Acts } from "./acts.ts";
import { confirming } from "./asking.ts";
import { DepthHistory } from "./depth-history.ts";
import type { HeadLook } from "./head.ts";
import { askOf, settleInside } from "./inside.ts";
import { contentOf, graphParts } from "./inside-lines.ts";
import { linesOf, pageOf } from "./lines.ts";
import type { Size } from "./lines.ts";
import { click } from "./mouse.ts";
import type { Plan } from "./plans.ts";
import type { ThemeName } from "./theme.ts";
import { Arranged } from "./arranged.ts";
import type { List } from "./arranged.ts";
import { seenForGood, seenNow } from "./seen.ts";
import type { Seen } from "./seen.ts";
import type { Row } from "./tree.ts";
import { press, settle } from "./ui.ts";
import { firstUi } from "./ui-state.ts";
import type { Effect, Ui } from "./ui-state.ts";

/** News is drawn so often, in ms; a key at once, of what was news then. */
const NEWS_MS = 900;

/** Clock and ages go on without news. */
const TICK_MS = 1000;

export interface SessionOptions {
  /** Where the figures come from; `onNews` is to be called when there are new ones. */
  readonly open: (onNews: () => void) => Source;
  readonly dir: string;
  readonly intervalMs: number;
  /** A program for Node that is `spool`. */
  readonly path: string;
  /** Something that is to be said as long as nothing else is. */
  readonly complaint?: () => string | undefined;
  readonly theme: ThemeName;
  readonly isAscii: boolean;
  /** Nothing can be changed from here. */
  readonly isReadonly: boolean;
  /** What was given as -C. */
  readonly givenDir: string | undefined;
  /** For what is to be said when the screen is gone, a line each. */
  readonly say: (line: string) => void;
}

export class Session {
  readonly sampler: Source;
  readonly acts: Acts;
  readonly #options: SessionOptions;
  readonly #depths = new DepthHistory();
  readonly #ticks: NodeJS.Timeout;
  #draw = (): void => {};
  #ui: Ui;
  #size: Size = { columns: 80, rows: 24 };
  #frozen: Seen | undefined;
  #rounds = 0;
  /** Counts up where what is new is to be drawn: sorting it for each key would take longer than the key. */
  #version = 0;
  readonly #arranged = new Arranged();
  #newsTimer: NodeJS.Timeout | undefined;
  #drawnMs = 0;
  #told: ((failure: Failure | undefined) => void) | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#ui = firstUi(options.intervalMs, options.theme, options.isReadonly);
    this.sampler = options.open(() => this.#news());
    const screen = {
      note: (text: string) => this.note(text),
      ask: (plan: Plan) => this.#ask(plan),
      lookAgain: () => this.sampler.askAgain(),
      answered: () => this.#shown.answered,
    };
    this.acts = new Acts({ path: options.path, dir: options.givenDir }, screen);
    this.#ticks = setInterval(() => {
      if (Date.now() - this.#drawnMs >= NEWS_MS) this.#draw();
    }, TICK_MS);
  }

  /** Calls this when there is something to draw. */
  onDraw(draw: () => void): void {
    this.#draw = draw;
  }

  /** Resolves when there is anything to be seen, or it is plain that there never will be. */
  first(): Promise<Failure | undefined> {
    return new Promise((resolve) => {
      this.#told = resolve;
    });
  }

  end(): void {
    clearInterval(this.#ticks);
    clearTimeout(this.#newsTimer);
    this.sampler.end();
  }

  key(key: string): Effect | undefined {
    const { rows, longestName } = this.#list();
    const page = pageOf(this.#size);
    const around = { rows, page, ...this.#aroundInside(page) };
    const settled = settle(this.#ui, around);
    const { columns } = this.#size;
    const table = around.inside?.table;
    const clicked = click(settled, key, { rows, longestName, columns, page, table });
    const { ui, effect } = press(clicked?.ui ?? settled, clicked?.isOpen ? "enter" : key, around);
    if (ui.isFrozen && !this.#ui.isFrozen) this.#frozen = seenForGood(this.sampler);
    if (!ui.isFrozen) this.#frozen = undefined;
    if (ui.isFrozen !== this.#ui.isFrozen) this.sampler.pause(ui.isFrozen);
    if (this.#frozen === undefined) this.sampler.setInterval(ui.intervalMs);
    this.#ui = ui;
    this.#draw();
    return effect;
  }

  lines(size: Size): string[] {
    this.#drawnMs = Date.now();
    this.#size = size;
    const { rows, longestName, totals } = this.#list();
    const page = pageOf(size);
    const ui = settle(this.#ui, { rows, page });
    this.#ui = ui;
    const { head, nowMs } = this.#shown;
    const { dir, isAscii } = this.#options;
    const frame = {
      dir,
      head,
      nowMs,
      totals,
      clock: new Date(nowMs).toTimeString().slice(0, 8),
      intervalMs: ui.intervalMs,
      isFrozen: ui.isFrozen,
      silentMs: this.sampler.silentMs,
      failure: this.sampler.told.failure?.message ?? this.#options.complaint?.(),
      isWide: ui.isWide,
      isAscii,
    };
    const look = {
      nowMs,
      isWide: ui.isWide,
      isAscii,
      depthsOf: (one: Sample) => this.#depthsOf(one),
    };
    const inside = this.#insideFrame(frame, page);
    this.#tellWanted(this.#ui, rows, page);
    return linesOf({
      ...frame,
      size,
      ui: { ...this.#ui, note: this.#ui.note || this.acts.busy },
      rows,
      longestName,
      look,
      givenDir: this.#options.givenDir,
      ...(inside && { inside }),
    });
  }

  /** What somebody sees goes first: the rows of the list, or the queue that is looked at. */
  #tellWanted({ inside, top }: Ui, rows: readonly Row[], page: number): void {
    const visible = rows.slice(top, top + page).map(({ key }) => key);
    this.sampler.want(inside === undefined ? visible : [inside.queue]);
    if (this.#frozen !== undefined) return;
    this.sampler.ask(inside && askOf(inside, graphParts(this.#size.columns)));
  }

  /** The queue that is looked at, settled. */
  #insideFrame(head: HeadLook, page: number) {
    const { inside } = this.#ui;
    if (inside === undefined) return undefined;
    const { samples, answered } = this.#shown;
    const { columns } = this.#size;
    const sample = samples.get(inside.queue);
    const isAnswer = answered !== undefined && isAnswerTo(answered.ask, askOf(inside, 0));
    const frame = {
      ...head,
      inside,
      sample,
      answered: isAnswer ? answered : undefined,
      isRecorded: this.sampler.isRecorded,
      columns,
      page,
    };
    const content = contentOf(frame);
    const { detail } = frame.answered ?? {};
    const open = detail?.kind === "message" ? detail.message : undefined;
    const around = { table: content.table, lines: content.text?.length ?? 0, page };
    const settled = settleInside(inside, around);
    this.#ui = { ...this.#ui, inside: settled };
    return { frame: { ...frame, inside: settled }, content, around: { ...around, sample, open } };
  }

  #aroundInside(page: number) {
    const { dir, isAscii } = this.#options;
    const { head, nowMs } = this.#shown;
    const { totals } = this.#list();
    const { intervalMs, isFrozen, isWide } = this.#ui;
    const look = { dir, isAscii, head, nowMs, totals, intervalMs, isFrozen, isWide };
    const frame = this.#insideFrame({ ...look, clock: "", silentMs: 0, failure: undefined }, page);
    return frame && { inside: frame.around };
  }

  /** Something was asked for that is not of keys alone: what came of it, below. */
  note(note: string): void {
    this.#ui = { ...this.#ui, note };
    this.#draw();
  }

  #ask(plan: Plan): void {
    this.#ui = confirming(this.#ui, plan);
    this.#draw();
  }

  get isMouse(): boolean {
    return this.#ui.isMouse;
  }

  /** Of a recording. */
  seek(byMs: number): void {
    if (!this.sampler.isRecorded) {
      this.note("that is of a recording: spool top --replay FILE");
      return;
    }
    this.#frozen = undefined;
    this.#ui = { ...this.#ui, isFrozen: false };
    this.sampler.pause(false);
    this.sampler.seek(byMs);
  }

  get #shown(): Seen {
    return this.#frozen ?? seenNow(this.sampler);
  }

  #list(): List {
    const { samples } = this.#frozen ?? this.sampler.told;
    const version = this.#frozen === undefined ? this.#version : -1;
    return this.#arranged.of(samples, this.#ui, version);
  }

  #depthsOf({ name, kind }: Sample): readonly number[] {
    if (kind !== "topic" && kind !== "pattern") return this.#depths.of([name]);
    return this.#depths.of(this.#list().members.get(name) ?? []);
  }

  #news(): void {
    const { samples, rounds, isOver, failure } = this.sampler.told;
    if (rounds > this.#rounds && this.#frozen === undefined) this.#depths.push(samples);
    this.#rounds = rounds;
    if (rounds > 0 || isOver) this.#told?.(isOver ? failure : undefined);
    if (this.#newsTimer !== undefined) return;
    const waitMs = Math.max(0, this.#drawnMs + NEWS_MS - Date.now());
    this.#newsTimer = setTimeout(() => {
      this.#newsTimer = undefined;
      this.#version++;
      this.#draw();
    }, waitMs);
  }
}
