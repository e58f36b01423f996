/**
 * The fan-out of one message, with no disk: all states of those who take part in it.
 *
 * The protocol is that of src/topic, a step a system call:
 *
 *   publisher  stages, lists the members, links (the source is looked up, later the name is made), commits,
 *              promotes, concludes; may die before each call
 *   helpers    two of them undo what is staged, clear what is aborted, finish what is committed; or take a
 *              keyed publish over, under a new tag; the second sweeps links, too; either may stop at each call
 *   maker      makes subscription 2 visible, waits for what is under way, links what is in the log, and drops that
 *              again where it came as a publish; then consumers see it
 *
 * A consumer takes what is ready at once: so a second delivery is a second message.
 */

/** 0 and 1 are there from the beginning, 2 is being made. */
const SUBSCRIPTIONS = 3;
/** The publisher's, and that of a take-over. With 3 it is 1,299,811 states (two minutes), none of them wrong. */
const TAGS = 2;
const MADE = 2;

type Where = "tmp" | "staging" | "aborted" | "committed" | "log" | "gone";
/** A set of links in incoming/: a bit for each tag and subscription. */
type Links = number;

/** Who fans out: with which tag, to which members (bits), and which of them is next. */
type Fan = readonly [
  step: "stage" | "list" | "link" | "land" | "commit" | "promote" | "conclude" | "uproot",
  tag: number,
  members: number,
  next: number,
];
type Helper =
  | readonly ["idle"]
  | readonly ["clear" | "finish", tag: number, next: number]
  | readonly ["take over", tag: number, next: number, mine: number]
  | readonly ["staging" | "committed" | "drop", links: Links]
  | Fan;
type Maker = "make" | "look" | "look again" | "fill" | "seek" | "drop" | "live";

interface State {
  /** Where the ticket is, under which tag; and how many tags were used. */
  readonly at: Where;
  readonly tag: number;
  readonly tags: number;
  readonly links: Links;
  /** How often each subscription got the message; and whether 2 has it from the log. */
  readonly got: readonly number[];
  readonly filled: boolean;
  readonly told: "" | "ok" | "undone";
  readonly publisher: Fan | undefined;
  readonly helpers: readonly [Helper, Helper];
  readonly maker: Maker;
}

/** Rules that can be left out, to see that they are needed. */
export const ALL_RULES = {
  isKeyed: false,
  tagged: true,
  listsWhenStaged: true,
  commits: true,
  renamesFirst: true,
  promotesFirst: true,
  settles: true,
  settlesInOrder: true,
  drops: true,
  sweepsInOrder: true,
};
export type Rules = typeof ALL_RULES;

const linkOf = (sub: number, tag: number): Links => 1 << (tag * SUBSCRIPTIONS + sub);
const linksOf = (sub: number): Links => linkOf(sub, 0) | linkOf(sub, 1);
const has = (set: number, sub: number): boolean => (set & (1 << sub)) !== 0;

/** Moves a link to ready/, where it is there. */
function promote(state: State, sub: number, tag: number, { tagged }: Rules): State {
  const mine = tagged ? linkOf(sub, tag) : linksOf(sub);
  const found = state.links & mine;
  if (found === 0) return state;
  const one = found & -found;
  const got = state.got.map((times, n) => (n === sub ? Math.min(times + 1, 2) : times));
  return { ...state, links: state.links & ~one, got };
}

/** With a key, where there are more tags, 0 stands for 1, too. */
function membersOf({ maker }: State, { isKeyed }: Rules): number {
  const there = isKeyed ? 0b001 : 0b011;
  return maker === "make" ? there : there | (1 << MADE);
}

/** One step of a fan-out; `undefined` in place of what comes next: it is done; "undone": it was too late. */
function fanOut(state: State, fan: Fan, rules: Rules): [State, Fan | "undone" | undefined] {
  const [step, tag, members, next] = fan;
  const isMine = state.at === "staging" && state.tag === tag;
  const goOn = (to: Fan[0], at = 0): Fan => [to, tag, members, at];
  if (step === "stage") {
    const staged: State = { ...state, at: "staging" };
    return [staged, goOn(rules.listsWhenStaged ? "list" : "link")];
  }
  if (step === "list") {
    const after = rules.listsWhenStaged || state.at !== "tmp" ? "link" : "stage";
    return [state, [after, tag, membersOf(state, rules), 0]];
  }
  if (step === "commit") {
    if (isMine)
      return [{ ...state, at: "committed" }, goOn(rules.promotesFirst ? "promote" : "conclude")];
    return [state, goOn(rules.commits ? "uproot" : "promote")];
  }
  const isOver = next === SUBSCRIPTIONS;
  if (step === "conclude") {
    return [conclude(state, tag), rules.promotesFirst ? undefined : goOn("promote")];
  }
  if (isOver) {
    if (step === "link") return [state, goOn("commit")];
    if (step === "uproot") return [state, "undone"];
    return [state, rules.promotesFirst ? goOn("conclude") : undefined];
  }
  if (!has(members, next)) return [state, goOn(step, next + 1)];
  if (step === "link") return [state, isMine ? goOn("land", next) : goOn("uproot")];
  const link = linkOf(next, tag);
  // Also where the ticket was renamed since the link's source was looked up.
  if (step === "land") return [{ ...state, links: state.links | link }, goOn("link", next + 1)];
  if (step === "promote") return [promote(state, next, tag, rules), goOn("promote", next + 1)];
  return [{ ...state, links: state.links & ~link }, goOn("uproot", next + 1)];
}

const conclude = (state: State, tag: number): State =>
  state.at === "committed" && state.tag === tag ? { ...state, at: "log" } : state;

function* publisherSteps(state: State, rules: Rules): Generator<State> {
  const { publisher } = state;
  if (publisher === undefined) return;
  yield { ...state, publisher: undefined };
  const [after, next] = fanOut(state, publisher, rules);
  if (Array.isArray(next)) yield { ...after, publisher: next as Fan };
  else yield { ...after, publisher: undefined, told: next === "undone" ? "undone" : "ok" };
}

const taken = (state: State): State => ({ ...state, tag: state.tags, tags: state.tags + 1 });

/** What a helper that looks around may begin with. */
function* beginnings(state: State, rules: Rules): Generator<[State, Helper]> {
  const { at, tag, tags, links } = state;
  if (at === "staging" && (!rules.isKeyed || tags < TAGS)) {
    if (!rules.renamesFirst) yield [state, ["clear", tag, 0]];
    else if (rules.isKeyed) yield [taken(state), ["take over", tag, 0, tags]];
    else yield [{ ...state, at: "aborted" }, ["clear", tag, 0]];
  }
  if (at === "aborted") yield [state, ["clear", tag, 0]];
  if (at === "committed") yield [state, ["finish", tag, 0]];
  if (links !== 0) yield [state, [rules.sweepsInOrder ? "staging" : "committed", links]];
}

function helperStep(state: State, helper: Helper, rules: Rules): [State, Helper] {
  const [step] = helper;
  const { at, tag, links } = state;
  const idle: Helper = ["idle"];
  if (step === "clear" || step === "finish") {
    const [, of, next] = helper;
    if (next < SUBSCRIPTIONS) {
      const cleared = { ...state, links: links & ~linkOf(next, of) };
      return [step === "clear" ? cleared : promote(state, next, of, rules), [step, of, next + 1]];
    }
    if (step === "finish") return [conclude(state, of), idle];
    const isThere = tag === of && (at === "aborted" || (at === "staging" && !rules.renamesFirst));
    if (isThere && rules.isKeyed) return [taken(state), ["list", state.tags, 0, 0]];
    return [isThere ? { ...state, at: "gone" } : state, idle];
  }
  if (step === "take over") {
    const [, of, next, mine] = helper;
    if (next === SUBSCRIPTIONS) return [state, ["list", mine, 0, 0]];
    return [{ ...state, links: links & ~linkOf(next, of) }, ["take over", of, next + 1, mine]];
  }
  if (step === "staging" || step === "committed") {
    // The links of the ticket that it finds there are left alone.
    let [, doomed] = helper;
    if (at === step) for (let n = 0; n < SUBSCRIPTIONS; n++) doomed &= ~linkOf(n, tag);
    const isFirst = (step === "staging") === rules.sweepsInOrder;
    const other = step === "staging" ? "committed" : "staging";
    return [state, [isFirst ? other : "drop", doomed]];
  }
  if (step === "drop") {
    const [, doomed] = helper;
    if (doomed === 0) return [state, idle];
    const one = doomed & -doomed;
    return [{ ...state, links: links & ~one }, ["drop", doomed & ~one]];
  }
  const [after, next] = fanOut(state, helper as Fan, rules);
  return [after, Array.isArray(next) ? (next as Fan) : idle];
}

function* helperSteps(state: State, who: 0 | 1, rules: Rules): Generator<State> {
  const { helpers } = state;
  const after = (next: State, helper: Helper): State => ({
    ...next,
    helpers: who === 0 ? [helper, helpers[1]] : [helpers[0], helper],
  });
  if (helpers[who][0] !== "idle") {
    yield after(state, ["idle"]);
    yield after(...helperStep(state, helpers[who], rules));
    return;
  }
  for (const [next, helper] of beginnings(state, rules)) {
    const isSweep = helper[0] === "staging" || helper[0] === "committed";
    if (!isSweep || who === 1) yield after(next, helper);
  }
}

function* makerSteps(state: State, rules: Rules): Generator<State> {
  const { maker, at, got } = state;
  const first = rules.settlesInOrder ? "staging" : "committed";
  const second = rules.settlesInOrder ? "committed" : "staging";
  if (maker === "make") yield { ...state, maker: rules.settles ? "look" : "fill" };
  else if (maker === "look" && at !== first) yield { ...state, maker: "look again" };
  else if (maker === "look again") yield { ...state, maker: at === second ? "look" : "fill" };
  else if (maker === "fill") {
    yield { ...state, filled: at === "log", maker: rules.drops ? "seek" : "live" };
  } else if (maker === "seek") yield { ...state, maker: got[MADE]! > 0 ? "drop" : "live" };
  else if (maker === "drop") yield { ...state, filled: false, maker: "live" };
}

const isQuiet = ({ publisher, helpers, maker, at }: State): boolean =>
  publisher === undefined &&
  helpers.every(([step]) => step === "idle") &&
  maker === "live" &&
  (at === "tmp" || at === "log" || at === "gone");

/** What is wrong with a state, or undefined. */
function complaint(state: State, { isKeyed }: Rules): string | undefined {
  const { filled, told, at, maker } = state;
  const got = isKeyed ? [state.got[0]!, state.got[0]!, state.got[MADE]!] : state.got;
  const all = got.map((times, n) => times + (n === MADE && filled ? 1 : 0));
  const isTwice = all.some((times, n) => times > 1 && (n !== MADE || maker === "live"));
  if (isTwice || got.some((times) => times > 1)) return "delivered twice";
  // With a key it is promised when it is staged: whoever took it over finishes it.
  if (!isKeyed && told === "ok" && (got[0] !== 1 || got[1] !== 1)) return "told ok, not delivered";
  if (!isKeyed && told === "undone" && all.some((times) => times > 0)) return "undone, delivered";
  if (!isQuiet(state)) return undefined;
  const times = at === "log" ? 1 : 0;
  if (all.some((one) => one !== times)) return "delivered to some";
  return isKeyed && told === "ok" && times === 0 ? "told ok, lost" : undefined;
}

const keyOf = (state: State): string => Object.values(state).map(String).join(";");

export interface Explored {
  readonly states: number;
  readonly ends: number;
  readonly wrong: string | undefined;
}

/** Visits every state that can be reached, until one is wrong. */
export function explore(rules: Rules): Explored {
  const start: State = {
    at: "tmp",
    tag: 0,
    tags: 1,
    links: 0,
    got: [0, 0, 0],
    filled: false,
    told: "",
    publisher: [rules.listsWhenStaged ? "stage" : "list", 0, 0, 0],
    helpers: [["idle"], ["idle"]],
    maker: "make",
  };
  const seen = new Set<string>([keyOf(start)]);
  const todo = [start];
  let ends = 0;
  for (;;) {
    const state = todo.pop();
    if (state === undefined) return { states: seen.size, ends, wrong: undefined };
    const wrong = complaint(state, rules);
    if (wrong !== undefined) return { states: seen.size, ends, wrong };
    let isEnd = true;
    const steps = [publisherSteps(state, rules), makerSteps(state, rules)];
    for (const who of [0, 1] as const) steps.push(helperSteps(state, who, rules));
    for (const next of steps.flatMap((step) => [...step])) {
      isEnd = false;
      const key = keyOf(next);
      if (seen.has(key)) continue;
      seen.add(key);
      todo.push(next);
    }
    // Here the model ends, not the protocol: all take-overs that it has tags for have died.
    const isUsedUp = rules.isKeyed && state.at === "staging" && state.tags === TAGS;
    if (!isEnd || isUsedUp) continue;
    ends++;
    // Where nobody can do anything more, all is decided and swept.
    if (!isQuiet(state) || state.links !== 0) return { states: seen.size, ends, wrong: "stuck" };
  }
}
