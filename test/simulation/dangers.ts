/** What may happen to the processes of a run, and how their turns go. */

/** What may happen, and how likely it is at each turn. */
export interface Dangers {
  readonly kill: number;
  readonly stop: number;
  readonly powerCut: number;
  /** The disk's clock jumps, by up to an hour. */
  readonly jump: number;
  /** Of calls on a shared disk: done, and its reply lost. */
  readonly lostReply: number;
  /** That a call is taken in two halves. */
  readonly halves: number;
  /** The kernel writes something back. */
  readonly writeBack: number;
}

export const NO_DANGERS: Dangers = {
  kill: 0,
  stop: 0,
  powerCut: 0,
  jump: 0,
  lostReply: 0,
  halves: 0,
  writeBack: 0,
};

/** How the turns go. */
export interface Pace {
  /** The chance that after a turn another process goes on. */
  readonly swap: number;
  /** How long a call takes, in ms, about. */
  readonly callMs: number;
}
