#!/bin/bash
# The life of the .rpm under a real systemd, with Debian's rpm and a database of its own: refused where the system lacks what
# it names, installed, held against its list, a first deposit, upgraded, erased, and installed again on the ledger left.
#
# usage: rpm.sh [--root FOLDER] [--or-skip]
# needs: root; the packages of .ci/package in target/debian, and what it staged; Debian packages systemd-container,
# debootstrap, rpm.
set -euo pipefail
. "$(dirname "$0")/machine.sh"
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$2; shift 2 ;;
    --or-skip) or_skip=yes; shift ;;
    *) echo "usage: rpm.sh [--root FOLDER] [--or-skip]" >&2; exit 2 ;;
  esac
done
needs rpm rpmbuild cargo-generate-rpm
package=$(ls "$project"/target/debian/depositd-*.rpm 2> /dev/null | head -1) || true
if [ -z "$package" ]; then echo "no .rpm in target/debian: build it first (.ci/package)" >&2; exit 2; fi

# A Debian keeps its rpm from installing anything, unless it is told.
rpm_() { inside rpm --force-debian --dbpath /var/lib/rpm "$@"; }
holds() { rpm_ -q --qf "$1" depositd; }

make_tree
echo "== rpm in it"
mkdir -p "$work/debs/partial" "$work/base"
apt-get update -qq
apt-get -qq -y --no-install-recommends --download-only -o Dir::State::status="$tree/var/lib/dpkg/status" \
  -o Dir::Cache::archives="$work/debs" -o Debug::NoLocking=1 -o APT::Sandbox::User=root install rpm > /dev/null
dpkg --root="$tree" -i "$work"/debs/*.deb > "$work/out" 2>&1 || { cat "$work/out" >&2; unable "there is no rpm for the tree"; }

# What stands under an rpm system, by the names that rpm itself finds in the libraries. By hand: the shell, systemd, and the
# word for how symbols are looked up, which the package of glibc says by hand as well.
cat > "$work/base/base.spec" <<SPEC
Name: base
Version: 1
Release: 1
Summary: What an rpm system has
License: none
AutoReq: no
Provides: /bin/sh
Provides: rtld(GNU_HASH)
Provides: systemd = $(chroot "$tree" systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')
%description
What an rpm system has.
%install
mkdir -p %{buildroot}/lib64
for library in libc.so.6 libm.so.6 libgcc_s.so.1; do cp -L $tree/lib/*-linux-gnu/\$library %{buildroot}/lib64; done
cp -L $tree/lib*/ld-linux-*.so.* %{buildroot}/lib64
%files
/lib64/*
SPEC
rpmbuild --quiet -bb --define "_topdir $work/base" --define "_dbpath $work/base/db" --define "_build_id_links none" \
  --define "debug_package %{nil}" --define "__os_install_post %{nil}" "$work/base/base.spec"
cp "$work"/base/RPMS/*/*.rpm "$tree/srv/base.rpm"
cp "$package" "$tree/srv/this.rpm"
(cd "$project" && cargo generate-rpm --auto-req /usr/lib/rpm/find-requires --set-metadata 'version = "99.0.0"' \
  --output "$tree/srv/newer.rpm")
mkdir -p "$tree/var/lib/rpm"
boot

echo "== what it asks of the system"
check_not "without a system of rpm's it is refused" rpm_ -i /srv/this.rpm
check_said "for want of systemd" 'systemd >= 250 is needed by depositd'
check_said "and of the C library, by its versions" 'libc.so.6(GLIBC_2.*)(64bit) is needed by depositd'
check "the system, as rpm names it" rpm_ -i --justdb --nodeps /srv/base.rpm
check "what it asks for is there, all of it" rpm_ -i --test /srv/this.rpm

echo "== install"
check "the package installs" rpm_ -i /srv/this.rpm
check "every file is as the package has it" rpm_ -V depositd
check_not "it is not started" inside systemctl is-active depositd
check_not "nor enabled" inside systemctl is-enabled depositd
check "the user is there" inside getent passwd depositd
check "the folder of secrets is root's alone" test "$(inside stat -c '%a %U' /etc/depositd/credentials)" = "700 root"
check "that of the ledgers is the daemon's" test "$(inside stat -c '%a %U:%G' /var/lib/depositd)" = "750 depositd:depositd"
check "the program is root's, and for everybody" test "$(inside stat -c '%a %U:%G' /usr/bin/depositd)" = "755 root:root"
check "only the program can be run" test "$(holds '[%{FILEMODES:perms} %{FILENAMES}\n]' | grep -c '^-..x')" = 1
check "everything is root's" test "$(holds '[%{FILEUSERNAME}:%{FILEGROUPNAME}\n]' | sort -u)" = root:root
check "the example is configuration" test "$(rpm_ -qc depositd)" = /etc/depositd/daemon.toml.example
check "the licence comes with it" inside test -s /usr/share/licenses/depositd/LICENSE-APACHE
for file in /usr/share/man/man1/depositd.1.gz /usr/share/man/man5/daemon.toml.5.gz /usr/share/man/man7/depositd-accounting.7.gz \
  /usr/share/bash-completion/completions/depositd /usr/share/zsh/site-functions/_depositd \
  /usr/share/fish/vendor_completions.d/depositd.fish /usr/share/doc/depositd/sbom.cdx.json; do
  check "there is $file" test -s "$tree$file"
done
for unit in depositd.service depositd@alpha.service depositd.target; do
  check "$unit is in order" inside systemd-analyze verify --man=no "$unit"
done

echo "== configure, and a first deposit"
cp "$tree/usr/bin/depositd" "$tree/opt/simulator"
start_upstream /opt/simulator
configure daemon ""
configure alpha /alpha
give_key ""
give_key /alpha
check "it starts" inside systemctl enable --now depositd
check "and gives out an address" inside depositd request USDT BSC 25 --key first
check "an instance starts" inside systemctl start depositd@alpha

echo "== upgrade"
before=$(property MainPID)
before_alpha=$(property MainPID depositd@alpha)
echo '# mine' >> "$tree/etc/depositd/daemon.toml.example"
check "the newer one installs" rpm_ -U /srv/newer.rpm
check "the daemon runs again" eventually is ActiveState active
check_not "as a new process" is MainPID "$before"
check "and so does the instance" eventually is ActiveState active depositd@alpha
check_not "as a new process too" is MainPID "$before_alpha" depositd@alpha
check "it is enabled still" inside systemctl is-enabled depositd
check "an example that was changed is kept" grep -q '# mine' "$tree/etc/depositd/daemon.toml.example"
check "the same key is the same deposit" inside depositd --json request USDT BSC 25 --key first
check "back to the older one" rpm_ -U --oldpackage /srv/this.rpm
check "the daemon runs again" eventually is ActiveState active
count=$(deposits)

echo "== erase, install again"
check "it is erased" rpm_ -e depositd
check_said "and says what it leaves" '/var/lib/depositd and /etc/depositd are left'
check_not "the daemon is stopped" inside systemctl is-active depositd
check_not "and the instance" inside systemctl is-active depositd@alpha
check_not "nothing is enabled any more" test -e "$tree/etc/systemd/system/multi-user.target.wants/depositd.service"
check_not "nothing of the package is left" sh -c "find '$tree/usr' -name '*depositd*' | grep ."
check "the ledger is there" test "$(deposits)" = "$count"
check "and the secrets" test -s "$tree/etc/depositd/credentials/upstream-api-key"
check "and the configuration" test -s "$tree/etc/depositd/daemon.toml"
check "it installs again" rpm_ -i /srv/this.rpm
check "and starts on the old ledger" inside systemctl start depositd
check "the same key is the same deposit" inside depositd --json request USDT BSC 25 --key first
check "and none was made for it" test "$(deposits)" = "$count"
inside systemctl stop depositd
check "the ledger is whole" inside env DEPOSITD_LEDGER__PATH=/var/lib/depositd/ledger.db depositd verify
echo "all $passed checks passed"
