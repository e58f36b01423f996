/**
 * Memory that bodies of batches are read into, one after the other.
 *
 * A fresh buffer of a megabyte costs as much as to read it: a page fault for each 4 KiB, and garbage
 * that V8 looks for once there is much of it. Only for who keeps no bytes of a batch that is closed.
 */
export class Memory {
  readonly #spare: Buffer[] = [];

  take(bytes: number): Buffer {
    const spare = this.#spare.pop();
    // One that is too small is no use: the batches have become larger.
    if (spare !== undefined && spare.length >= bytes) return spare;
    return Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES);
  }

  giveBack(buffer: Buffer): void {
    if (this.#spare.length < SPARES) this.#spare.push(buffer);
  }
}

/** Buffers are whole multiples of this, so that batches that differ a little fit into the same. */
const STEP_BYTES = 256 * 1024;

/** As many as are in hand at once: the batch that is written, and the one that is read. */
const SPARES = 2;
