/** Names of queues, and what they stand for on the disk. Pure. */
import { SpoolError } from "./errors.ts";
import { NAME_BYTES } from "./limits.ts";

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

const isName = (name: string): boolean => NAME.test(name) && name.length <= NAME_BYTES;

function badName(name: string): SpoolError {
  // JSON leaves DEL and the C1 controls as they are, and a terminal may obey them.
  const shown = JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name).replaceAll(
    /[\u007f-\u009f]/g,
    "?",
  );
  return new SpoolError(
    "BAD_NAME",
    `not a name: ${shown}`,
    `Use letters, digits, "." "_" "-", ${NAME_BYTES} at most, no leading "." or "-".`,
  );
}

/** Checks one name. @throws BAD_NAME */
export function checkName(name: string): string {
  if (!isName(name)) throw badName(name);
  return name;
}

/** Checks a queue's name: `jobs`, or `logs/archive` for a subscription. @throws BAD_NAME */
export function checkQueueName(name: string): string {
  const parts = name.split("/");
  if (parts.length > 2 || !parts.every(isName)) throw badName(name);
  return name;
}

/** Where a queue lives, relative to the spool. */
export function pathOfQueue(name: string): string {
  const [queue = "", subscription] = checkQueueName(name).split("/");
  return subscription === undefined
    ? `queues/${queue}`
    : `topics/${queue}/subscriptions/${subscription}`;
}
