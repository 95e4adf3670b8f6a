#!/bin/sh
# A disk whose power can be cut: ext4 on a loop device, whose backing file lies on XFS. A reflink of that file is what the
# disk held at one instant; what was only in the page cache of the ext4 is gone. Needs root, loop devices, xfsprogs.
# Usage: disk.sh up DIR; disk.sh cut DIR (remembers this instant); disk.sh back DIR (the power is back); disk.sh down DIR
set -eu
dir=$2
plug() {
    device=$(losetup --find --show "$dir/host/disk.img")
    echo "$device" >"$dir/device"
    # Nothing is written back by itself for as long as a test lasts.
    mount -o commit=300,data=ordered "$device" "$dir/disk"
}
unplug() {
    umount "$dir/disk"
    losetup -d "$(cat "$dir/device")"
}
case $1 in
up)
    mkdir -p "$dir/host" "$dir/disk"
    truncate -s 4G "$dir/host.img"
    mkfs.xfs -q -m reflink=1 "$dir/host.img"
    mount -o loop "$dir/host.img" "$dir/host"
    truncate -s 1G "$dir/host/disk.img"
    mkfs.ext4 -q -F "$dir/host/disk.img"
    plug
    ;;
cut) cp --reflink=always "$dir/host/disk.img" "$dir/host/next.img" ;;
back)
    unplug
    mv "$dir/host/next.img" "$dir/host/disk.img"
    plug
    ;;
down)
    unplug || true
    umount "$dir/host" || true
    rm -rf "$dir"
    ;;
esac
