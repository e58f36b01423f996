/** All planted bugs. */
import { COUNTS } from "./count-mutations.ts";
import { DEDUPS } from "./dedup-mutations.ts";
import { DISK } from "./disk-mutations.ts";
import { FAN_OUTS } from "./fan-out-mutations.ts";
import { LEASES } from "./lease-mutations.ts";
import type { Mutation } from "./mutation.ts";
import { QUEUE } from "./queue-mutations.ts";
import { SUBSCRIBERS } from "./subscriber-mutations.ts";
import { SYNCS } from "./sync-mutations.ts";
import { TOPIC_SYNCS } from "./topic-sync-mutations.ts";

export const MUTATIONS: readonly Mutation[] = [
  ...SYNCS,
  ...DISK,
  ...QUEUE,
  ...LEASES,
  ...COUNTS,
  ...DEDUPS,
  ...TOPIC_SYNCS,
  ...FAN_OUTS,
  ...SUBSCRIBERS,
];
