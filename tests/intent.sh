#!/bin/bash
# Shows with strace that the intent is on disk before the upstream hears of it: when the first byte of the call that
# makes a wallet leaves, the ledger's log holds the attempt, and nothing in that log is still waiting for its fsync.
#
# usage: intent.sh [BINARY]      (default: target/debug/depositd)      needs: strace; exits 0 or 1
set -euo pipefail
binary=$(realpath "${1:-$(dirname "$0")/../target/debug/depositd}")
work=$(mktemp -d)
tracer=
finish() {
  # strace itself takes no signal; it ends with what it traces. Both are one process group.
  if [ -n "$tracer" ]; then kill -KILL -- "-$tracer" 2>/dev/null || true; wait "$tracer" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
fail() { echo "FAIL $*" >&2; tail -5 "$work/out" >&2; exit 1; }

setsid strace -f -qq -y -s 8192 -e trace=fdatasync,fsync,pwrite64,sendto,write,writev -o "$work/trace" \
  "$binary" sandbox --serve --speed 1 --dir "$work/sandbox" > "$work/out" 2>&1 &
tracer=$!
for _ in $(seq 300); do
  if grep -q 'stays up until' "$work/out"; then break; fi
  kill -0 "$tracer" 2>/dev/null || fail "the sandbox did not start"
  sleep 0.1
done
"$binary" --config "$work/sandbox/daemon.toml" --json request USDT BSC 25 > "$work/request" || fail "no deposit"
deposit=$(grep -o '"id": *"[^"]*"' "$work/request" | head -1 | cut -d'"' -f4)
[ -n "$deposit" ] || fail "no deposit in the answer"

# A call that another thread's line interrupts is written as "unfinished" and "resumed": it counts for a write when it
# begins, for an fsync when it has returned 0.
# The attempt is known by its row, the first of its table and so the last on its page: the deposit, when, and no more.
attempt="${deposit}20[0-9-]+T[0-9:.]+Z\""
attempt=$attempt awk '
  BEGIN { attempt = ENVIRON["attempt"] }
  { unfinished = / <unfinished \.\.\.>$/ }
  / pwrite64\([0-9]+<[^>]*-wal>/ { dirty = NR; writes++; if ($0 ~ attempt) last = NR }
  / (fsync|fdatasync)\([0-9]+<[^>]*-wal>/ && unfinished { waits[$1] = dirty }
  / (fsync|fdatasync)\([0-9]+<[^>]*-wal>.* = 0$/ { synced = NR; if (dirty < NR) dirty = 0 }
  /<\.\.\. (fsync|fdatasync) resumed>.* = 0$/ && ($1 in waits) {
    synced = NR; if (dirty == waits[$1]) dirty = 0; delete waits[$1]
  }
  / (write|writev|sendto)\(.*"PUT \/v3\// {
    sent = NR
    exit
  }
  END {
    if (!sent) { print "the call PUT /v3/ was not seen"; exit 1 }
    if (!last) { print "the attempt was not in the log when the call left"; exit 1 }
    if (dirty) { print "line " dirty " of the trace wrote to the log, and the call left in line " sent " without an fsync"; exit 1 }
    if (synced < last) { print "no fsync after line " last; exit 1 }
    print "line " last ": the attempt is written to the log; line " synced ": fsync; line " sent ": PUT /v3/ leaves"
  }' "$work/trace" > "$work/verdict" || fail "$(cat "$work/verdict")"
echo "ok   $(cat "$work/verdict")"
