#!/bin/bash
# Tries the unit under a real systemd: installs binary, unit, configuration and credentials into a Debian tree, boots it,
# and checks what deploy/README.md promises.
#
# usage: run.sh [--root FOLDER] [--binary FILE] [--or-skip]
#   --root FOLDER   where the Debian tree is kept between runs (default: target/systemd-root)
#   --binary FILE   the built daemon (default: target/release/depositd)
#   --or-skip       where this machine cannot boot a system, say SKIPPED and why, and exit 0
# needs: root; Debian packages systemd-container, debootstrap. Two minutes, and one more for the tree at first.
set -euo pipefail
. "$(dirname "$0")/machine.sh"
binary=$project/target/release/depositd
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$2; shift 2 ;;
    --binary) binary=$2; shift 2 ;;
    --or-skip) or_skip=yes; shift ;;
    *) echo "usage: run.sh [--root FOLDER] [--binary FILE] [--or-skip]" >&2; exit 2 ;;
  esac
done
needs
if [ ! -x "$binary" ]; then echo "no daemon at $binary: build it first (cargo build --release)" >&2; exit 2; fi

undo() { if [ -n "${tracer:-}" ]; then kill -KILL "$tracer" 2> /dev/null || true; fi; }
is_not() { [ "$(property "$1")" != "$2" ] || { echo "$1 is still $2"; return 1; }; }
restarted_since() { is_not MainPID "$1" && is_not MainPID 0 && is ActiveState active; }
reload() { inside systemctl daemon-reload; inside systemctl reset-failed 'depositd*' 2>/dev/null || true; }
drop_in() { mkdir -p "$tree/etc/systemd/system/depositd.service.d"; cat > "$tree/etc/systemd/system/depositd.service.d/$1.conf"; reload; }
drop_out() { rm -f "$tree/etc/systemd/system/depositd.service.d/$1.conf"; reload; }
# call METHOD PATH [BODY] [USER] [WHERE]: the answer of an HTTP server at a socket or a port; fails where that is not 200
call() {
  inside runuser -u "${4:-root}" -- python3 -c '
import socket, sys
method, path, body, where = sys.argv[1:]
kind, where = (socket.AF_INET, ("127.0.0.1", int(where))) if where.isdigit() else (socket.AF_UNIX, where)
line = socket.socket(kind); line.settimeout(15); line.connect(where)
head = f"{method} {path} HTTP/1.1\r\nHost: depositd\r\nConnection: close\r\nContent-Type: application/json\r\n"
line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
answer = b"".join(iter(lambda: line.recv(65536), b"")).decode(); print(answer); sys.exit(answer.split()[1] != "200")
' "$1" "$2" "${3:-}" "${5:-/run/depositd/depositd.sock}"
}
get() { call GET "$1" "" "${2:-root}" "${3:-/run/depositd/depositd.sock}"; }
# query USER [LEDGER]: how many deposits the books have
query() { inside runuser -u "$1" -- sqlite3 -readonly "${2:-/var/lib/depositd/ledger.db}" 'SELECT count(*) FROM accounting_deposits'; }
journal() { inside journalctl --no-pager -o cat -u 'depositd*' "$@"; }
journal_has() { journal > "$work/journal"; grep -q -- "$1" "$work/journal"; }
nowhere() { inside journalctl --no-pager > "$work/journal"; ! grep -- "$1" "$work/journal"; }
# locked SECONDS [LEDGER]: another program keeps the ledger from being written
locked() { (echo 'BEGIN EXCLUSIVE;'; sleep "$1") | inside sqlite3 "${2:-/var/lib/depositd/ledger.db}"; }
# read_on FILE: the accountant's own command, again and again until FILE is gone; says each time that it fails
read_on() {
  inside runuser -u accountant -- sh -c \
    "while [ -e $1 ]; do depositd --config /etc/depositd/reader.toml --json list > /dev/null 2> /tmp/why || { echo FAILED; cat /tmp/why; }; echo read; done"
}
is_locked() { ! inside sqlite3 /var/lib/depositd/ledger.db 'BEGIN IMMEDIATE' 2> /dev/null; }

make_tree

echo "== install"
install -m 0755 "$binary" "$tree/usr/bin/depositd"
install -m 0644 "$project"/deploy/depositd{,@}.service "$project/deploy/depositd.target" "$tree/etc/systemd/system/"
install -D -m 0644 "$project/deploy/depositd.sysusers" "$tree/etc/sysusers.d/depositd.conf"
install -d -m 0755 "$tree/etc/depositd"
install -d -m 0700 "$tree/etc/depositd/credentials/"{,alpha,beta}

echo "== boot"
boot
inside systemd-sysusers
# Enabled as in life; it also keeps systemd from forgetting how a stopped unit ended.
inside systemctl enable --quiet depositd
inside useradd --system accountant --groups depositd
inside useradd --system stranger
start_upstream depositd
secret=$(cat "$tree/srv/upstream/upstream-api-key")
configure daemon ""
configure alpha /alpha
configure beta /beta
give_key ""
give_key /alpha
echo "another-key" | install -m 0600 /dev/stdin "$tree/etc/depositd/credentials/beta/upstream-api-key"

echo "== the units as files"
for unit in depositd.service depositd@alpha.service depositd.target; do
  inside systemd-analyze verify --man=no "$unit" > "$work/verify" 2>&1 || true
  if [ -s "$work/verify" ]; then cat "$work/verify" >&2; fail "verify $unit says something"; fi
  ok "verify $unit says nothing"
done
for unit in depositd.service depositd@.service; do
  check "the exposure of $unit is 1.5 or better" \
    inside systemd-analyze security --offline=true --threshold=15 "/etc/systemd/system/$unit"
  tail -1 "$work/out"
done

echo "== start: ready only when it is"
check "start succeeds" inside systemctl start depositd
check "/readyz answers as soon as start returns" get /readyz
check "it is active" inside systemctl is-active depositd
check "it runs as its own user" test "$(inside ps -o user= -p "$(property MainPID)")" = depositd
locked 9 &
eventually is_locked
inside systemctl kill --signal=KILL depositd
eventually is SubState start
sleep 1
check "while its ledger cannot be opened it is not active" is SubState start
wait $!
check "and then it is" eventually is ActiveState active
check "without a further start" is NRestarts 1

echo "== credentials"
environment=/proc/$(property MainPID)/environ
check "the upstream takes the key that systemd gave" inside depositd --json request USDT BSC 25 --key first
check "it is told where its credentials are" inside grep -qa CREDENTIALS_DIRECTORY "$environment"
check_not "the key itself is in no environment" inside grep -qa "$secret" "$environment"
drop_in no-credential <<'UNIT'
[Service]
LoadCredential=
UNIT
check_not "without the credential it does not start" inside systemctl restart depositd
check "that is exit status 2" is ExecMainStatus 2
sleep 3
check "and it is not tried again" is NRestarts 0
check "it stays failed" is ActiveState failed
check "and the journal names the key" journal_has upstream.api_key
drop_out no-credential

echo "== a wrong configuration"
sed -i 's/^user_id/colour = "blue"\nuser_id/' "$tree/etc/depositd/daemon.toml"
check_not "it does not start" inside systemctl start depositd
check "that is exit status 2" is ExecMainStatus 2
sleep 3
check "and it is not tried again" is NRestarts 0
check "it stays failed" is ActiveState failed
check "and the journal names file and key" journal_has '/etc/depositd/daemon.toml: upstream.colour'
configure daemon ""
reload
check "put right, it starts" inside systemctl start depositd

echo "== reload"
before=$(property MainPID)
sed -i 's/^to = .*/to = ["books@example.com"]/' "$tree/etc/depositd/daemon.toml"
check "reload succeeds" inside systemctl reload depositd
check "and takes effect, and the journal says so" eventually journal_has 'reloaded: mail.to'
check "it is active again" eventually is ActiveState active
sed -i 's/^to = .*/to = "nobody"/' "$tree/etc/depositd/daemon.toml"
check "reload of a wrong configuration is no end" inside systemctl reload depositd
check "the journal says why nothing was reloaded" eventually journal_has 'nothing is reloaded, all goes on as before: .*mail.to'
configure daemon ""
inside depositd --json mail test > "$work/out" 2>&1 || true
check "letters go where the last good configuration sends them" eventually \
  inside sh -c 'grep -l "^To: books@example.com" /var/lib/depositd/mail/*.eml'
for _ in $(seq 100); do inside systemctl kill --signal=HUP depositd; done
check "after a hundred hang-ups more it answers" get /readyz
check "the first address is back" eventually journal_has 'reloaded: mail.to'
check "it is the same process" is MainPID "$before"

echo "== starts that are refused, in a loop"
# Its own copy: the daemon's is written anew meanwhile.
cp "$tree/etc/depositd/daemon.toml" "$tree/etc/depositd/reader.toml"
inside touch /tmp/reading
read_on /tmp/reading > "$work/reads" 2>&1 &
reader=$!
inside systemctl stop depositd
sum=$(sha256sum "$tree/var/lib/depositd/ledger.db")
inside systemd-run --quiet --unit=squatter python3 -c '
import socket, time
taken = socket.socket(); taken.bind(("127.0.0.1", 9999)); taken.listen(); time.sleep(600)'
sed -i 's/^listen = .*/listen = ["127.0.0.1:9999"]\ntoken = "a-token-of-this-machine"/' "$tree/etc/depositd/daemon.toml"
drop_in hurry <<'UNIT'
[Service]
RestartSec=200ms
UNIT
check_not "a port that is taken is no start" inside systemctl start depositd
check "systemd tries again until it has had enough" eventually is ActiveState failed
check "which was not at once" test "$(property NRestarts)" -ge 4
check "the journal names the port" journal_has '127.0.0.1:9999.*Address already in use'
check "the accountant reads as before" query accountant
check "not a byte of the ledger has changed" test "$(sha256sum "$tree/var/lib/depositd/ledger.db")" = "$sum"
check_not "and nothing was put beside it" test -e "$tree/var/lib/depositd/ledger.db-wal"
inside systemctl stop squatter
configure daemon ""
drop_out hurry
check "put right, it starts again" inside systemctl start depositd
for _ in 1 2 3 4 5; do inside systemctl reset-failed depositd; inside systemctl restart depositd; done
inside rm /tmp/reading
wait "$reader" || true
check_not "who may only read never failed to, through stops, refusals and restarts" grep -A3 FAILED "$work/reads"
check "and read all the while" test "$(grep -c read "$work/reads")" -gt 10

echo "== who may read and call"
check "the accountant reads the ledger while it runs" query accountant
check "and calls the API" get /healthz accountant
check_not "a stranger does not read it" query stranger
check_not "nor call" get /healthz stranger
check "the reading commands work without secrets" inside runuser -u accountant -- depositd --json list

echo "== kill -9"
before=$(property MainPID)
killed=$(date +%s%N)
inside kill -9 "$before"
check "it is back after kill -9" eventually restarted_since "$before"
echo "     $((($(date +%s%N) - killed) / 1000000)) ms after, RestartSec=2s included"
check "and answers" get /readyz
check "the same key is the same deposit still" inside depositd --json request USDT BSC 25 --key first
check "there is one" test "$(query accountant)" = 1
drop_in no-restart <<'UNIT'
[Service]
Restart=no
UNIT
check "a second deposit" inside depositd --json request USDT BSC 25 --key second
inside systemctl kill --signal=KILL depositd
eventually is ActiveState failed
check "killed and down, its log is left beside the ledger" test -s "$tree/var/lib/depositd/ledger.db-wal"
check "and the accountant reads all of it" test "$(query accountant)" = 2
check_not "a stranger still does not" query stranger
drop_out no-restart

echo "== watchdog"
drop_in watchdog <<'UNIT'
[Service]
WatchdogSec=4s
TimeoutAbortSec=1s
UNIT
inside systemctl restart depositd
before=$(property MainPID)
locked 18 &
sleep 17
check_not "a ledger that another program has locked makes it unready" get /readyz
wait $!
check "and no more: the same process after 18 s with a watchdog of 4 s" is MainPID "$before"
check "ready again by itself" eventually get /readyz
inside kill -STOP "$before"
check "a process that stands still is replaced" eventually restarted_since "$before"
# The thread that writes the ledger hangs, as on a disk that never answers; all others go on, timers too.
before=$(property MainPID)
thread=$(inside sh -c "grep -l sqlx-sqlite /proc/$before/task/*/comm" | head -1 | cut -d/ -f5)
stalled=$(date +%s)
{ inside strace -qq -o /dev/null -p "$thread" -e inject=all:delay_enter=600s || true; } 2> /dev/null &
tracer=$!
told() { inside journalctl --no-pager -o cat -u depositd --since "@$stalled" | grep -q 'Watchdog timeout'; }
for _ in 1 2 3 4 5 6; do if eventually told; then break; fi; done > /dev/null 2>&1
check "a process of which one part hangs is no longer fed, and ended" told
echo "     $(($(date +%s) - stalled)) s after"
inside pkill -KILL -x strace
check "and replaced" eventually restarted_since "$before"
check "the journal names the part" journal_has 'has come to a standstill'
drop_out watchdog
inside systemctl restart depositd

echo "== stop"
call POST /sandbox/faults '{"call":"create","fault":{"delay":{"secs":4,"nanos":0}}}' root "${upstream##*:}" > "$work/out" || { cat "$work/out" >&2; fail "no delay"; }
inside depositd --json request USDT TRON 30 > "$work/late" 2>&1 &
sleep 1
check "stop succeeds" inside systemctl stop depositd
check "it exited by itself, with 0" is ExecMainStatus 0
check "and was not killed" is ExecMainCode 1
check "and systemd is content" is Result success
check "what was under way is on record" test \
  "$(inside sqlite3 -readonly /var/lib/depositd/ledger.db "SELECT group_concat(outcome) FROM attempt")" = wallet,wallet,wallet
check_not "the ledger is one whole file again" test -e "$tree/var/lib/depositd/ledger.db-wal"
check "the accountant reads it after the stop" test "$(query accountant)" = 3
check_not "a stranger still does not" query stranger

echo "== two accounts side by side"
alpha=/run/depositd/alpha/depositd.sock
check "the instances start" inside systemctl start depositd@alpha depositd@beta
check "alpha answers at its own socket" get /readyz root $alpha
check "and beta at its own" get /readyz root /run/depositd/beta/depositd.sock
check "alpha has alpha's key: a deposit" inside depositd --config /etc/depositd/alpha.toml request USDT BSC 25
# A refused account keeps its requests waiting.
check_not "beta has beta's, for which the upstream makes no wallet" inside timeout 15 depositd --config /etc/depositd/beta.toml request USDT BSC 25
check "its ledger is read by the accountant" query accountant /var/lib/depositd/alpha/ledger.db
check "beta stops" inside systemctl stop depositd@beta
check "and alpha does not mind" get /readyz root $alpha
check "alpha stops" inside systemctl stop depositd@alpha

echo "== TLS behind the bars"
inside openssl req -x509 -newkey rsa:2048 -nodes -keyout /srv/tls.key -out /srv/tls.pem -days 2 -subj /CN=nobody \
  > /dev/null 2>&1
inside systemd-run --quiet --unit=tls openssl s_server -accept 8443 -cert /srv/tls.pem -key /srv/tls.key -www
configure alpha /alpha https://127.0.0.1:8443
inside systemctl start depositd@alpha
check_not "a stranger's certificate is refused" inside depositd --config /etc/depositd/alpha.toml reconcile
check "as such: the handshake itself works" journal_has 'no connection: invalid peer certificate'
check "alpha stops again" inside systemctl stop depositd@alpha

echo "== the journal"
journal _TRANSPORT=stdout > "$work/lines"
check "the daemon wrote to it" grep -q "is ready" "$work/lines"
check_not "each line is a level and a message, without times and colours" grep -vE '^ ?(INFO|WARN|ERROR) |^depositd: ' "$work/lines"
check "the key is nowhere in it" nowhere "$secret"
echo "all $passed checks passed"
