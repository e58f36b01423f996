/** A message as a JSON object: the shape is in docs/cli.md. */
import type { Headers } from "../message/batch.ts";

interface Shown {
  readonly id: string;
  readonly headers: Headers;
  readonly enqueuedAt: Date;
  readonly bytes: number;
  body(): Promise<Buffer>;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The payload as text, or in base 64 where it is not UTF-8. */
export function bodyJson(body: Buffer): { body: string } | { body_base64: string } {
  try {
    return { body: decoder.decode(body) };
  } catch {
    return { body_base64: body.toString("base64") };
  }
}

export async function messageJson(
  message: Shown & { readonly attempt: number },
): Promise<Record<string, unknown>> {
  return {
    id: message.id,
    attempt: message.attempt,
    headers: message.headers,
    enqueued_at: message.enqueuedAt.toISOString(),
    ...bodyJson(await message.body()),
  };
}
