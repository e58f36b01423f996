/**
 * One run of `spool top` without its terminal: what was sampled, what the person has chosen, and the lines that
 * follow from both. Tells who draws that there is something new, no more often than is worth drawing.
 */
import { RemoteSampler } from "../stats/remote-sampler.ts";
import type { RemoteOptions } from "../stats/remote-sampler.ts";
import type { Failure } from "../stats/sampler-messages.ts";
import type { Head, Sample } from "../stats/sample.ts";
import { totalsOf } from "../stats/topic-summary.ts";
import type { Totals } from "../stats/topic-summary.ts";
import { DepthHistory } from "./depth-history.ts";
import { linesOf, pageOf } from "./lines.ts";
import type { Size } from "./lines.ts";
import type { ThemeName } from "./theme.ts";
import { arrange } from "./tree.ts";
import type { Row } from "./tree.ts";
import { firstUi, press, settle } from "./ui.ts";
import type { Effect, Ui } from "./ui.ts";

/** News is drawn so often, in ms; a key at once, of what was news then. */
const NEWS_MS = 900;

/** Clock and ages go on without news. */
const TICK_MS = 1000;

export interface SessionOptions extends Omit<RemoteOptions, "onNews"> {
  readonly theme: ThemeName;
  readonly isAscii: boolean;
}

/** What was known at some time. */
interface Seen {
  readonly samples: ReadonlyMap<string, Sample>;
  readonly head: Head | undefined;
  readonly nowMs: number;
}

export class Session {
  readonly sampler: RemoteSampler;
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
  #arranged:
    | {
        readonly of: readonly unknown[];
        readonly rows: readonly Row[];
        longestName: number;
        totals: Totals;
        /** The subscriptions of each topic. */
        members: ReadonlyMap<string, readonly string[]>;
      }
    | undefined;
  #newsTimer: NodeJS.Timeout | undefined;
  #drawnMs = 0;
  #told: ((failure: Failure | undefined) => void) | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#ui = firstUi(options.intervalMs, options.theme);
    this.sampler = new RemoteSampler({ ...options, onNews: () => this.#news() });
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
    const { rows } = this.#list();
    const around = { rows, page: pageOf(this.#size) };
    const { ui, effect } = press(settle(this.#ui, around), key, around);
    if (ui.isFrozen && !this.#ui.isFrozen) this.#frozen = this.#seen(true);
    if (!ui.isFrozen) this.#frozen = undefined;
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
    const visible = rows.slice(ui.top, ui.top + page);
    this.sampler.want(visible.map(({ key }) => key));
    const { head, nowMs } = this.#frozen ?? this.#seen(false);
    const { dir, isAscii } = this.#options;
    return linesOf({
      size,
      ui,
      rows,
      longestName,
      totals,
      dir,
      head,
      nowMs,
      clock: new Date().toTimeString().slice(0, 8),
      intervalMs: ui.intervalMs,
      isFrozen: ui.isFrozen,
      silentMs: this.sampler.silentMs,
      failure: this.sampler.failure?.message,
      isWide: ui.isWide,
      isAscii,
      look: { nowMs, isWide: ui.isWide, isAscii, depthsOf: (sample) => this.#depthsOf(sample) },
    });
  }

  #seen(isCopied: boolean): Seen {
    const { samples, head } = this.sampler;
    return { samples: isCopied ? new Map(samples) : samples, head, nowMs: Date.now() };
  }

  /** Sorting thousands of rows takes longer than drawing fifty: again only where something has changed. */
  #list() {
    const { sort, isReversed, filter, folded } = this.#ui;
    const of = [sort, isReversed, filter, folded, this.#frozen, this.#frozen ? 0 : this.#version];
    if (this.#arranged?.of.every((one, index) => one === of[index])) return this.#arranged;
    const { samples } = this.#frozen ?? this.sampler;
    const rows = arrange(samples, this.#ui);
    let longestName = 0;
    for (const { name } of rows) longestName = Math.max(longestName, name.length + 2);
    const members = Map.groupBy(
      [...samples.values()].filter(({ kind }) => kind === "subscription").map(({ name }) => name),
      (name) => name.slice(0, name.indexOf("/")),
    );
    this.#arranged = { of, rows, longestName, members, totals: totalsOf(samples.values()) };
    return this.#arranged;
  }

  #depthsOf({ name, kind }: Sample): readonly number[] {
    if (kind !== "topic" && kind !== "pattern") return this.#depths.of([name]);
    return this.#depths.of(this.#list().members.get(name) ?? []);
  }

  #news(): void {
    const { samples, rounds, isOver, failure } = this.sampler;
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
