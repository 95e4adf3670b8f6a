#!/bin/bash
# Many accounts on one machine, each a depositd@NAME of its own, under a real systemd: started all at once, left idle, then
# asked for a deposit and a reconciliation at the same moment; stopped, started and restarted by one word.
#
# usage: many.sh [--count N] [--keys files|credentials] [--idle SECONDS] [--root FOLDER] [--binary FILE] [--or-skip]
#   --count N       so many daemons (default: 200)
#   --keys WHICH    with deploy/many-accounts.conf (files, the default), or as the template is by itself
#   --idle SECONDS  for so long they are watched doing nothing (default: 120)
#   --root FOLDER   where the Debian tree is kept between runs (default: target/systemd-root)
#   --binary FILE   the built daemon (default: target/release/depositd)
#   --or-skip       where this machine cannot boot a system, say SKIPPED and why, and exit 0
# needs: root; Debian packages systemd-container, debootstrap.
set -euo pipefail
. "$(dirname "$0")/machine.sh"
binary=$project/target/release/depositd
count=200
idle=120
keys=files
# So much memory may a daemon take, in kB of PSS, beside what all share: 200 within 1.5 GB. And so much once it has worked.
most_idle=7000
most_after=9000
shared=48000
usage() { sed -n 's/^# usage: //p' "$0" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --count) count=${2:?}; shift 2 ;;
    --keys) keys=${2:?}; shift 2 ;;
    --idle) idle=${2:?}; shift 2 ;;
    --root) root=${2:?}; shift 2 ;;
    --binary) binary=${2:?}; shift 2 ;;
    --or-skip) or_skip=yes; shift ;;
    *) usage ;;
  esac
done
case $keys in files | credentials) ;; *) usage ;; esac
needs
if [ ! -x "$binary" ]; then echo "no daemon at $binary: build it first (cargo build --release)" >&2; exit 2; fi
names=$(seq -f 'a%04g' 1 "$count")
units=$(for name in $names; do echo "depositd@$name.service"; done)

states() { inside systemctl show $units -p "$1" --value | grep -v '^$' | sort | uniq -c | sed 's/^ *//'; }
all_are() { test "$(states "$1")" = "$count $2" || { echo "$1: $(states "$1")"; return 1; }; }
pids() { inside systemctl show $units -p MainPID --value | grep -v '^$'; }
ask() { inside python3 /srv/many.py "$@"; }
# seconds COMMAND...: runs it, and says how long it took, in `took`
seconds() { local began; began=$(date +%s%N); "$@"; local status=$?; took=$(awk "BEGIN { printf \"%.1f\", ($(date +%s%N) - $began) / 1e9 }"); return $status; }
# memory LIMIT: says it, and fails where it is more than so much for each
memory() { ask pss $(pids) > "$work/pss" && head -1 "$work/pss" | sed 's/^/     /' >&3 && test "$(tail -1 "$work/pss")" -lt $(($1 * count + shared)); }
exec 3>&1
journal_lacks() { ! inside journalctl --no-pager -o cat -u 'depositd@*' | grep -E -- "$1"; }

make_tree
echo "== install"
install -m 0755 "$binary" "$tree/usr/bin/depositd"
install -m 0644 "$project"/deploy/depositd.service "$project"/deploy/depositd@.service "$project"/deploy/depositd.target \
  "$tree/etc/systemd/system/"
install -D -m 0644 "$project/deploy/depositd.sysusers" "$tree/etc/sysusers.d/depositd.conf"
install -m 0644 "$here/many.py" "$tree/srv/many.py"
install -d -m 0755 "$tree/etc/depositd"
install -d -m 0700 "$tree/etc/depositd/credentials"
if [ "$keys" = files ]; then
  install -D -m 0644 "$project/deploy/many-accounts.conf" "$tree/etc/systemd/system/depositd@.service.d/many-accounts.conf"
fi
boot
inside systemd-sysusers
inside useradd --system accountant --groups depositd
start_upstream depositd
# Not while they are watched.
minute=$((($(date -u +%-M) + 30) % 60))
for name in $names; do
  configure "$name" "/$name"
  printf '[reconcile]\nschedule = "0 %s * * * *"\n' $minute >> "$tree/etc/depositd/$name.toml"
  give_key "/$name"
done
if [ "$keys" = files ]; then
  inside sh -c 'chgrp -R depositd /etc/depositd/credentials/*; chmod 0750 /etc/depositd/credentials/*; chmod 0440 /etc/depositd/credentials/*/*'
fi
check "the target is a unit without a fault" test -z "$(inside systemd-analyze verify --man=no depositd.target depositd@a0001.service 2>&1)"
check "all are enabled" inside systemctl enable --quiet $units

echo "== $count first starts at once"
check "the target starts" seconds inside systemctl start depositd.target
echo "     ready after $took s, $(nproc) cores"
check "all are active" all_are ActiveState active
check "none was started twice" all_are NRestarts 0
check "each answers /healthz" ask healthz $names
sed 's/^/     /' "$work/out"
echo "     $(inside sh -c 'wc -l < /proc/self/mountinfo') mounts of the machine"
check "the memory is within the limit" memory $most_idle

echo "== idle"
before=($(ask load $(pids)))
sleep "$idle"
after=($(ask load $(pids)))
awk -v ticks=$((after[0] - before[0])) -v hertz="$(getconf CLK_TCK)" -v wakes=$((after[1] - before[1])) -v idle="$idle" \
  -v count="$count" -v threads="${after[2]}" -v files="${after[3]}" 'BEGIN {
    printf "     in %d s: %.2f s of processor in all, %.3f %% of a core each, %.1f wake-ups a second each; %d threads, %d files each\n",
      idle, ticks / hertz, 100 * ticks / hertz / idle / count, wakes / idle / count, threads / count, files / count }'
check "the memory is still within the limit" memory $most_idle

echo "== one deposit each, and one reconciliation each, all at the same moment"
check "each has a wallet" ask deposit $names
sed 's/^/     /' "$work/out"
check "each has reconciled" ask reconcile $names
sed 's/^/     /' "$work/out"
check "the memory after it" memory $most_after
check "nobody was started again" all_are NRestarts 0
if [ "$count" -le 10000 ]; then
  check "the accountant lists all of them" seconds inside runuser -u accountant -- depositd --json list --all --limit 10000
  check "with a deposit of each" test "$(grep -o '"account":"a[0-9]*"' "$work/out" | sort -u | wc -l)" = "$count"
  echo "     within $took s"
fi

echo "== each has its own key, and no other"
key=/etc/depositd/credentials
leader=$(property MainPID depositd@a0001)
as_daemon() { inside nsenter -t "$leader" -m -S "$(inside id -u depositd)" -G "$(inside id -g depositd)" -- "$@"; }
if [ "$keys" = files ]; then
  check "a daemon reads its own" as_daemon test -r $key/a0001/upstream-api-key
  check_not "and cannot write it" as_daemon test -w $key/a0001/upstream-api-key
  check_not "there is no other for it" as_daemon test -e $key/a0002
fi
check_not "outside its unit the daemon's user reads none" inside runuser -u depositd -- test -r $key/a0001/upstream-api-key
check_not "nor does who may read the ledgers" inside runuser -u accountant -- test -r $key/a0001/upstream-api-key
check "check is content" inside depositd --config /etc/depositd/a0001.toml check
grep -E 'secrets|daemon|warn' "$work/out" | sed 's/^/     /' || true

echo "== by one word"
# It waits for itself alone, and not for those that it takes down.
check "the target stops" inside systemctl stop depositd.target
check "all are down" seconds eventually all_are ActiveState inactive
echo "     after $took s"
check "the target starts" seconds inside systemctl start depositd.target
check "all are up" all_are ActiveState active
echo "     after $took s, on ledgers that are there"
one=$(property MainPID depositd@a0001)
check "the target restarts" seconds inside systemctl restart depositd.target
check "all are up again" all_are ActiveState active
check_not "as other processes" test "$(property MainPID depositd@a0001)" = "$one"
echo "     after $took s"
check "one account is stopped by itself" inside systemctl stop depositd@a0001
check "and the target brings it back" inside systemctl start depositd.target
check "as the only one that is new" is ActiveState active depositd@a0001
check "started by itself, without the target" inside sh -c 'systemctl stop depositd.target; systemctl start depositd@a0001'
check "it is stopped by the target all the same" inside systemctl stop depositd.target
check "it is down" eventually is ActiveState inactive depositd@a0001
check "no watchdog barked, and nothing was killed" journal_lacks 'Watchdog timeout|SIGKILL|standstill|timed out'
inside journalctl --no-pager -o cat -u 'depositd@*' _TRANSPORT=stdout > "$work/lines"
echo "     $(grep -cE '^ ?WARN ' "$work/lines" || true) warnings, $(grep -cE '^ ?ERROR ' "$work/lines" || true) errors in the journals"
grep -hE '^ ?(WARN|ERROR) ' "$work/lines" | sed -E 's/[0-9a-f]{8}-[0-9a-f-]+|a[0-9]{4}|[0-9]+/#/g' | sort | uniq -c | sort -rn | head -5 || true
echo "all $passed checks passed"
