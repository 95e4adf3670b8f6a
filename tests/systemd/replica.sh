#!/bin/bash
# docs/replica.md under a real systemd: its own blocks, typed by root, with the real Litestream and a real object store. The
# machine's disk is lost, the stand-by is promoted, the old machine comes back.
#
# usage: replica.sh [--root FOLDER] [--binary FILE] [--or-skip]
#   --binary FILE    the built daemon (default: target/release/depositd)
# needs: root; Debian packages systemd-container, debootstrap; litestream and weed in target/python/bin (.ci/test)
set -euo pipefail
. "$(dirname "$0")/machine.sh"
binary=$project/target/release/depositd
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$2; shift 2 ;;
    --binary) binary=$2; shift 2 ;;
    --or-skip) or_skip=yes; shift ;;
    *) echo "usage: replica.sh [--root FOLDER] [--binary FILE] [--or-skip]" >&2; exit 2 ;;
  esac
done
needs
for program in "$binary" "$project"/target/python/bin/{litestream,weed}; do
  if [ ! -x "$program" ]; then echo "there is no $program: build it, or run .ci/test" >&2; exit 2; fi
done

# block KIND HEADING N: the Nth block of that kind under a heading of the page
block() {
  awk -v heading="## $2" -v kind="$1" -v wanted="$3" '
    /^## / { within = ($0 == heading) }
    within && $0 ~ ("^ *```" kind "$") { count++; inside = (count == wanted); next }
    /^ *```$/ { inside = 0 }
    inside' "$project/docs/replica.md" | sed 's/^   //'
}
typed() {
  block sh "$1" "$2" > "$tree/srv/typed"
  [ -s "$tree/srv/typed" ] || { echo "the page has no block $2 under $1"; return 1; }
  inside bash -exc '. /srv/typed'
}
# request: one more deposit
request() { inside depositd request USDT TRON 25 --wait created; }
seq_of() { inside runuser -u depositd -- sqlite3 "$1" 'SELECT max(seq) FROM event'; }
journal_has() { inside journalctl --no-pager -o cat -u 'depositd*' > "$work/journal"; grep -q -- "$1" "$work/journal"; }
follows() { inside test -s /var/lib/depositd-standby/ledger.db-txid && [ "$(seq_of /var/lib/depositd-standby/ledger.db)" = "$1" ]; }

# A store that was stopped takes its time.
patiently() { local _; for _ in 1 2 3 4; do if eventually "$@" > /dev/null 2>&1; then return 0; fi; done; "$@"; }

make_tree
echo "== the machine"
install -m 0755 "$binary" "$tree/usr/bin/depositd"
install -m 0755 "$project"/target/python/bin/litestream "$tree/usr/bin/litestream"
install -D -m 0755 "$project"/target/python/bin/weed "$tree/opt/weed"
install -m 0644 "$project"/deploy/*.service "$tree/etc/systemd/system/"
install -D -m 0644 "$project/deploy/depositd.sysusers" "$tree/etc/sysusers.d/depositd.conf"
install -D -m 0644 "$project/deploy/depositd.tmpfiles" "$tree/etc/tmpfiles.d/depositd.conf"
install -D -m 0644 "$project/deploy/litestream.yml" "$tree/usr/share/doc/depositd/examples/litestream.yml"
# What a person changes in the file.
cat > "$tree/usr/bin/editor" <<'EDITOR'
#!/bin/sh
sed -i -e 's,https://s3.example.com,http://127.0.0.1:8333,' -e 's/AKIAEXAMPLE/test/' -e 's/the secret of that key/its-secret/' "$1"
EDITOR
chmod +x "$tree/usr/bin/editor"
boot
inside systemd-sysusers
inside systemd-tmpfiles --create
start_upstream /usr/bin/depositd
configure daemon ""
give_key ""
mkdir -p "$tree/srv/store"
echo '{"identities":[{"name":"t","credentials":[{"accessKey":"test","secretKey":"its-secret"}],"actions":["Admin"]}]}' > "$tree/srv/store.json"
start_store() {
  inside systemctl reset-failed store 2> /dev/null || true
  inside systemd-run --quiet --unit=store /opt/weed server -dir=/srv/store -ip=127.0.0.1 -ip.bind=127.0.0.1 -filer -s3 \
    -s3.config=/srv/store.json -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false -volume.preStopSeconds=0
}
start_store
bucket() { echo 's3.bucket.create -name ledgers' | inside timeout 5 /opt/weed shell -master=127.0.0.1:9333 -filer=127.0.0.1:8888 2> /dev/null | grep -q 'created bucket'; }
eventually bucket
# Somebody set it for every unit of the machine.
inside systemctl set-environment AWS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt

echo "== set up"
check "Litestream's configuration is written" typed "Set it up" 1
check "and is its user's alone" test "$(inside stat -c '%a %U:%G' /etc/depositd/litestream.yml)" = "600 depositd:depositd"
check "both are started" typed "Set it up" 2
block toml "Set it up" 1 >> "$tree/etc/depositd/daemon.toml"
check "the daemon is told, and the drill is content" typed "Set it up" 3
check "a request is taken" request
check "the control socket is the daemon's user's alone" test "$(inside stat -c '%a %U' /run/depositd-litestream)" = "700 depositd"
check_not "others cannot even look for it" inside runuser -u nobody -- ls /run/depositd-litestream
for unit in depositd-litestream.service depositd-litestream@shop.service depositd-standby.service; do
  check "systemd has nothing to say about $unit" inside systemd-analyze verify "$unit"
done
check "how far Litestream is shut in" inside systemd-analyze security --threshold=15 --no-pager depositd-litestream

echo "== what goes wrong"
inside systemctl kill -s KILL depositd-litestream
check "a killed Litestream is back" eventually request
inside systemctl restart depositd
check "a daemon that was stopped and started goes on" eventually request
inside systemctl stop store
check_not "without the store nothing is accepted" request
rm -rf "$tree"/srv/store/m9333
start_store
check "the store is back, and requests are taken" patiently request
told=$(deposits)
last=$(seq_of /var/lib/depositd/ledger.db)
cp -a "$tree/var/lib/depositd" "$tree/srv/old"

echo "== the machine dies with its disk"
inside systemctl kill -s KILL depositd depositd-litestream
inside systemctl disable --now depositd depositd-litestream
rm -rf "$tree/var/lib/depositd"
inside systemd-tmpfiles --create
check "another machine, the stand-by" typed "The stand-by" 1
check "follows" eventually follows "$last"
check "and says so" typed "The stand-by" 2
inside systemctl restart depositd-standby
check "started again, it follows again" eventually follows "$last"
began=$(date +%s.%N)
check "it is promoted" typed "Promotion" 1
check "and started" typed "Promotion" 2
check "it takes requests" eventually request
took=$(echo "$(date +%s.%N) $began" | awk '{printf "%.1f", $1 - $2}')
check "everything that was accepted is there" test "$(deposits)" = $((told + 1))
check "a run and a drill are content" typed "Promotion" 3
check "the generation is in Litestream's environment" grep -qx DEPOSITD_GENERATION=2 "$tree/var/lib/depositd/replica.env"
check_not "a second promotion replaces nothing" inside depositd promote --note again

echo "== the old machine comes back"
inside systemctl stop depositd depositd-litestream
mv "$tree/var/lib/depositd" "$tree/srv/new"
cp -a "$tree/srv/old" "$tree/var/lib/depositd"
inside systemctl start depositd-litestream
check_not "its daemon does not start" inside systemctl start depositd
check "and says why" eventually journal_has 'this ledger is generation 1, and the store holds generation 2'
check "it becomes the new stand-by" typed "When the old machine comes back" 1
check "which follows the new generation" eventually test -s "$tree/var/lib/depositd-standby/ledger.db"
check "its head can be looked at" typed "When the old machine comes back" 2
check "and the place by hand" typed "By hand" 1

echo "all $passed checks have passed; from the promotion's first command to a taken request: $took s"
