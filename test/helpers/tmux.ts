/**
 * A real terminal, by tmux: keys go in, the screen comes out.
 *
 * Nothing sleeps: whatever is expected is looked for again and again until it is there, because a machine may
 * be busy. The server is the test's own, and ends with it.
 */
import { execFileSync, spawnSync } from "node:child_process";

import { setTimeout as sleep } from "node:timers/promises";

/** So long may a busy machine take, in ms. */
const PATIENCE_MS = 20_000;

/** Between two looks, in ms. */
const LOOK_MS = 25;

export const NO_TMUX = "there is no tmux here";

export const hasTmux = spawnSync("tmux", ["-V"]).status === 0;

export class Terminal {
  readonly #socket: string;
  readonly #env: Readonly<Record<string, string>>;

  /** A shell without frills, in a terminal of this size. */
  constructor(socket: string, env: Readonly<Record<string, string>>, columns = 140, rows = 20) {
    this.#socket = socket;
    this.#env = env;
    const variables = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    const size = ["-x", String(columns), "-y", String(rows)];
    this.#tmux("new-session", "-d", ...size, ...variables, "bash --norc --noprofile");
    this.#tmux("set-option", "-g", "escape-time", "0");
  }

  #tmux(...args: readonly string[]): string {
    const options = ["-S", this.#socket, "-f", "/dev/null", "-u"];
    const env = { ...process.env, ...this.#env, TMUX: "" };
    return execFileSync("tmux", [...options, ...args], { encoding: "utf8", env });
  }

  /** What is on the screen, without blanks at the ends of lines. */
  get screen(): string {
    return this.#tmux("capture-pane", "-p");
  }

  /** The same with its colours. */
  get colours(): string {
    return this.#tmux("capture-pane", "-p", "-e");
  }

  /** True while a program has the other screen of the terminal. */
  get isAlternate(): boolean {
    return this.#tmux("display-message", "-p", "#{alternate_on}").trim() === "1";
  }

  /** True where a program wants to be told of the mouse. */
  get hasMouse(): boolean {
    return this.#tmux("display-message", "-p", "#{mouse_any_flag}").trim() === "1";
  }

  /** Keys as tmux names them. */
  keys(...names: readonly string[]): void {
    this.#tmux("send-keys", ...names);
  }

  type(text: string): void {
    this.#tmux("send-keys", "-l", text);
  }

  run(command: string): void {
    this.type(command);
    this.keys("Enter");
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** Waits until the screen is as it should be; returns it. */
  async shows(what: RegExp | ((screen: string) => boolean)): Promise<string> {
    let screen = "";
    const isRight = (): boolean => (what instanceof RegExp ? what.test(screen) : what(screen));
    const untilMs = performance.now() + PATIENCE_MS;
    for (;;) {
      screen = this.screen;
      if (isRight()) return screen;
      if (performance.now() > untilMs) break;
      await sleep(LOOK_MS);
    }
    throw new Error(`never on the screen: ${String(what)}\n${screen}`);
  }

  /** Waits until the shell is there again, in the terminal as it was. */
  async back(): Promise<void> {
    // What is typed before that is the program's.
    await this.shows((screen) => !this.isAlternate && /[#$]$/.test(screen.trimEnd()));
    this.run("stty -a | grep -o -- '-\\?icanon\\|-\\?echo\\b' | xargs echo modes");
    await this.shows(/^modes icanon echo$/m);
  }

  end(): void {
    spawnSync("tmux", ["-S", this.#socket, "kill-server"]);
  }
}
