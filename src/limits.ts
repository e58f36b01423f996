/** Every bound of the format and of the engine, with its unit and its reason. */

/** The format that this code writes and the newest that it reads. */
export const FORMAT = 1;

/** Bytes of a queue's, topic's or subscription's name. Leaves room for suffixes within 255. */
export const NAME_BYTES = 128;

/** Messages in one batch: what the seven digits of `first` can name. */
export const BATCH_MESSAGES = 9_999_999;

/** Messages that the group commit puts into one batch file. */
export const BATCH_MESSAGES_DEFAULT = 10_000;

/**
 * Messages that `put --lines` puts into one batch file, where they come that fast, and that `consume`
 * claims at once. A message that is retried needs a name of its own, and a file can have 65,000 on ext4:
 * so many leave room for two subscriptions that retry all.
 */
export const STREAM_MESSAGES = 30_000;

/**
 * Body bytes at which a batch of several messages is closed. A reader checks the whole batch before
 * it delivers one message of it, so this bounds what a one-shot `take` has to read.
 */
export const BATCH_BYTES = 4 * 1024 * 1024;

/** Body bytes up to which a batch is read into memory once; beyond, it is streamed in blocks. */
export const IN_MEMORY_BYTES = 8 * 1024 * 1024;

/** One read or write of a streamed body, in bytes. */
export const BLOCK_BYTES = 256 * 1024;

/**
 * A read or write up to this is a short call, in bytes: the way to the thread pool and back would cost
 * as much, and what was read would be in another core's cache.
 */
export const SHORT_BYTES = 128 * 1024;

/** The header line of a batch file, in bytes: one read always gets it whole. */
export const HEADER_BYTES = 64 * 1024;

/** Names and values of all headers of one message, in bytes. */
export const HEADERS_BYTES = 32 * 1024;

/** One message inside a `records` batch: its length is a 32-bit number. Larger ones go alone. */
export const RECORD_BYTES = 0xffff_ffff;

/** A body that a caller wants as one Buffer, in bytes (Node's own limit is a little above). */
export const BUFFER_BYTES = 2 ** 31 - 1;

/** Attempts that a name can count; more are counted as this. */
export const ATTEMPTS = 9999;

/** One new slice in so many starts a new bucket, so a bucket holds about as many names. */
export const BUCKET_SLICES = 512;

/** A bucket is listed this long before its first slice is due, in ms: clocks and ticks differ. */
export const BUCKET_SLACK_MS = 2000;

/** The shortest lease that a heartbeat can keep (proper-lockfile's own floor), in ms. */
export const LEASE_FLOOR_MS = 2000;

/** The longest lease, in ms: a year. */
export const LEASE_CEILING_MS = 366 * 86_400_000;

/** A writer gives up after this long, in ms (qmail's rule: well before `TMP_SWEEP_MS`). */
export const WRITER_DEADLINE_MS = 24 * 3600_000;

/** A file in tmp/ of a writer that nobody can ask is removed at this age, in ms. */
export const TMP_SWEEP_MS = 36 * 3600_000;

/** A reason whose dead letter never came, an orphaned lock: removed at this age, in ms. */
export const ORPHAN_SWEEP_MS = 3600_000;

/** A waiting consumer looks again after this long even if nothing rang, in ms. */
export const RECHECK_MS = 2000;

/** The same where the file system carries no events between hosts, in ms; also the poll's period. */
export const POLL_MS = 500;

/** The end of a command's stderr that a dead letter keeps, in bytes. */
export const STDERR_TAIL_BYTES = 4096;

/** Messages that a consumer claims in one slice at the most. */
export const CLAIM_MESSAGES = 10_000;

/** A publish that is not committed after this is undone by whoever finds it, in ms. */
export const STAGING_MS = 30_000;

/** For each subscription a publish may take so much longer, in ms: links and syncs over a network. */
export const STAGING_PER_MEMBER_MS = 10;

/** What is committed is finished by others after this, in ms, if its publisher may still live. */
export const FINISH_MS = 2000;

/** The same where a listing may be old, in ms: a name that is missed would never be delivered. */
export const FINISH_SHARED_MS = 120_000;

/** A replay, and a subscription being filled, of a process that nobody can ask: given up, in ms. */
export const REPLAY_MS = 3600_000;

/** One new batch in so many starts a new bucket of a topic's log. */
export const LOG_BUCKET_BATCHES = 512;
