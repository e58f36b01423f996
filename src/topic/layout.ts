/**
 * Where things are in a topic's directory. docs/format.md is this file in words.
 *
 * tmp/        being written                     log/<bucket>/<slice>    kept for replay
 * staging/    fan-out begun, not committed      dedup/                  keys seen lately
 * aborted/    undone; its links are going       aside/                  what does not belong here
 * committed/  committed; being made visible     subscriptions/<name>/   a queue's layout, incoming/
 * flow/       what was published               filling/<name>~…/       the same, being filled
 */
export class TopicLayout {
  readonly root: string;
  readonly settings: string;
  readonly tmp: string;
  readonly staging: string;
  readonly aborted: string;
  readonly committed: string;
  readonly log: string;
  readonly dedup: string;
  readonly aside: string;
  readonly flow: string;
  readonly filling: string;
  readonly subscriptions: string;

  constructor(root: string) {
    this.root = root;
    this.settings = `${root}/topic.json`;
    this.tmp = `${root}/tmp`;
    this.staging = `${root}/staging`;
    this.aborted = `${root}/aborted`;
    this.committed = `${root}/committed`;
    this.log = `${root}/log`;
    this.dedup = `${root}/dedup`;
    this.aside = `${root}/aside`;
    this.flow = `${root}/flow`;
    this.filling = `${root}/filling`;
    this.subscriptions = `${root}/subscriptions`;
  }

  /** Every directory that a topic has, in the order in which they are made. */
  get directories(): readonly string[] {
    return [
      this.tmp,
      this.staging,
      this.aborted,
      this.committed,
      this.log,
      this.dedup,
      this.aside,
      this.filling,
      this.subscriptions,
    ];
  }
}

/** Where a subscription keeps what is not committed: no consumer looks there. */
export const incomingOf = ({ root }: { readonly root: string }): string => `${root}/incoming`;
