#!/bin/bash
# deploy/README.md, word for word: its own blocks, typed by root on a stock Debian 12 with a real systemd. From a built tree
# and removed again; then as a package: set up, started, read by an accountant, upgraded, gone back from, removed, purged.
#
# usage: readme.sh [--root FOLDER] [--binary FILE] [--package FILE] [--or-skip]
#   --binary FILE    the built daemon (default: target/release/depositd)
#   --package FILE   the package (default: that of target/debian)
# needs: root; Debian packages systemd-container, debootstrap.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
root=$project/target/systemd-root
binary=$project/target/release/depositd
package=$(ls "$project"/target/debian/depositd_*.deb 2> /dev/null | grep -v dbgsym | head -1) || true
or_skip=
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$2; shift 2 ;;
    --binary) binary=$2; shift 2 ;;
    --package) package=$2; shift 2 ;;
    --or-skip) or_skip=yes; shift ;;
    *) echo "usage: readme.sh [--root FOLDER] [--binary FILE] [--package FILE] [--or-skip]" >&2; exit 2 ;;
  esac
done
unable() {
  if [ -n "$or_skip" ]; then echo "SKIPPED: $*"; exit 0; fi
  echo "$*" >&2
  exit 2
}
if [ "$(id -u)" != 0 ]; then unable "readme.sh needs root: it boots a system"; fi
for tool in systemd-nspawn debootstrap nsenter unshare dpkg-deb; do
  command -v $tool > /dev/null || unable "readme.sh needs $tool: apt-get install systemd-container debootstrap"
done
if [ ! -x "$binary" ]; then echo "no daemon at $binary: build it first" >&2; exit 2; fi
if [ -z "$package" ]; then echo "no package in target/debian: build it first (.ci/package)" >&2; exit 2; fi

. "$here/machine.sh"
work=$(mktemp -d)
passed=0
finish() {
  local status=$?
  if [ $status != 0 ] && [ -n "${machine_leader:-}" ]; then
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
said() { if grep -q -- "$2" "$work/out"; then ok "$1"; else cat "$work/out" >&2; fail "$1"; fi; }
eventually() { local _; for _ in $(seq 150); do if "$@" > /dev/null 2>&1; then return 0; fi; sleep 0.1; done; "$@"; }
# block HEADING N: the Nth block of commands under a heading of the page
block() {
  awk -v heading="## $1" -v wanted="$2" '
    /^## / { within = ($0 == heading) }
    within && /^```sh$/ { count++; inside = (count == wanted); next }
    /^```$/ { inside = 0 }
    inside' "$project/deploy/README.md"
}
# typed FOLDER HEADING N: that block, as root in this folder; what is asked is answered from $answers
answers=/dev/null
typed() {
  block "$2" "$3" > "$tree/srv/typed"
  [ -s "$tree/srv/typed" ] || { echo "the page has no block $3 under $2"; return 1; }
  inside "DEPOSITD_UPSTREAM__BASE_URL=$upstream" bash -exc "cd $1; . /srv/typed" < "$answers"
}
version() {
  rm -rf "$work/repack"
  dpkg-deb -R "$package" "$work/repack"
  sed -i "s/^Version: .*/Version: $1/" "$work/repack/DEBIAN/control"
  mkdir -p "$tree$2"
  dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/repack" "$tree$2/depositd_$1_amd64.deb" > /dev/null
}
deposits() { inside sqlite3 -readonly /var/lib/depositd/ledger.db 'SELECT count(*) FROM accounting_deposits'; }

echo "== a stock Debian 12: $root"
if ! "$here/root.sh" "$root" > "$work/root.log" 2>&1; then
  tail -5 "$work/root.log" >&2
  unable "the tree for the system could not be built"
fi
tree=$work/tree
cp -a --reflink=auto "$root" "$tree"
# Whoever types answers apt's questions with yes.
echo 'APT::Get::Assume-Yes "true";' > "$tree/etc/apt/apt.conf.d/90yes"
mkdir -p "$tree/srv/built/target/release" "$tree/opt"
cp -r "$project/deploy" "$tree/srv/built/"
cp "$binary" "$tree/srv/built/target/release/depositd"
# The upstream is a program of its own, not the one that is installed and removed.
cp "$binary" "$tree/opt/simulator"
machine_boot "$tree" "$work/machine" || unable "this machine does not boot a system in a container"
inside systemd-run --quiet --unit=upstream /opt/simulator sandbox --serve --quiet --dir /srv/upstream
eventually test -S "$tree/srv/upstream/depositd.sock"
upstream=$(sed -n 's/^base_url = "\(.*\)"/\1/p' "$tree/srv/upstream/daemon.toml")
key=$(cat "$tree/srv/upstream/upstream-api-key")
# The daemon is told of the simulator as nobody in life need be.
mkdir -p "$tree/etc/systemd/system/depositd.service.d"
printf '[Service]\nEnvironment=DEPOSITD_UPSTREAM__BASE_URL=%s\n' "$upstream" > "$tree/etc/systemd/system/depositd.service.d/simulator.conf"
printf '%s\n' 12345 "$key" - 'Deposits <deposits@firm.example>' finance@firm.example '' Europe/Berlin > "$work/answers"

set_up_and_start() {
  answers=$work/answers
  check "depositd init asks, writes, and is content with what it wrote" typed / "2. Configure" 1
  answers=/dev/null
  said "and says what is next" 'systemctl enable --now depositd'
  check "the key is root's alone" test "$(inside stat -c '%a %U:%G' /etc/depositd/credentials/upstream-api-key)" = "600 root:root"
  check "the configuration is for everybody" test "$(inside stat -c '%a %U:%G' /etc/depositd/daemon.toml)" = "644 root:root"
  check_not "a second init replaces nothing" typed / "2. Configure" 1
  check "it is started, and gives out an address" typed / "4. Start" 1
}

echo "== from a built tree"
check "installed" typed /srv/built "1. Install" 2
check "there is a manual" inside test -s /usr/local/share/man/man5/daemon.toml.5
set_up_and_start
check "removed" typed /srv "Removing" 2
check_not "nothing of the program is left" inside sh -c 'find /usr /etc -name "*depositd*" | grep -vE "^/etc/(depositd|systemd/system/depositd.service.d|passwd|group)"'
check "the books are there" test "$(deposits)" = 1
check "and go for good, with the secrets, when that is typed" typed /srv "Removing" 3
check_not "they are gone" inside ls /var/lib/depositd /etc/depositd

echo "== as a package"
version 0.0.1-1 /srv/now
check "installed" typed /srv/now "1. Install" 1
said "it says what to type next" 'depositd init'
set_up_and_start
echo "$key" > "$work/key"
answers=$work/key
check "another key takes the place of the first" typed / "3. Secrets" 1
answers=/dev/null
check "and is root's alone" test "$(inside stat -c '%a %U:%G' /etc/depositd/credentials/upstream-api-key)" = "600 root:root"
inside useradd --create-home accountant
check "who may read" typed /srv "5. Who may read and call" 1

echo "== upgrade, back, remove"
rm -rf "$tree/srv/now"
version 0.0.2-1 /srv/now
version 0.0.1-1 /srv/now/earlier
check "upgraded, with a copy before" typed /srv/now "Stopping and upgrading" 1
check "it runs" eventually inside systemctl is-active depositd
inside depositd request USDT BSC 7 > /dev/null
check "back to the earlier one, the schema being the same" typed /srv/now "Going back to an earlier version" 1
check "with every deposit" test "$(deposits)" = 2
typed /srv/now "Going back to an earlier version" 2 > "$work/out" 2>&1 || true
said "back to the copy: the ledger is said to be restored" 'depositd reconcile'
check "the daemon runs on it" inside systemctl is-active depositd
check "without what came since" test "$(deposits)" = 1
inside depositd cases list > "$work/out" 2>&1 || true
echo "     $(grep -c . "$work/out") lines of cases"
check "removed" typed /srv "Removing" 1
check_not "the program is gone" inside which depositd
check "the books are there" test "$(deposits)" = 1
check "purge says where" inside apt-get purge depositd
said "they are" '/var/lib/depositd is left as it is'
check "and go for good, with the secrets, when that is typed" typed /srv "Removing" 3
check_not "they are gone" inside ls /var/lib/depositd /etc/depositd
echo "all $passed checks passed"
