/**
 * Goal: a call that the old holder had begun before its lease was taken away may land at any later moment, and no
 * message is lost or there twice, whoever takes over and dies at that.
 *
 * Method: the takeover of src/queue/reclaim.ts as a model, a step a system call, explored exhaustively: the holder's
 * link or rename is on its way, and two reapers are at work, each of which may die at any step and be followed by
 * another. A rename lands where its source has its name still; a link lands as long as the directory is there.
 */
import { describe, expect, test } from "vitest";

/** `first-end`, with `~` before it where it is fenced. */
type Name = string;

type Call =
  | readonly ["mkdir new"]
  | readonly ["rmdir old" | "rmdir new"]
  | readonly ["fence" | "unlink old" | "unlink new" | "move" | "give" | "give early", Name];

/** The calls that it is about to make, after which it looks again; undefined: it has nothing to do. */
type Reaper = readonly Call[] | undefined;

interface State {
  /** reclaim/L and reclaim/L~; undefined where they are not there. */
  readonly old: readonly Name[] | undefined;
  readonly new: readonly Name[] | undefined;
  readonly ready: readonly Name[];
  /** What the holder has begun. */
  readonly late: readonly ["link", Name] | readonly ["rename", Name, Name] | undefined;
  readonly reapers: readonly [Reaper, Reaper];
}

/** Of each reaper: does what is fenced move on before anything is given back, or is it one of before? */
type Rules = readonly [outOfReach: boolean, outOfReach: boolean];

const bare = (name: Name): Name => name.replace("~", "");
const isFenced = (name: Name): boolean => name.startsWith("~");
const plus = (names: readonly Name[], name: Name): Name[] =>
  [...new Set([...names, name])].toSorted();
const minus = (names: readonly Name[], name: Name): Name[] => names.filter((one) => one !== name);

function messagesOf(name: Name): number[] {
  const [first = 0, end = 0] = bare(name).split("-").map(Number);
  return Array.from({ length: end - first }, (_, n) => first + n);
}

function covers(outer: Name, inner: Name): boolean {
  const all = messagesOf(outer);
  return bare(outer) !== bare(inner) && messagesOf(inner).every((one) => all.includes(one));
}

/** What a reaper may do next, by what it sees now. */
function plans(state: State, outOfReach: boolean): Call[][] {
  const { old, new: moved } = state;
  const first = old === undefined ? [] : [planFirst(old, moved ?? [], outOfReach)];
  // One of before takes both for leases, and begins with any.
  const isNext = moved !== undefined && (old === undefined || !outOfReach);
  return isNext ? [...first, planSecond(moved)] : first;
}

function planFirst(old: readonly Name[], there: readonly Name[], outOfReach: boolean): Call[] {
  const fenced = old.filter(isFenced);
  const isCovered = (name: Name): boolean => fenced.some((other) => covers(other, name));
  const isKnown = (name: Name): boolean => fenced.includes(`~${name}`) || isCovered(name);
  const open = old.filter((name) => !isFenced(name));
  if (open.length > 0) {
    return open.flatMap((name): Call[] => {
      if (isKnown(name)) return [["unlink old", name]];
      return open.some((other) => covers(other, name)) ? [] : [["fence", name]];
    });
  }
  const drop = fenced.filter(isCovered).map((name): Call => ["unlink old", name]);
  const kept = fenced.filter((name) => !isCovered(name));
  if (!outOfReach) {
    return [...drop, ...kept.map((name): Call => ["give early", name]), ["rmdir old"]];
  }
  const move = kept.map((name): Call => {
    const isLate = there.some((other) => other === name || covers(other, name));
    return [isLate ? "unlink old" : "move", name];
  });
  const make: Call[] = kept.length > 0 ? [["mkdir new"]] : [];
  return [...drop, ...make, ...move, ["rmdir old"]];
}

function planSecond(moved: readonly Name[]): Call[] {
  const isNeedless = (name: Name): boolean => moved.some((other) => covers(other, name));
  return [
    ...moved.filter(isNeedless).map((name): Call => ["unlink new", name]),
    ...moved.filter((name) => !isNeedless(name)).map((name): Call => ["give", name]),
    ["rmdir new"],
  ];
}

/** What the disk makes of a call. */
function done(state: State, [act, name = ""]: Call): State {
  const { old, new: moved, ready } = state;
  const isIn = (names: readonly Name[] | undefined): boolean => names?.includes(name) ?? false;
  if (act === "mkdir new") return { ...state, new: moved ?? [] };
  if (act === "rmdir old") return old?.length === 0 ? { ...state, old: undefined } : state;
  if (act === "rmdir new") return moved?.length === 0 ? { ...state, new: undefined } : state;
  if (act === "unlink old") return { ...state, old: old && minus(old, name) };
  if (act === "unlink new") return { ...state, new: moved && minus(moved, name) };
  if (act === "give") {
    return isIn(moved)
      ? { ...state, new: minus(moved!, name), ready: [...ready, bare(name)] }
      : state;
  }
  if (!isIn(old)) return state;
  if (act === "give early")
    return { ...state, old: minus(old!, name), ready: [...ready, bare(name)] };
  // A rename onto another link of the file does nothing, and says success.
  if (act === "fence") {
    const isThere = old!.includes(`~${name}`);
    return isThere ? state : { ...state, old: plus(minus(old!, name), `~${name}`) };
  }
  if (moved === undefined || moved.includes(name)) return state;
  return { ...state, old: minus(old!, name), new: plus(moved, name) };
}

function* steps(state: State, rules: Rules): Generator<State> {
  const { late, old, ready, reapers } = state;
  if (late !== undefined) {
    const over = { ...state, late: undefined };
    if (late[0] === "link" && old !== undefined) yield { ...over, old: plus(old, late[1]) };
    if (late[0] === "rename" && old?.includes(late[1])) {
      yield { ...over, old: minus(old, late[1]), ready: [...ready, late[2]] };
    }
  }
  for (const who of [0, 1] as const) {
    const reaper = reapers[who];
    const after = (from: State, now: Reaper): State => ({
      ...from,
      reapers: who === 0 ? [now, reapers[1]] : [reapers[0], now],
    });
    const [call, ...rest] = reaper ?? [];
    // It looks (again), does its next call, or dies; then the next one looks.
    if (call === undefined) {
      for (const next of plans(state, rules[who])) yield after(state, next);
    } else {
      yield after(done(state, call), rest.length > 0 ? rest : undefined);
      yield after(state, undefined);
    }
  }
}

function complaint({ old = [], new: moved = [], ready }: State): string | undefined {
  const held = [...new Set([...old, ...moved].map(bare))];
  const left = held.filter((name) => !held.some((other) => covers(other, name)));
  const places = [0, 0, 0];
  for (const name of [...ready, ...left]) for (const one of messagesOf(name)) places[one]!++;
  const lost = places.indexOf(0);
  if (lost !== -1) return `message ${lost} is lost`;
  return places.some((times) => times > 1) ? "a message is there twice" : undefined;
}

function explore(start: State, rules: Rules): { states: number; complaint: string | undefined } {
  const seen = new Set([JSON.stringify(start)]);
  const todo = [start];
  for (let state = todo.pop(); state !== undefined; state = todo.pop()) {
    const wrong = complaint(state);
    if (wrong !== undefined) return { states: seen.size, complaint: wrong };
    let isEnd = true;
    for (const next of steps(state, rules)) {
      isEnd = false;
      const key = JSON.stringify(next);
      if (seen.has(key)) continue;
      seen.add(key);
      todo.push(next);
    }
    if (isEnd && (state.old ?? state.new) !== undefined) {
      return { states: seen.size, complaint: "stuck" };
    }
  }
  return { states: seen.size, complaint: undefined };
}

const taken = (old: readonly Name[], late: State["late"]): State => ({
  old,
  new: undefined,
  ready: [],
  late,
  reapers: [undefined, undefined],
});

const STARTS: Readonly<Record<string, State>> = {
  "the link of a split": taken(["0-3"], ["link", "0-1"]),
  "a link that is made once more": taken(["0-1", "0-3"], ["link", "0-1"]),
  "a link of the whole that is made once more": taken(["0-3"], ["link", "0-3"]),
  "the rename of a split": taken(["0-1", "0-3"], ["rename", "0-3", "1-3"]),
  "a link beside another slice": taken(["0-2", "2-3"], ["link", "0-1"]),
};

describe.for(Object.entries(STARTS))(
  "%s, on its way while the lease is taken over",
  ([, start]) => {
    test("loses nothing and doubles nothing, whoever dies", () => {
      const { states, complaint: wrong } = explore(start, [true, true]);
      expect(wrong).toBeUndefined();
      expect(states).toBeGreaterThan(100);
    });
  },
);

test("without a second directory it is there twice", () => {
  const { complaint: wrong } = explore(STARTS["the link of a split"]!, [false, false]);
  expect(wrong).toBe("a message is there twice");
});

describe("beside a reaper of before", () => {
  test.for([
    ["a split half done", taken(["0-1", "0-3"], undefined)],
    ["two slices", taken(["0-2", "2-3"], undefined)],
    ["the rename of a split", STARTS["the rename of a split"]!],
  ] as const)("%s: nothing is lost or doubled", ([, start]) => {
    expect(explore(start, [true, false]).complaint).toBeUndefined();
  });
});
