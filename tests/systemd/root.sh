#!/bin/bash
# Builds a small Debian tree with systemd in it, once; about a minute and 250 MB.
# usage: root.sh FOLDER          needs root, debootstrap
set -euo pipefail
root=${1:?usage: root.sh FOLDER}
if [ -e "$root/.complete" ]; then exit 0; fi
rm -rf "$root"
mkdir -p "$(dirname "$root")"
# The mirror is the one this machine itself installs from.
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | sort -u | head -1)
debootstrap --variant=minbase \
  --include=systemd,systemd-sysv,dbus,libnss-systemd,libpam-systemd,procps,python3-minimal,sqlite3,strace,ca-certificates \
  bookworm "$root" "$mirror"
rm -rf "$root"/var/cache/apt/archives/*.deb
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  systemd-resolved.service systemd-timesyncd.service getty@tty1.service console-getty.service systemd-logind.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
echo depositd-test > "$root/etc/hostname"
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n' > "$root/etc/systemd/journald.conf.d/test.conf"
touch "$root/.complete"
