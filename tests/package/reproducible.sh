#!/bin/bash
# The same source gives the same packages, byte for byte: built twice, in two folders of different names, of which the second
# has files that are older than the last commit, as a clone has that was brought up to date.
#
# usage: reproducible.sh [FOLDER]     FOLDER: where to work; by default a temporary one, deleted afterwards
# Two release builds: a quarter of an hour on 2 cores.
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
if [ $# -gt 0 ]; then work=$1; mkdir -p "$work"; else work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; fi
for place in one another/somewhat/deeper; do
    rm -rf "${work:?}/$place"
    mkdir -p "$work/$place"
    git -C "$project" archive HEAD | tar x -C "$work/$place"
    [ "$place" = one ] || find "$work/$place" -type f -exec touch -d 2020-02-02 {} +
    (cd "$work/$place" && SOURCE_DATE_EPOCH=$(git -C "$project" log -1 --format=%ct) .ci/package > "$work/log" 2>&1) ||
        { tail -20 "$work/log" >&2; exit 1; }
    (cd "$work/$place/target/debian" && sha256sum -- * | tee "$work/sums-$(basename "$place")")
    # Room for the second one.
    mv "$work/$place/target/debian" "$work/packages-$(basename "$place")"
    rm -rf "$work/$place/target"
done
diff "$work/sums-one" "$work/sums-deeper"
echo "both builds gave the same bytes"
