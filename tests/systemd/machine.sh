# Boots a tree with its own systemd as PID 1, runs commands in it, and takes it down. To be sourced.
# Sets: machine_state (a folder of its own), machine_name.

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
