#!/bin/sh
# A demonstration of dirspool on real input, in under a minute: log lines are piped into a queue, four
# workers share them, one worker is killed with -9 in the middle, and at the end every line is counted.
# Then they are published to a topic: one subscription archives them all, one wants errors only, a
# consumer is killed again, a late subscription begins at the start of the log, and all is counted.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
PATH=$here/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SPOOL_DIR="$work/spool" OUT="$work/out"
mkdir "$OUT"
say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }

# Real input: log files of this machine, or the history of this repository where there are none.
for log in /var/log/syslog /var/log/messages /var/log/*.log; do
  [ -r "$log" ] && [ -s "$log" ] && cat "$log"
done 2>/dev/null | tail -n 1500 > "$work/input" || true
source="log files in /var/log"
if [ "$(wc -l < "$work/input")" -lt 100 ]; then
  source="this repository's text"
  cat "$here"/docs/*.md "$here"/package-lock.json | head -n 1500 > "$work/input"
fi
lines=$(wc -l < "$work/input" | tr -d ' ')

say "1. Each line becomes a message: $lines lines from $source"
echo "\$ spool put logs --lines -v < input"
spool put logs --lines -v < "$work/input"
echo "\$ spool status"
spool status

say "2. Four workers share them, each running a command for each line"
echo "\$ spool work logs --until-empty -- sh -c 'tr a-z A-Z > \"\$OUT/\$SPOOL_ID\"'     (four times)"
cat > "$work/job" <<'JOB'
#!/bin/sh
# The result is named by the message, so doing it twice is the same as doing it once.
tr a-z A-Z > "$OUT/.$SPOOL_ID.$$" && mv "$OUT/.$SPOOL_ID.$$" "$OUT/$SPOOL_ID" && echo "$SPOOL_ID" >> "$OUT.runs"
JOB
chmod +x "$work/job"
workers=
for n in 1 2 3 4; do
  spool work logs --until-empty -- "$work/job" &
  workers="$workers $!"
  victim=$!
done

# In the middle: when some hundred lines are done.
while [ "$(ls "$OUT" | wc -l)" -lt $((lines / 3)) ]; do sleep 0.1; done
say "3. In the middle, one worker is killed with -9"
echo "\$ kill -9 $victim"
kill -9 "$victim"
wait "$victim" 2>/dev/null || true
echo "\$ spool status"
spool status
for pid in $workers; do [ "$pid" = "$victim" ] || wait "$pid"; done

say "4. All is done: nothing waits, nothing is claimed, nothing is dead"
echo "\$ spool status"
spool status
spool verify

say "5. The count"
results=$(ls "$OUT" | wc -l | tr -d ' ')
acked=$((lines - $(spool status logs -o plain | awk 'NR == 2 { print $2 + $3 + $4 + $5 }')))
runs=$(wc -l < "$OUT.runs" | tr -d ' ')
echo "lines put                      $lines"
echo "messages acked                 $acked"
echo "results                        $results"
echo "command runs                   $runs   (a message in the killed worker's hand may run again)"
# A message is a line without its newline; the results get theirs back here.
for file in "$OUT"/*; do cat "$file"; echo; done | sort > "$work/got"
tr a-z A-Z < "$work/input" | sort > "$work/wanted"
if cmp -s "$work/got" "$work/wanted" && [ "$results" = "$lines" ] && [ "$acked" = "$lines" ]; then
  echo "Every line was done exactly once: the sorted results are the sorted input, byte for byte."
else
  echo "Lines are missing or too many." >&2
  exit 1
fi

say "6. The same lines, published to a topic with two subscriptions: one of them wants errors only"
# What an error is: where this input has none, the lines with an "a" will do.
kind='error|fail|warn'
grep -qaiE "$kind" "$work/input" || kind=a
grep -aiE "$kind" "$work/input" > "$work/errors" || true
grep -aivE "$kind" "$work/input" > "$work/rest" || true
errors=$(wc -l < "$work/errors" | tr -d ' ')
echo "\$ spool topic create lines retention=1h"
spool topic create lines retention=1h
echo "\$ spool subscribe lines/archive"
spool subscribe lines/archive
echo "\$ spool subscribe lines/errors --filter level=error"
spool subscribe lines/errors --filter level=error
echo "\$ grep -iE '$kind' input | spool publish lines --lines -v -H 'level: error'"
spool publish lines --lines -v -H 'level: error' < "$work/errors"
echo "\$ grep -ivE '$kind' input | spool publish lines --lines -v -H 'level: info'"
spool publish lines --lines -v -H 'level: info' < "$work/rest"
echo "\$ spool status lines"
spool status lines

say "7. Both are read; the archive's consumer is killed with -9 in the middle, and another one goes on"
echo "\$ spool consume lines/archive --json | slowly >> archive     (and kill -9)"
mkfifo "$work/pipe"
spool consume lines/archive --json > "$work/pipe" &
victim=$!
: > "$work/archive"
while read -r line; do printf '%s\n' "$line"; sleep 0.002; done < "$work/pipe" >> "$work/archive" &
reader=$!
while [ "$(wc -l < "$work/archive")" -lt $((lines / 10)) ]; do sleep 0.1; done
kill -9 "$victim"
wait "$victim" 2>/dev/null || true
wait "$reader" || true
echo "\$ spool status lines"
spool status lines
echo "\$ spool consume lines/archive --json --until-empty >> archive"
spool consume lines/archive --json --until-empty >> "$work/archive"
echo "\$ spool consume lines/errors --until-empty > errors"
spool consume lines/errors --until-empty > "$work/errors.got"

say "8. A new subscription begins at the start of the topic's log, and gets all of it again"
echo "\$ spool subscribe lines/late --from start"
spool subscribe lines/late --from start
echo "\$ spool consume lines/late --until-empty > late"
spool consume lines/late --until-empty > "$work/late.got"
echo "\$ spool status lines"
spool status lines
spool verify

say "9. The count"
archived=$(grep -ao '^{"id":"[^"]*".*}$' "$work/archive" | cut -d'"' -f4 | sort -u | wc -l | tr -d ' ')
echo "lines published                $lines   ($errors of them errors)"
echo "messages in the archive        $archived   (by their ids: those in the killed consumer's hand may come twice)"
echo "messages of the filter         $(wc -l < "$work/errors.got" | tr -d ' ')"
echo "messages of the late one       $(wc -l < "$work/late.got" | tr -d ' ')"
is_same() { sort "$1" > "$work/one" && sort "$2" > "$work/other" && cmp -s "$work/one" "$work/other"; }
if [ "$archived" = "$lines" ] && is_same "$work/errors" "$work/errors.got" && is_same "$work/input" "$work/late.got"; then
  echo "Each subscription got all that it wants: the late one's sorted lines are the sorted input, byte for byte."
else
  echo "Lines are missing or too many." >&2
  exit 1
fi
