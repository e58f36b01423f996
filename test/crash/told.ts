/**
 * What the calls of all lives have told their callers, as the places where each message may be.
 *
 * A message is known by its payload, so that one which is torn or mixed up is one that nobody put.
 * While a call is under way its message may be where it was or where the call takes it; once the
 * call has resolved, only there.
 */
export type Place = "nowhere" | "ready" | "dead" | "other queue";

export class Told {
  readonly #may = new Map<string, ReadonlySet<Place>>();

  /** Does what brings these messages to a place. */
  async to<T>(place: Place, payloads: readonly string[], act: () => Promise<T>): Promise<T> {
    this.begin(place, payloads);
    const result = await act();
    this.done(place, payloads);
    return result;
  }

  begin(place: Place, payloads: readonly string[]): void {
    for (const payload of payloads) {
      this.#may.set(payload, new Set([...(this.#may.get(payload) ?? ["nowhere"]), place]));
    }
  }

  done(place: Place, payloads: readonly string[]): void {
    for (const payload of payloads) this.#may.set(payload, new Set([place]));
  }

  /** What is wrong with these messages being in these places, a line each. */
  complaints(found: ReadonlyMap<string, readonly Place[]>): string[] {
    const complaints: string[] = [];
    for (const payload of new Set([...this.#may.keys(), ...found.keys()])) {
      const places = found.get(payload) ?? ["nowhere"];
      const may = this.#may.get(payload) ?? new Set<Place>(["nowhere"]);
      if (places.length === 1 && may.has(places[0]!)) continue;
      complaints.push(`${payload}: found ${places.join(" and ")}, not ${[...may].join(" or ")}`);
    }
    return complaints;
  }
}
