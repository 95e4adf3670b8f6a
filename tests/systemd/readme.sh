#!/bin/bash
# deploy/README.md, word for word: its own blocks, typed by root on a stock Debian 12 with a real systemd. From a built tree
# and removed again; then as a package: set up, started, read by an accountant, upgraded, gone back from, removed, purged.
#
# usage: readme.sh [--root FOLDER] [--binary FILE] [--package FILE] [--or-skip]
#   --binary FILE    the built daemon (default: target/release/depositd)
#   --package FILE   the package (default: that of target/debian)
# needs: root; Debian packages systemd-container, debootstrap.
set -euo pipefail
. "$(dirname "$0")/machine.sh"
binary=$project/target/release/depositd
package=$(the_package)
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$2; shift 2 ;;
    --binary) binary=$2; shift 2 ;;
    --package) package=$2; shift 2 ;;
    --or-skip) or_skip=yes; shift ;;
    *) echo "usage: readme.sh [--root FOLDER] [--binary FILE] [--package FILE] [--or-skip]" >&2; exit 2 ;;
  esac
done
needs dpkg-deb
if [ ! -x "$binary" ]; then echo "no daemon at $binary: build it first" >&2; exit 2; fi
need_package

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

make_tree
# Whoever types answers apt's questions with yes.
echo 'APT::Get::Assume-Yes "true";' > "$tree/etc/apt/apt.conf.d/90yes"
mkdir -p "$tree/srv/built/target/release" "$tree/opt"
cp -r "$project/deploy" "$tree/srv/built/"
cp "$binary" "$tree/srv/built/target/release/depositd"
# The upstream is a program of its own, not the one that is installed and removed.
cp "$binary" "$tree/opt/simulator"
boot
start_upstream /opt/simulator
key=$(cat "$tree/srv/upstream/upstream-api-key")
# The daemon is told of the simulator as nobody in life need be.
mkdir -p "$tree/etc/systemd/system/depositd.service.d"
printf '[Service]\nEnvironment=DEPOSITD_UPSTREAM__BASE_URL=%s\n' "$upstream" > "$tree/etc/systemd/system/depositd.service.d/simulator.conf"
printf '%s\n' 12345 "$key" - 'Deposits <deposits@firm.example>' finance@firm.example '' Europe/Berlin > "$work/answers"

set_up_and_start() {
  answers=$work/answers
  check "depositd init asks, writes, and is content with what it wrote" typed / "2. Configure" 1
  answers=/dev/null
  check_said "and says what is next" 'systemctl enable --now depositd'
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
package_as 0.0.1-1 "$tree/srv/now/depositd_0.0.1-1_amd64.deb"
check "installed" typed /srv/now "1. Install" 1
check_said "it says what to type next" 'depositd init'
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
package_as 0.0.2-1 "$tree/srv/now/depositd_0.0.2-1_amd64.deb"
package_as 0.0.1-1 "$tree/srv/now/earlier/depositd_0.0.1-1_amd64.deb"
check "upgraded, with a copy before" typed /srv/now "Stopping and upgrading" 1
check "it runs" eventually inside systemctl is-active depositd
inside depositd request USDT BSC 7 > /dev/null
check "back to the earlier one, the schema being the same" typed /srv/now "Going back to an earlier version" 1
check "with every deposit" test "$(deposits)" = 2
typed /srv/now "Going back to an earlier version" 2 > "$work/out" 2>&1 || true
check_said "back to the copy: the ledger is said to be restored" 'depositd reconcile'
check "the daemon runs on it" inside systemctl is-active depositd
check "without what came since" test "$(deposits)" = 1
inside depositd cases list > "$work/out" 2>&1 || true
echo "     $(grep -c . "$work/out") lines of cases"
check "removed" typed /srv "Removing" 1
check_not "the program is gone" inside which depositd
check "the books are there" test "$(deposits)" = 1
check "purge says where" inside apt-get purge depositd
check_said "they are" '/var/lib/depositd is left as it is'
check "and go for good, with the secrets, when that is typed" typed /srv "Removing" 3
check_not "they are gone" inside ls /var/lib/depositd /etc/depositd
echo "all $passed checks passed"
