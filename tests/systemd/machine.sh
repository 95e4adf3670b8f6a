# What the scripts beside this one have in common. To be sourced first, with bash: they count checks, and boot a tree with its
# own systemd as PID 1, run commands in it, and take it down.
# Sets: here, project, root (where the stock tree is kept), or_skip, work (a folder that goes at the end), passed;
# then tree (the copy that is booted), machine_state (a folder of its own), machine_name.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
root=$project/target/systemd-root
or_skip=
passed=0
work=$(mktemp -d)
# What else a script has to undo.
undo() { :; }
finish() {
  local status=$?
  if [ $status != 0 ] && [ -n "${machine_leader:-}" ]; then
    echo "--- journal" >&2
    inside journalctl -b --no-pager -n 40 -u 'depositd*' >&2 || true
  fi
  undo
  machine_down
  rm -rf --one-file-system "$work"
  exit $status
}
trap finish EXIT

unable() {
  if [ -n "$or_skip" ]; then echo "SKIPPED: $*"; exit 0; fi
  echo "$*" >&2
  exit 2
}
# needs TOOL...: root, and these programs beside those that boot a system
needs() {
  local me tool
  me=$(basename "$0")
  if [ "$(id -u)" != 0 ]; then unable "$me needs root: it boots a system"; fi
  for tool in systemd-nspawn debootstrap nsenter unshare "$@"; do
    command -v "$tool" > /dev/null || unable "$me needs $tool: apt-get install systemd-container debootstrap"
  done
}
ok() { passed=$((passed + 1)); echo "ok   $*"; }
fail() { echo "FAIL $*" >&2; exit 1; }
# check WHAT COMMAND...: it succeeds; check_not: it does not
check() { local what=$1; shift; if "$@" > "$work/out" 2>&1; then ok "$what"; else cat "$work/out" >&2; fail "$what"; fi; }
check_not() { local what=$1; shift; if "$@" > "$work/out" 2>&1; then cat "$work/out" >&2; fail "$what"; else ok "$what"; fi; }
# check_said WHAT PATTERN: of what the last command wrote
check_said() { if grep -q -- "$2" "$work/out"; then ok "$1"; else cat "$work/out" >&2; fail "$1"; fi; }
eventually() { local _; for _ in $(seq 150); do if "$@" > /dev/null 2>&1; then return 0; fi; sleep 0.1; done; "$@"; }
# property NAME [UNIT], is NAME VALUE [UNIT]: of the unit depositd, if no other is named
property() { inside systemctl show "${2:-depositd}" -p "$1" --value; }
is() { [ "$(property "$1" "${3:-depositd}")" = "$2" ] || { echo "$1 is $(property "$1" "${3:-depositd}"), not $2"; return 1; }; }
deposits() { inside sqlite3 -readonly /var/lib/depositd/ledger.db 'SELECT count(*) FROM accounting_deposits'; }

# the_package: the one that stands in target/debian
the_package() { ls "$project"/target/debian/depositd_*.deb 2> /dev/null | grep -v dbgsym | head -1 || true; }
need_package() { if [ -z "$package" ]; then echo "no package in target/debian: build it first (.ci/package)" >&2; exit 2; fi; }
# package_as NUMBER FILE: the same package under another number
package_as() {
  rm -rf "$work/repack"
  dpkg-deb -R "$package" "$work/repack"
  sed -i "s/^Version: .*/Version: $1/" "$work/repack/DEBIAN/control"
  mkdir -p "$(dirname "$2")"
  dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/repack" "$2" > /dev/null
}

# make_tree: a copy of the stock tree, which is built where it is not there yet
make_tree() {
  echo "== a stock Debian 12 with systemd: $root"
  if ! "$here/root.sh" "$root" > "$work/root.log" 2>&1; then
    tail -5 "$work/root.log" >&2
    unable "the tree for the system could not be built"
  fi
  tree=$work/tree
  cp -a --reflink=auto "$root" "$tree"
}

# boot: the tree, as a machine
boot() { machine_boot "$tree" "$work/machine" || unable "this machine does not boot a system in a container"; }

# start_upstream PROGRAM: the sandbox's simulator, in the machine; sets upstream, its address
start_upstream() {
  inside systemd-run --quiet --unit=upstream "$1" sandbox --serve --quiet --dir /srv/upstream
  eventually test -S "$tree/srv/upstream/depositd.sock"
  upstream=$(sed -n 's/^base_url = "\(.*\)"/\1/p' "$tree/srv/upstream/daemon.toml")
}
# configure NAME PLACE [UPSTREAM]: writes NAME.toml, whose places end in PLACE ("" or "/name")
configure() {
  cat > "$tree/etc/depositd/$1.toml" <<TOML
[upstream]
base_url = "${3:-$upstream}"
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
# give_key PLACE: the upstream's, as the credential of that unit
give_key() {
  mkdir -p "$tree/etc/depositd/credentials$1"
  install -m 0600 "$tree/srv/upstream/upstream-api-key" "$tree/etc/depositd/credentials$1/upstream-api-key"
}

# machine_boot ROOT STATE
machine_boot() {
  local root=$1
  machine_state=$2
  machine_name=depositd-test-$$
  mkdir -p "$machine_state"
  local group=/sys/fs/cgroup
  if [ -d "$group/unified" ]; then group=$group/unified; fi
  mkdir -p "$group/$machine_name"
  # A mount namespace with nothing but cgroup2 in it, whatever the machine outside looks like.
  MACHINE_ROOT=$root MACHINE_NAME=$machine_name MACHINE_GROUP=$group/$machine_name \
    unshare --mount --propagation private bash -c '
      echo $$ > "$MACHINE_GROUP/cgroup.procs"
      umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup
      mount -t cgroup2 cgroup2 /sys/fs/cgroup
      export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
      exec systemd-nspawn --quiet --keep-unit --register=no --boot -D "$MACHINE_ROOT" --machine="$MACHINE_NAME" \
        --private-network --console=pipe --link-journal=no --resolv-conf=off --timezone=off
    ' > "$machine_state/console.log" 2>&1 < /dev/null &
  machine_pid=$!
  local _
  for _ in $(seq 200); do
    machine_leader=$(pgrep -P "$machine_pid" -x systemd || true)
    if [ -n "$machine_leader" ] && inside systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; then
      return 0
    fi
    if ! kill -0 "$machine_pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  echo "the machine did not come up:" >&2
  tail -5 "$machine_state/console.log" >&2
  return 1
}

# inside COMMAND...: runs it in the machine, as root, with a clean environment.
inside() {
  nsenter -t "$machine_leader" -m -u -i -n -p -C -- /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    SYSTEMD_COLORS=0 SYSTEMD_PAGER=cat "$@"
}

machine_down() {
  if [ -z "${machine_pid:-}" ]; then return 0; fi
  inside systemctl poweroff 2>/dev/null || kill -TERM "$machine_pid" 2>/dev/null || true
  local _
  for _ in $(seq 100); do
    kill -0 "$machine_pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$machine_pid" 2>/dev/null || true
  wait "$machine_pid" 2>/dev/null || true
  local group
  for group in /sys/fs/cgroup/unified /sys/fs/cgroup; do
    if [ -d "$group/$machine_name" ]; then
      find "$group/$machine_name" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    fi
  done
}
