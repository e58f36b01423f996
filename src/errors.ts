/**
 * Every failure that a user can meet, each with a code that never changes, an exit code and a way out.
 *
 * Three kinds of failure, three treatments:
 *   - an operating error (disk full, queue missing, lease lost) is a SpoolError: expected, typed,
 *     documented in docs/errors.md, and shown without a stack;
 *   - an error of the operating system that nobody foresaw is turned into a SpoolError by
 *     `fromErrno`, so that it, too, says what, where and what to do;
 *   - anything else is our bug: it is never caught, and it is shown with its stack (exit code 70).
 */

/** Code to exit code. The exit codes are the contract of docs/cli.md. */
export const EXIT_CODES = {
  USAGE: 64,
  BAD_NAME: 64,
  BAD_VALUE: 64,
  NEEDS_FORCE: 64,
  MESSAGE_TOO_LARGE: 65,
  BAD_HEADER: 65,
  BAD_RECEIPT: 65,
  LEASE_LOST: 65,
  NO_SPOOL: 66,
  NO_QUEUE: 66,
  NO_TOPIC: 66,
  IS_TOPIC: 66,
  IS_QUEUE: 66,
  NO_MESSAGE: 66,
  NO_FILE: 66,
  NO_SUBSCRIBER: 69,
  BUG: 70,
  QUEUE_FULL: 73,
  DISK_FULL: 73,
  IO: 74,
  EMPTY: 75,
  TRY_AGAIN: 75,
  NOT_PERMITTED: 77,
  BAD_SETTINGS: 78,
  NEWER_FORMAT: 78,
} as const;

export type SpoolErrorCode = keyof typeof EXIT_CODES;

export class SpoolError extends Error {
  /** Stable across versions; scripts match on it, never on the message. */
  readonly code: SpoolErrorCode;
  /** What the reader can do about it, as one imperative sentence; may be empty. */
  readonly hint: string;

  constructor(code: SpoolErrorCode, message: string, hint = "", options?: ErrorOptions) {
    super(message, options);
    this.name = "SpoolError";
    this.code = code;
    this.hint = hint;
  }

  get exitCode(): number {
    return EXIT_CODES[this.code];
  }
}

/** Text of somebody else on one line, as JSON, not too long; nothing in it that a terminal obeys. */
export function quote(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  // JSON leaves DEL and the C1 controls as they are.
  return JSON.stringify(short).replaceAll(/[\u007f-\u009f]/g, "?");
}

/** The lease ended while its holder still worked; another consumer may have the message now. */
export function leaseLost(what: string, cause?: unknown): SpoolError {
  return new SpoolError(
    "LEASE_LOST",
    `the lease on ${what} is lost: another consumer may have it now`,
    "Make the handler safe to run twice, or claim with a longer lease (--lease, extend).",
    { cause },
  );
}

export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    codes.includes(codeOf(error as NodeJS.ErrnoException))
  );
}

/** True for an error of a system call. */
export function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}

/** By number: libuv has no name for these, and says UNKNOWN or "Unknown system error -122". Linux's numbers. */
const NAMELESS: Readonly<Record<number, string>> = { [-122]: "EDQUOT", [-116]: "ESTALE" };

function codeOf({ code = "", errno = 0 }: NodeJS.ErrnoException): string {
  return /^unknown/i.test(code) ? (NAMELESS[errno] ?? code) : code;
}

const ERRNO: Readonly<Record<string, readonly [SpoolErrorCode, string, string]>> = {
  ENOSPC: ["DISK_FULL", "the disk is full", "Free some space, then run it again."],
  EDQUOT: ["DISK_FULL", "the disk quota is used up", "Free some space, then run it again."],
  EFBIG: ["DISK_FULL", "the file is larger than is allowed here", "Raise the limit (ulimit -f)."],
  EACCES: ["NOT_PERMITTED", "permission denied", "Check owner and mode of that path."],
  EPERM: ["NOT_PERMITTED", "not permitted", "Check owner and mode of that path."],
  EROFS: ["NOT_PERMITTED", "the file system is read-only", "Mount it read-write."],
  ENOTDIR: ["NO_SPOOL", "a part of that path is a file", "Name a directory with -C or SPOOL_DIR."],
  ELOOP: ["NOT_PERMITTED", "a symbolic link where a directory belongs", "Replace it."],
  ENAMETOOLONG: ["BAD_NAME", "the name is too long", "Use a shorter name."],
  EMFILE: ["TRY_AGAIN", "too many open files", "Raise the limit (ulimit -n)."],
  ENFILE: ["TRY_AGAIN", "too many open files on this machine", "Try again later."],
};

/** Turns an error of a system call into a SpoolError that names the path; others pass unchanged. */
export function fromErrno(error: unknown): unknown {
  if (error instanceof SpoolError || !isOfSystem(error)) return error;
  const { path, dest } = error as typeof error & { dest?: string };
  const code = codeOf(error);
  const known: readonly [SpoolErrorCode, string, string] = ERRNO[code] ?? [
    "IO",
    `${String(error.syscall)} failed (${code || error.message})`,
    "Nothing was accepted that was not said to be. Run `spool doctor`.",
  ];
  const [kind, sentence, hint] = known;
  const where = path ?? dest ?? "the spool";
  return new SpoolError(kind, `${where}: ${sentence}`, hint, { cause: error });
}
