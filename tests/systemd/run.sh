#!/bin/bash
# Tries the unit under a real systemd: installs binary, unit, configuration and credentials into a Debian tree, boots it,
# and checks what deploy/README.md promises.
#
# usage: run.sh [--root FOLDER] [--binary FILE] [--stand-in]
#   --root FOLDER   where the Debian tree is kept between runs (default: target/systemd-root)
#   --binary FILE   the built daemon (default: target/release/depositd)
#   --stand-in      try this script alone, with a small program in the daemon's place
# needs: root; Debian packages systemd-container, debootstrap
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
root=$project/target/systemd-root
binary=$project/target/release/depositd
stand_in=
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$2; shift 2 ;;
    --binary) binary=$2; shift 2 ;;
    --stand-in) stand_in=yes; binary=$here/stand-in.py; shift ;;
    *) echo "usage: run.sh [--root FOLDER] [--binary FILE] [--stand-in]" >&2; exit 2 ;;
  esac
done
if [ "$(id -u)" != 0 ]; then echo "run.sh needs root: it boots a system" >&2; exit 2; fi
if [ ! -x "$binary" ]; then echo "no daemon at $binary: build it first (cargo build --release)" >&2; exit 2; fi

. "$here/machine.sh"
secret=systemd-test-key-5f1d
work=$(mktemp -d)
passed=0
finish() {
  local status=$?
  if [ $status != 0 ] && [ -n "${machine_leader:-}" ]; then
    echo "--- journal" >&2
    inside journalctl -b --no-pager -n 40 -u 'depositd*' >&2 || true
  fi
  machine_down
  rm -rf --one-file-system "$work"
  exit $status
}
trap finish EXIT

ok() { passed=$((passed + 1)); echo "ok   $*"; }
fail() { echo "FAIL $*" >&2; exit 1; }
check() { local what=$1; shift; if "$@" > "$work/out" 2>&1; then ok "$what"; else cat "$work/out" >&2; fail "$what"; fi; }
check_not() { local what=$1; shift; if "$@" > "$work/out" 2>&1; then cat "$work/out" >&2; fail "$what"; else ok "$what"; fi; }
eventually() { local _; for _ in $(seq 150); do if "$@" > /dev/null 2>&1; then return 0; fi; sleep 0.1; done; "$@"; }
property() { inside systemctl show "${2:-depositd}" -p "$1" --value; }
is() { [ "$(property "$1")" = "$2" ] || { echo "$1 is $(property "$1"), not $2"; return 1; }; }
is_not() { [ "$(property "$1")" != "$2" ] || { echo "$1 is still $2"; return 1; }; }
restarted_since() { is_not MainPID "$1" && is_not MainPID 0 && is ActiveState active; }
reload() { inside systemctl daemon-reload; inside systemctl reset-failed 'depositd*' 2>/dev/null || true; }
drop_in() { mkdir -p "$tree/etc/systemd/system/depositd.service.d"; cat > "$tree/etc/systemd/system/depositd.service.d/$1.conf"; reload; }
drop_out() { rm -f "$tree/etc/systemd/system/depositd.service.d/$1.conf"; reload; }
# get PATH [USER] [SOCKET]: the status of an HTTP answer over the unix socket
get() {
  inside runuser -u "${2:-root}" -- python3 -c '
import socket, sys
line = socket.socket(socket.AF_UNIX); line.settimeout(5); line.connect(sys.argv[2])
line.sendall(f"GET {sys.argv[1]} HTTP/1.1\r\nHost: depositd\r\nConnection: close\r\n\r\n".encode())
status = line.recv(4096).split()[1].decode(); print(status); sys.exit(status != "200")' "$1" "${3:-/run/depositd/depositd.sock}"
}
query() { inside runuser -u "$1" -- sqlite3 -readonly "${2:-/var/lib/depositd/ledger.db}" 'SELECT count(*) FROM accounting_deposits'; }

# configure FILE NAME: writes a configuration whose places end in NAME ("" or "/name")
configure() {
  cat > "$1" <<TOML
[upstream]
base_url = "http://127.0.0.1:9"
user_id = "12345"
[ledger]
path = "/var/lib/depositd$2/ledger.db"
[mail]
transport = "file"
from = "deposits@example.com"
to = ["finance@example.com"]
directory = "/var/lib/depositd$2/mail"
[api]
listen = ["unix:/run/depositd$2/depositd.sock"]
TOML
}

echo "== a tree with systemd: $root"
"$here/root.sh" "$root" > "$work/root.log" 2>&1 || { tail -5 "$work/root.log" >&2; fail "the tree could not be built"; }
tree=$work/tree
cp -a --reflink=auto "$root" "$tree"

echo "== install"
install -m 0755 "$binary" "$tree/usr/bin/depositd"
install -m 0644 "$project"/deploy/depositd.service "$project"/deploy/depositd@.service "$tree/etc/systemd/system/"
install -D -m 0644 "$project/deploy/depositd.sysusers" "$tree/etc/sysusers.d/depositd.conf"
install -d -m 0755 "$tree/etc/depositd"
install -d -m 0700 "$tree/etc/depositd/credentials/alpha"
configure "$tree/etc/depositd/daemon.toml" ""
configure "$tree/etc/depositd/alpha.toml" /alpha
echo "$secret" | install -m 0600 /dev/stdin "$tree/etc/depositd/credentials/upstream-api-key"
echo "$secret" | install -m 0600 /dev/stdin "$tree/etc/depositd/credentials/alpha/upstream-api-key"

echo "== boot"
machine_boot "$tree" "$work/machine"
inside systemd-sysusers
# Enabled as in life; it also keeps systemd from forgetting how a stopped unit ended.
inside systemctl enable --quiet depositd
inside useradd --system accountant --groups depositd
inside useradd --system stranger

echo "== the units as files"
for unit in depositd.service depositd@alpha.service; do
  inside systemd-analyze verify --man=no "$unit" > "$work/verify" 2>&1 || true
  if [ -s "$work/verify" ]; then cat "$work/verify" >&2; fail "verify $unit says something"; fi
  ok "verify $unit says nothing"
done
check "security is 1.5 or better" inside systemd-analyze security --offline=true --threshold=15 /etc/systemd/system/depositd.service

echo "== start: ready only when it is"
inside systemctl start --no-block depositd
sleep 0.2
if [ -n "$stand_in" ]; then check "not active before it says so" is ActiveState activating; fi
check "start succeeds" inside systemctl start depositd
check "/healthz answers as soon as start returns" get /healthz
check "/readyz too, though the upstream is away" get /readyz
check "it is active" inside systemctl is-active depositd
check "it runs as its own user" test "$(inside ps -o user= -p "$(property MainPID)")" = depositd

echo "== credentials"
environment=/proc/$(property MainPID)/environ
check "it is told where its credentials are" inside grep -qa CREDENTIALS_DIRECTORY "$environment"
check_not "the key itself is in no environment" inside grep -qa "$secret" "$environment"
drop_in no-credential <<'UNIT'
[Service]
LoadCredential=
UNIT
check_not "without the credential it does not start" inside systemctl restart depositd
check "that is exit status 2" is ExecMainStatus 2
check "and it is not tried again" is NRestarts 0
check "and the journal names the key" bash -c "$(declare -f inside); machine_leader=$machine_leader; inside journalctl -u depositd --no-pager | grep -q upstream.api_key"
drop_out no-credential

echo "== a wrong configuration"
configure "$tree/etc/depositd/daemon.toml" ""
sed -i 's/^user_id/colour = "blue"\nuser_id/' "$tree/etc/depositd/daemon.toml"
check_not "it does not start" inside systemctl start depositd
check "that is exit status 2" is ExecMainStatus 2
check "and the journal names file and key" bash -c "$(declare -f inside); machine_leader=$machine_leader; inside journalctl -u depositd --no-pager | grep -q '/etc/depositd/daemon.toml: upstream.colour'"
configure "$tree/etc/depositd/daemon.toml" ""
reload
check "put right, it starts" inside systemctl start depositd

echo "== who may read and call"
check "the accountant reads the ledger while it runs" query accountant
check "and calls the API" get /healthz accountant
check_not "a stranger does not read it" query stranger
check_not "nor call" get /healthz stranger
if [ -z "$stand_in" ]; then
  check "the reading commands work without secrets" inside runuser -u accountant -- depositd --json list
fi

echo "== kill -9"
before=$(property MainPID)
inside kill -9 "$before"
check "it is back after kill -9" eventually restarted_since "$before"
check "and answers" eventually get /healthz

echo "== watchdog"
drop_in watchdog <<'UNIT'
[Service]
WatchdogSec=4s
TimeoutAbortSec=1s
UNIT
inside systemctl restart depositd
before=$(property MainPID)
sleep 10
check "fed: still the same process after 10 s with a watchdog of 4 s" is MainPID "$before"
inside kill -STOP "$before"
check "a process that stands still is replaced" eventually restarted_since "$before"
drop_out watchdog
inside systemctl restart depositd

echo "== stop"
check "stop succeeds" inside systemctl stop depositd
check "it exited by itself, with 0" is ExecMainStatus 0
check "and was not killed" is ExecMainCode 1
check "and systemd is content" is Result success
check "the accountant reads the ledger after it stopped" query accountant
check_not "a stranger still does not" query stranger

echo "== the template"
check "an instance starts" inside systemctl start depositd@alpha
check "and answers at its own socket" get /healthz root /run/depositd/alpha/depositd.sock
check "its ledger is read by the accountant" query accountant /var/lib/depositd/alpha/ledger.db
check "it stops" inside systemctl stop depositd@alpha

check "the key is nowhere in the journal" bash -c "$(declare -f inside); machine_leader=$machine_leader; ! inside journalctl --no-pager | grep -q $secret"
echo "all $passed checks passed"
