/**
 * Goal: what is read ahead is nobody's: whoever claims it has it, whatever became of it meanwhile; and
 * memory that is used again never changes what is still in hand.
 *
 * Method: one consumer reads ahead, then the next thing happens to the file that it has read.
 */
import { expect, test } from "vitest";

import type { Claim } from "../../src/queue/claimer.ts";
import type { Consumer } from "../../src/queue/consumer.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { all, bytesOf, Jobs } from "../helpers/model-jobs.ts";

const ROOT = "/spool/queues/jobs";

/** Batches of two lines: a1 a2, b1 b2, c1 c2. */
async function filled(): Promise<{ jobs: Jobs; consumer: Consumer }> {
  const jobs = await Jobs.open({ maxAttempts: 1 });
  await jobs.queue.putMany({ batchMessages: 2 }).run(bytesOf("a1\na2\nb1\nb2\nc1\nc2\n"));
  const { consumer } = await jobs.consumer("brief", { isTransient: true });
  return { jobs, consumer };
}

async function textOf({ held, file }: Claim): Promise<string> {
  return (await file.buffer(held.slice!.offset, held.slice!.bytes)).toString();
}

async function ack({ held, file }: Claim): Promise<void> {
  const { count, offset, bytes } = held.slice!;
  await held.ack(count, offset + bytes);
  await file.close();
}

async function rest(consumer: Consumer): Promise<string> {
  let text = "";
  for (let claim; (claim = await consumer.claim(9)) !== undefined;) {
    text += await textOf(claim);
    await ack(claim);
  }
  await consumer.close();
  return text;
}

/** Contents never change: who can be told apart by this has read it before, or after. */
function damage(jobs: Jobs, path: string): void {
  const fd = jobs.disk.open(path, "read");
  jobs.disk.write(fd, Buffer.from("x"), jobs.disk.stat(fd).bytes - 2);
  jobs.disk.close(fd);
}

/** The path of the slice that is next. */
function next(jobs: Jobs): string {
  const [bucket = ""] = jobs.disk.list(`${ROOT}/ready`);
  return `${ROOT}/ready/${bucket}/${jobs.disk.list(`${ROOT}/ready/${bucket}`).toSorted()[0]}`;
}

test("it is claimed without being read again", async () => {
  const { jobs, consumer } = await filled();
  const first = (await consumer.claim(9))!;
  await consumer.readAhead();
  damage(jobs, next(jobs));
  expect(await textOf(first)).toBe("a1\na2\n");
  await ack(first);
  const second = (await consumer.claim(9))!;
  expect(await textOf(second)).toBe("b1\nb2\n");
  await ack(second);
  expect(await rest(consumer)).toBe("c1\nc2\n");
  expect(jobs.disk.openFiles).toBe(0);
});

test("another one may claim it first, and has it alone", async () => {
  const { jobs, consumer } = await filled();
  const first = (await consumer.claim(9))!;
  await consumer.readAhead();
  const { consumer: other } = await jobs.consumer();
  const theirs = (await other.claim(9))!;
  expect(await textOf(theirs)).toBe("b1\nb2\n");
  await ack(first);
  expect(await rest(consumer)).toBe("c1\nc2\n");
  await ack(theirs);
  await other.close();
  expect(jobs.disk.openFiles).toBe(0);
});

test("if its reader dies no attempt is counted", async () => {
  const { jobs, consumer } = await filled();
  await ack((await consumer.claim(9))!);
  await consumer.readAhead();
  jobs.gone.add("c1");
  const seen = await all((await jobs.process()).peek("ready"));
  expect(seen.map(({ attempts }) => attempts)).toEqual([0, 0, 0, 0]);
});

test("of one that is damaged nothing is said, nor done, before it is claimed", async () => {
  const { jobs, consumer } = await filled();
  const first = (await consumer.claim(9))!;
  damage(jobs, next(jobs));
  await consumer.readAhead();
  expect(jobs.warnings).toEqual([]);
  await ack(first);
  expect(await rest(consumer)).toBe("c1\nc2\n");
  expect(jobs.warnings).toEqual([expect.stringMatching(/damaged: .*moved to the dead letters/)]);
  expect(await statsOf(jobs.queue)).toMatchObject({ ready: 0, dead: 2 });
  expect(jobs.disk.openFiles).toBe(0);
});

test("one that is no file, or gone, or past its time is passed by", async () => {
  const { jobs, consumer } = await filled();
  const first = (await consumer.claim(9))!;
  const path = next(jobs);
  jobs.disk.rename(path, `${ROOT}/tmp/away`);
  await consumer.readAhead();
  jobs.disk.mkdir(path);
  await consumer.readAhead();
  await ack(first);
  expect(await rest(consumer)).toBe("c1\nc2\n");
  expect(jobs.disk.openFiles).toBe(0);
});

test("what is in hand stays as it is while others are read, large and small", async () => {
  const jobs = await Jobs.open();
  const bodies = [10, 300_000, 5, 900_000, 400_000, 20, 1_500_000, 1].map((length, at) =>
    `${at}`.repeat(length),
  );
  for (const body of bodies) {
    await jobs.queue.put(body);
    jobs.time.advance(1);
  }
  const { consumer } = await jobs.consumer("brief", { isTransient: true });
  for (const body of bodies) {
    const claim = (await consumer.claim(9))!;
    await consumer.readAhead();
    expect(await textOf(claim)).toBe(body);
    await ack(claim);
  }
  await consumer.close();
  expect(jobs.disk.openFiles).toBe(0);
});
