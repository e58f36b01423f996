/**
 * Processes that live one after the other on a disk that fails, in memory; as in crash/world.ts.
 */
import { Crash } from "../helpers/crashing-file-system.ts";
import { ModelTime } from "../helpers/model-disk.ts";
import { SOON_MS, World } from "../crash/world.ts";
import type { Life, LifeOptions } from "../crash/world.ts";
import { FaultyDisk } from "./faulty-disk.ts";

/** No life here needs so many calls. */
const LIFE_CALLS = 20_000;

/** What a call takes, as the clocks of the processes have it. */
const CALL_MS = 0.1;

let worlds = 0;

export class ErrorWorld extends World {
  readonly type: number;
  declare readonly disk: FaultyDisk;
  readonly #time: ModelTime;
  readonly #startMs: number;
  readonly #knowsTheDead: boolean;
  #lives = 0;

  constructor(
    type: number,
    knowsTheDead: boolean,
    dir = `/spool${worlds++}`,
    time = new ModelTime(),
    disk = new FaultyDisk(time, type),
  ) {
    // Each has a path of its own: proper-lockfile keeps its locks by path.
    super(dir, knowsTheDead, type, disk);
    this.type = type;
    this.#time = time;
    this.#startMs = time.nowMs;
    this.#knowsTheDead = knowsTheDead;
  }

  override async run(life: Life, { aheadMs = 0 }: LifeOptions = {}): Promise<boolean> {
    const time = this.#time;
    time.nowMs = Math.max(time.nowMs + SOON_MS, this.#startMs + aheadMs);
    this.#lives++;
    let circle = "";
    await super.run(life, {
      before: (call, name, path) => {
        time.advance(CALL_MS);
        if (call > LIFE_CALLS) throw new Crash((circle = `in circles: ${name} ${path}`));
      },
    });
    if (circle !== "") throw new Error(circle);
    return false;
  }

  /** The world after a power cut at this moment: nobody who lived before lives any more. */
  async afterPowerCut(): Promise<ErrorWorld> {
    const disk = this.disk.afterPowerCut();
    const world = new ErrorWorld(this.type, this.#knowsTheDead, this.dir, this.#time, disk);
    // So many processes that are gone: the next ones have other tokens than those of before.
    for (let lives = this.#lives; lives > 0; lives--) await world.run(async () => {});
    return world;
  }
}
