/**
 * Makes the screens of docs/top.md, as text in the page and as pictures in docs/screens/, from a real run:
 *
 *   node test/tui/screens.ts
 *
 * A spool with a few queues and topics, producers, workers and subscribers at work, and `spool top` in tmux.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Terminal } from "../helpers/tmux.ts";
import { pictureOf } from "./screen-picture.ts";

const ROOT = join(import.meta.dirname, "../..");
const DOCS = join(ROOT, "docs");
const SIZE = { columns: 118, rows: 22 } as const;

const dir = mkdtempSync(`${tmpdir()}/spool-screens-`);
const env = { PATH: `${ROOT}/bin:${process.env["PATH"]!}`, HOME: dir, SPOOL_DIR: `${dir}/spool` };
const LOCALE = { LANG: "C.UTF-8", TERM: "xterm-256color" };

const PREPARE = `
  spool queue create thumbnails max-attempts=2 backoff=1ms..1ms
  spool queue create mail max-attempts=1
  spool topic create orders retention=1h
  spool subscribe orders/billing; spool subscribe orders/search; spool subscribe orders/audit --filter 'level=error'
  seq 1 40000 | spool put reindex --lines
  for n in 1 2 3 4 5; do
    spool put mail -m "{\\"order\\":10$n,\\"to\\":\\"ann@example.com\\"}" -H 'Type: receipt' > /dev/null
  done
  spool work mail --until-empty -- sh -c 'echo "550 no such customer" >&2; exit 65' 2> /dev/null
  spool put nightly -m report --delay 6h > /dev/null
  spool put exports -m x > /dev/null; spool pause exports
`;

const AT_WORK = [
  `while :; do seq 1 90 | spool put thumbnails --lines; sleep 0.3; done`,
  `spool work thumbnails -j 4 -- sleep 0.02`,
  `while :; do spool take reindex -n 60 > /dev/null; sleep 0.2; done`,
  `while :; do spool publish orders -m '{"order":7}' -H 'level: error' > /dev/null; sleep 0.2; done`,
  `spool consume orders/billing > /dev/null`,
];

/** Which screen, what is looked for before it is taken, and the keys that lead to it. */
const SCREENS: readonly (readonly [
  name: string,
  title: string,
  keys: readonly string[],
  wait: RegExp,
])[] = [
  ["list", "spool top: all queues", ["G", "g"], /draining[^]*DEPTH|thumbnails/],
  [
    "reasons",
    "inside a queue: dead letters by their reasons",
    ["/", "m", "a", "i", "l", "Enter", "3"],
    /exit 65/,
  ],
  ["message", "one dead letter", ["Enter", "Enter"], /payload as text/],
  [
    "workers",
    "inside a queue: its workers",
    ["Escape", "Escape", "Escape", "Escape", "/", "t", "h", "u", "m", "Enter", "2"],
    /vm|@/,
  ],
  ["graphs", "inside a queue: graphs", ["5"], /depth, the last/],
  ["question", "before anything is done", ["D"], /throw away/],
];

const sh = (script: string): string =>
  execFileSync("bash", ["-c", script], { env, encoding: "utf8" });

/** The text between the two marks of a screen, in the page. */
function placed(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- screen ${name} -->`, `<!-- /screen ${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`docs/top.md has no ${begin} … ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}

/** Nobody's paths, and nobody's host. */
const anonymous = (text: string): string =>
  text
    .replaceAll(`${dir}/spool`, "/srv/spool")
    .replaceAll(/@[\w-]+/g, (host) => (host === "@example" ? host : "@host"));

async function main(): Promise<void> {
  sh(PREPARE);
  const workers = AT_WORK.map((script) =>
    spawn("bash", ["-c", script], { env, stdio: "ignore", detached: true }),
  );
  const terminal = new Terminal(`${dir}/tmux`, { ...env, ...LOCALE }, SIZE.columns, SIZE.rows);
  try {
    await sleep(25_000);
    terminal.run("spool top --interval 1s --theme dark");
    await sleep(8000);
    let page = readFileSync(`${DOCS}/top.md`, "utf8");
    mkdirSync(`${DOCS}/screens`, { recursive: true });
    for (const [name, title, keys, wait] of SCREENS) {
      for (const key of keys) {
        terminal.keys(key);
        await sleep(300);
      }
      await terminal.shows(wait);
      await sleep(1500);
      const text = anonymous(terminal.screen).replace(/\n+$/, "");
      const block = `![${title}](screens/${name}.svg)\n\n\`\`\`\n${text}\n\`\`\``;
      page = placed(page, name, block);
      writeFileSync(
        `${DOCS}/screens/${name}.svg`,
        pictureOf(anonymous(terminal.colours), SIZE.columns, title),
      );
    }
    writeFileSync(`${DOCS}/top.md`, page);
  } finally {
    terminal.end();
    for (const { pid } of workers) if (pid !== undefined) process.kill(-pid, "SIGKILL");
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

await main();
