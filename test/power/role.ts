/**
 * One process of the workload: `node role.ts ROLE SPOOL JOURNAL LOG WHO SECONDS SEED SYNC ORDER`.
 *
 * It works until its time is up or it is killed, and says in its journal what it does.
 */
import { openSpool } from "../../src/spool.ts";
import { chance } from "../helpers/model-chance.ts";
import { CarefulFileSystem } from "./careful.ts";
import { Journal } from "./journal.ts";
import { make } from "./make.ts";
import { configure, dropper, receipts } from "./other-roles.ts";
import { lines, operate, produce, stream, work } from "./queue-roles.ts";
import type { Life, Role } from "./queue-roles.ts";
import { consume, manage, publish } from "./topic-roles.ts";

const ROLES: Readonly<Record<string, Role>> = {
  make,
  produce,
  lines,
  stream,
  work,
  operate,
  receipts,
  dropper,
  configure,
  publish,
  consume,
  manage,
};

const [, , role = "", dir = "", file = "", log = "", who = "", ...rest] = process.argv;
const [seconds = "", seed = "", sync = "disk", order = "own"] = rest;

const random = chance(Number(seed));
const endMs = performance.now() + Number(seconds) * 1000;
let made = 0;

const life: Life = {
  spool: await openSpool({
    dir,
    parts: order === "careful" ? { fs: new CarefulFileSystem() } : {},
  }),
  journal: new Journal(file, log),
  random,
  who,
  sync: sync === "none" ? "none" : "disk",
  isOver: () => performance.now() > endMs,
  token: (bytes) => `${who}.${made++}.s${bytes}`,
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, random() * ms)),
};

await ROLES[role]!(life);
process.exit(0);
