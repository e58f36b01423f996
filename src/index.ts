/** The library's public names, and nothing else. docs/library.md shows their use. */
export { EXIT_CODES, SpoolError } from "./errors.ts";
export type { SpoolErrorCode } from "./errors.ts";
export type { Headers } from "./message/batch.ts";
export type { BulkOptions } from "./queue/bulk.ts";
export type { Seen, State } from "./queue/browse.ts";
export type { PutOptions } from "./queue/draft.ts";
export type { Message } from "./queue/message.ts";
export type { Body, PutResult } from "./queue/put.ts";
export type { PutManyOptions, PutManyResult } from "./queue/put-lines.ts";
export type { Queue } from "./queue/queue.ts";
export type { NackOptions } from "./queue/settle.ts";
export type { QueueSettings } from "./queue/settings.ts";
export type { ConsumeOptions, Handler, WorkOptions } from "./queue/worker.ts";
export { openSpool } from "./spool.ts";
export type { OpenOptions, Spool } from "./spool.ts";
export { statsOf } from "./stats/queue-stats.ts";
export type { QueueStats } from "./stats/queue-stats.ts";
