#!/bin/bash
# The life of the package under a real systemd: installed, a first deposit, upgraded while callers ask, gone back from,
# refused in words, removed, purged, and installed again on the ledger that it had left.
#
# usage: package.sh [--root FOLDER] [--or-skip]
# needs: root; the package in target/debian (.ci/package); Debian packages systemd-container, debootstrap.
set -euo pipefail
. "$(dirname "$0")/machine.sh"
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$2; shift 2 ;;
    --or-skip) or_skip=yes; shift ;;
    *) echo "usage: package.sh [--root FOLDER] [--or-skip]" >&2; exit 2 ;;
  esac
done
needs dpkg-deb
package=$(the_package)
need_package

dpkg_i() { inside env DEBIAN_FRONTEND=noninteractive dpkg -i "/srv/$1.deb" > "$work/dpkg" 2>&1; local s=$?; cat "$work/dpkg"; return $s; }
dpkg_said() { grep -q -- "$1" "$work/dpkg" || { cat "$work/dpkg"; return 1; }; }
head_of() { inside env DEPOSITD_LEDGER__PATH=/var/lib/depositd/ledger.db depositd --json verify | sed 's/.*"head_hash":"\([^"]*\)".*/\1/'; }

make_tree
package_as 0.0.1-1 "$tree/srv/old.deb"
package_as "$(dpkg-deb -f "$package" Version)" "$tree/srv/this.deb"
package_as 99.0.0-1 "$tree/srv/newer.deb"
boot

echo "== install"
begun=$(date +%s%N)
check "the package installs" dpkg_i old
check "and says what to do next" dpkg_said 'daemon.toml.example'
check_not "it is not started" inside systemctl is-active depositd
check_not "nor enabled" inside systemctl is-enabled depositd
check "the user is there" inside getent passwd depositd
check "the folder of secrets is root's alone" test "$(inside stat -c '%a %U' /etc/depositd/credentials)" = "700 root"
for file in /usr/share/man/man1/depositd.1.gz /usr/share/man/man1/depositd-request.1.gz /usr/share/man/man5/daemon.toml.5.gz \
  /usr/share/man/man7/depositd-accounting.7.gz /usr/share/bash-completion/completions/depositd \
  /usr/share/zsh/vendor-completions/_depositd /usr/share/fish/vendor_completions.d/depositd.fish \
  /usr/share/doc/depositd/examples/prometheus/depositd.rules.yml /usr/share/doc/depositd/sbom.cdx.json; do
  check "there is $file" test -s "$tree$file"
done
for unit in depositd.service depositd@alpha.service depositd.target; do
  check "$unit is in order" inside systemd-analyze verify --man=no "$unit"
done

echo "== configure, and a first deposit"
start_upstream depositd
configure daemon ""
configure alpha /alpha
give_key ""
give_key /alpha
check "check is content" inside depositd --config /etc/depositd/daemon.toml check
check "it starts" inside systemctl enable --now depositd
check "and gives out an address" inside depositd request USDT BSC 25 --key first
echo "     $((($(date +%s%N) - begun) / 1000000)) ms from dpkg to the first address"
check "an instance starts" inside systemctl start depositd@alpha

echo "== upgrade, while callers ask"
before=$(property MainPID)
before_alpha=$(property MainPID depositd@alpha)
inside touch /tmp/asking
inside sh -c 'n=0; while [ -e /tmp/asking ]; do n=$((n+1)); depositd --json request USDT BSC 5 --key "during-$n" 2> /dev/null || true; done' \
  > "$work/answers" &
asking=$!
check "the newer one installs" dpkg_i this
check "the daemon runs again" eventually is ActiveState active
check_not "as a new process" is MainPID "$before"
check "and so does the instance" eventually is ActiveState active depositd@alpha
check_not "as a new process too" is MainPID "$before_alpha" depositd@alpha
check "it is enabled still" inside systemctl is-enabled depositd
check "the configuration is untouched" grep -q 'user_id = "12345"' "$tree/etc/depositd/daemon.toml"
check "the same key is the same deposit" inside depositd --json request USDT BSC 25 --key first
inside rm /tmp/asking
wait "$asking" || true
# Each answer is one JSON document a line: what was answered must be there, once.
answered=$(grep -o '"id":"[^"]*"' "$work/answers" | sort -u | wc -l)
kept=$(inside sqlite3 -readonly /var/lib/depositd/ledger.db "SELECT count(*) FROM deposit WHERE idempotency_key LIKE 'during-%'")
check "callers were answered before and after" test "$answered" -gt 2
check "and of $answered answered requests none is missing among the $kept in the ledger" test "$kept" -ge "$answered"
for id in $(grep -o '"id":"[^"]*"' "$work/answers" | cut -d'"' -f4 | sort -u | head -20); do
  inside depositd show "$id" > /dev/null 2>&1 || fail "the deposit $id that was answered is gone"
done
inside systemctl stop depositd@alpha
check "the ledger is whole" inside depositd verify

echo "== back to an older one"
inside systemctl stop depositd
was=$(head_of)
# As a newer version would leave it: with a schema that this program does not know.
cp "$tree/var/lib/depositd/ledger.db" "$work/ledger.db"
inside sqlite3 /var/lib/depositd/ledger.db \
  "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)"
sum=$(sha256sum "$tree/var/lib/depositd/ledger.db")
check "a newer package installs" dpkg_i newer
check "the older one installs over it" dpkg_i this
check "and says what that means" dpkg_said 'going back from 99.0.0-1'
check_not "the ledger of the newer one is refused" inside systemctl start depositd
inside journalctl --no-pager -o cat -u depositd > "$work/out"
check_said "in words" 'written by a newer depositd'
inside systemctl stop depositd
check "and not a byte of it has changed" test "$(sha256sum "$tree/var/lib/depositd/ledger.db")" = "$sum"
check_not "the reading commands refuse it as well" inside depositd list
check_said "in words" 'newer depositd'
cp "$work/ledger.db" "$tree/var/lib/depositd/ledger.db"
inside systemctl reset-failed depositd
check "with the copy of before it starts" inside systemctl start depositd
count=$(deposits)

echo "== remove, purge, install again"
check "it is removed" inside dpkg -r depositd
check_not "the daemon is stopped" inside systemctl is-active depositd
check_not "the program is gone" test -e "$tree/usr/bin/depositd"
check "the ledger is there" test "$(deposits)" = "$count"
check "it is purged" inside dpkg -P depositd
check_said "and says where the ledger is" '/var/lib/depositd is left as it is'
check "the ledger is there" test "$(deposits)" = "$count"
check "and the secrets" test -s "$tree/etc/depositd/credentials/upstream-api-key"
check_not "but for them nothing of the package is left" \
  sh -c "find '$tree'/usr '$tree'/etc -name '*depositd*' | grep -vE '/etc/depositd|/etc/(passwd|group|shadow|gshadow)'"
check "it installs again" dpkg_i this
check "and starts on the old ledger" inside systemctl start depositd
check "with every deposit" test "$(deposits)" = "$count"
check "the same key is the same deposit" inside depositd --json request USDT BSC 25 --key first
check "and none was made for it" test "$(deposits)" = "$count"
inside systemctl stop depositd
check "the chain goes on from where it was: $was" inside sqlite3 -readonly /var/lib/depositd/ledger.db \
  "SELECT 1 / count(*) FROM accounting_history WHERE hash = '$was'"
check "the ledger is whole" inside env DEPOSITD_LEDGER__PATH=/var/lib/depositd/ledger.db depositd verify
echo "all $passed checks passed"
