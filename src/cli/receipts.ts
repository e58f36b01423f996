/** What ack, nack, reject and extend share: receipts from arguments or stdin, each on its own. */
import { readChunks } from "../disk/stdio.ts";
import { fromErrno, SpoolError } from "../errors.ts";
import type { Held } from "../queue/held.ts";
import { parseReceipt } from "../queue/receipt.ts";
import type { Room } from "../queue/room.ts";
import { settleByReceipt } from "../queue/settle.ts";
import { STDIN } from "./context.ts";
import type { Context, GlobalOptions } from "./context.ts";

/** The receipts that were given; `-` stands for those on stdin, one a line. */
export async function readReceipts(context: Context, words: readonly string[]): Promise<string[]> {
  const receipts: string[] = [];
  for (const word of words) {
    if (word !== "-") {
      receipts.push(word);
      continue;
    }
    context.needStdin();
    const blocks: Buffer[] = [];
    for await (const block of readChunks(STDIN, 64 * 1024)) blocks.push(Buffer.from(block));
    const text = Buffer.concat(blocks).toString();
    receipts.push(
      ...text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line) => line.trim()),
    );
  }
  return receipts;
}

/** Does `act` with each: one that fails does not stop the others. Ends with the first failure. */
export async function settleAll(
  context: Context,
  receipts: readonly string[],
  act: (receipt: string) => Promise<void>,
): Promise<void> {
  let first: SpoolError | undefined;
  for (const receipt of receipts) {
    try {
      await act(receipt);
    } catch (thrown) {
      const error = fromErrno(thrown);
      if (!(error instanceof SpoolError)) throw error;
      if (receipts.length > 1) context.say(`${receipt}: ${error.message}  [${error.code}]`);
      first ??= error;
    }
  }
  if (first !== undefined && receipts.length > 1) context.exitCode = first.exitCode;
  else if (first !== undefined) throw first;
}

/** Settles each of the messages that these receipts name. */
export async function eachReceipt(
  context: Context,
  words: readonly string[],
  options: GlobalOptions,
  act: (held: Held, next: number, room: Room) => Promise<void> | void,
): Promise<void> {
  const spool = await context.open(options);
  await settleAll(context, await readReceipts(context, words), async (text) => {
    const receipt = parseReceipt(text);
    const { room, buckets } = spool.queue(receipt.queue);
    await settleByReceipt(room, buckets, receipt, (held, next) => act(held, next, room));
  });
}
