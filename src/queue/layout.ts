/**
 * Where things are in a queue's directory. docs/format.md is this file in words.
 *
 * tmp/      being written; no consumer looks here     ready/<bucket>/<slice>   waiting or scheduled
 * drop/     the drop box                              leases/<lease>/<slice>   claimed
 * dedup/    keys seen lately                          leases/<lease>.lock/     its holder lives
 * aside/    what does not belong here                 reclaim/<lease>/<slice>  being given back
 * bell      touched after each commit                 dead/<slice>[.reason]    dead letters
 *
 * flow/<from>-<host>  what was put and done, told by who did it; made at the first time
 * reclaim/<lease>~/<slice> is what is being given back and its old holder can no longer reach.
 */
import { FENCE } from "../message/slice.ts";

export const LOCK_SUFFIX = ".lock";
export const REASON_SUFFIX = ".reason";

export class QueueLayout {
  readonly root: string;
  readonly settings: string;
  readonly bell: string;
  readonly tmp: string;
  readonly drop: string;
  readonly ready: string;
  readonly leases: string;
  readonly reclaim: string;
  readonly dead: string;
  readonly dedup: string;
  readonly aside: string;
  readonly flow: string;

  constructor(root: string) {
    this.root = root;
    this.settings = `${root}/queue.json`;
    this.bell = `${root}/bell`;
    this.tmp = `${root}/tmp`;
    this.drop = `${root}/drop`;
    this.ready = `${root}/ready`;
    this.leases = `${root}/leases`;
    this.reclaim = `${root}/reclaim`;
    this.dead = `${root}/dead`;
    this.dedup = `${root}/dedup`;
    this.aside = `${root}/aside`;
    this.flow = `${root}/flow`;
  }

  /** Every directory that a queue has, in the order in which they are made. */
  get directories(): readonly string[] {
    return [
      this.tmp,
      this.drop,
      this.leases,
      this.reclaim,
      this.dead,
      this.dedup,
      this.aside,
      this.ready,
    ];
  }

  bucket(bucket: string): string {
    return `${this.ready}/${bucket}`;
  }

  lease(lease: string): string {
    return `${this.leases}/${lease}`;
  }

  lock(lease: string): string {
    return `${this.leases}/${lease}${LOCK_SUFFIX}`;
  }

  reclaimed(lease: string): string {
    return `${this.reclaim}/${lease}`;
  }

  /** Where no call of the old holder can land any more. */
  outOfReach(lease: string): string {
    return `${this.reclaimed(lease)}${FENCE}`;
  }
}

/** The lease that a name in reclaim/ comes from. */
export function takenFrom(name: string): string {
  return name.endsWith(FENCE) ? name.slice(0, -FENCE.length) : name;
}
