#!/bin/sh
# Brings what the build and the lab need: Debian packages, the guest's kernel, the musl target, cnitool.
#
# Called with `cargo-deb` or `cargo-deny`, it brings what `make deb` or `make lint` needs as well.
#
# The host is changed as little as possible: packages that are missing are installed, the backports suite is read
# through lists of our own (the host's apt sources stay as they are), and the guest's kernel is unpacked under
# target/lab/, never installed. Everything that is there already is left alone, so a second run takes no time.
#
# `setup.sh bench` brings in addition what figures are held against: other projects' plugins, under target/lab/peers/.
# shellcheck disable=SC1091,SC2015,SC2086,SC3013 # lists of words are meant to be split; every sh has -nt
set -eu

cd "$(dirname "$0")/.."
lab=$PWD/target/lab
target=x86_64-unknown-linux-musl
cnitool=v1.3.0
cargo_deb=3.8.0
cargo_deny=0.20.2
mkdir -p "$lab/bin"

case ${1:-} in
'' | cargo-deb | cargo-deny) bench= ;;
bench) bench=$1 ;;
*) echo "usage: $0 [bench | cargo-deb | cargo-deny]" >&2; exit 2 ;;
esac

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# Administrators' programs live in sbin, which an ordinary user's PATH may lack.
PATH=$PATH:/usr/sbin:/sbin
export PATH LC_ALL=C DEBIAN_FRONTEND=noninteractive

[ "$(uname -m)" = x86_64 ] || fail "the lab emulates an x86_64 machine with the kernel of this one: $(uname -m) is not supported"

# Two at once would fight over the downloads.
if has flock; then
    exec 9>"$lab/setup.lock"
    flock -n 9 || { say "another setup is running, waiting for it"; flock 9; }
fi

# --- What is missing -------------------------------------------------------------------------------------------

# tool:package, for what the host runs and what goes into the guest.
tools='cc:gcc make:make musl-gcc:musl-tools xz:xz-utils depmod:kmod busybox:busybox-static ip:iproute2
       strace:strace ethtool:ethtool jq:jq mke2fs:e2fsprogs systemd-analyze:systemd
       wget:wget perl:perl-base gpgv:gpgv'

emulates_igb() { has qemu-system-x86_64 && qemu-system-x86_64 -device help 2>/dev/null | grep -q '^name "igb"'; }
# What a guest with systemd is made of; with another list it is made anew.
debian="systemd,systemd-sysv,udev,dbus,libpam-systemd,network-manager,iproute2,kmod,procps,jq,containernetworking-plugins"
has_debian() { [ "$(cat "$lab/debian/packages" 2>/dev/null)" = "$debian" ] && [ -e "$lab/debian/root.img" ]; }
has_kernel() { [ -e "$lab/kernel/vmlinuz" ] && [ -e "$lab/kernel/modules/modules.dep" ]; }
# Of an older list of modules it would be another.
needs_sriov_cni() { [ -n "$bench" ] && ! [ "$lab/peers/sriov-cni" -nt tests/peers/go.sum ]; }
# The plugins that other networks of a pod are made with, and that are chained with ours.
reference='ipam/dhcp ipam/host-local ipam/static main/bridge main/host-device main/macvlan main/ptp
           meta/bandwidth meta/sbr meta/tuning meta/vrf'
needs_reference() { ! [ "$lab/reference/vrf" -nt tests/reference/go.sum ]; }
needs_go() { [ ! -x "$lab/bin/cnitool" ] || needs_reference || needs_sriov_cni; }
needs_host_local() { [ -n "$bench" ] && [ ! -x "$lab/peers/host-local" ]; }
has_target() { [ -d "$(rustc --print target-libdir --target $target 2>/dev/null || echo /nonexistent)" ]; }

packages='' missing=''
for pair in $tools; do
    has "${pair%%:*}" || { packages="$packages ${pair#*:}"; missing="$missing
  ${pair%%:*}: package ${pair#*:}"; }
done
# A dynamic busybox would need the host's libraries in the guest for every shell line.
if has busybox && busybox --list >/dev/null && ldd "$(command -v busybox)" >/dev/null 2>&1; then
    packages="$packages busybox-static" missing="$missing
  a static busybox: package busybox-static (it replaces busybox)"
fi
emulates_igb || missing="$missing
  qemu-system-x86_64 that emulates igb (QEMU 8 or newer): package qemu-system-x86 (Debian 12: of bookworm-backports)"
! needs_host_local || missing="$missing
  host-local in $lab/peers: package containernetworking-plugins, unpacked, not installed"
has_kernel || missing="$missing
  a kernel for the guest in $lab/kernel: package linux-image-amd64 (Ubuntu: linux-image-generic), unpacked, not installed"
has_debian || missing="$missing
  a system with systemd, udev and NetworkManager for a guest in $lab/debian: made by debootstrap, not installed"
has go || ! needs_go || missing="$missing
  go, to build cnitool and the reference plugins${bench:+ and sriov-cni}: package golang-go (Debian 12: of bookworm-backports)"

has cargo && has rustc || fail "cargo and rustc are missing: install Rust by rustup"

# --- Packages ----------------------------------------------------------------------------------------------------

# apt with sources, lists and cache of our own: the host's sources plus backports from the same mirror.
own_apt() {
    tool=$1
    shift
    "$tool" -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$lab/apt/sources" \
        -o Dir::State::Lists="$lab/apt/lists" -o Dir::Cache="$lab/apt/cache" -o APT::Sandbox::User=root \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"
}

# The host's sources, and for Debian each source of the release itself once more with the suite of its backports.
write_sources() {
    rm -rf "$lab/apt/sources"
    mkdir -p "$lab/apt/sources" "$lab/apt/lists/partial" "$lab/apt/cache/archives/partial"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ -e "$file" ] || continue
        cp "$file" "$lab/apt/sources/"
        name=$(basename "$file")
        [ -z "$backports" ] || case $name in
        *.list) awk -v suite="$codename" '$1 == "deb" { for (i = 2; i <= NF; i++)
                    if ($i == suite) { $i = suite "-backports"; print; next } }' "$file" \
                >"$lab/apt/sources/backports-$name" ;;
        *.sources) awk -v suite="$codename" 'BEGIN { RS = ""; ORS = "\n\n" }
                    { n = split($0, lines, "\n"); ours = 0; text = ""
                      for (i = 1; i <= n; i++) {
                          if (lines[i] ~ /^#/) continue
                          if (lines[i] ~ /^Suites:/) {
                              m = split(lines[i], suites, /[ \t]+/)
                              for (j = 2; j <= m; j++) if (suites[j] == suite) ours = 1
                              lines[i] = "Suites: " suite "-backports"
                          }
                          text = text lines[i] "\n"
                      }
                      if (ours) print text }' "$file" \
                >"$lab/apt/sources/backports-$name" ;;
        esac
    done
}

fetch_kernel() {
    say "fetching a kernel for the guest"
    if [ "$ID" = ubuntu ]; then meta=linux-image-generic; else meta=linux-image-amd64; fi
    image=$(own_apt apt-cache $release depends --important "$meta" |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$image" ] || fail "package $meta names no kernel: $(own_apt apt-cache policy $meta | head -n 3)"
    version=${image#linux-image-}
    debs=$image
    # Ubuntu keeps modules in packages of their own.
    for extra in "linux-modules-$version" "linux-modules-extra-$version"; do
        ! own_apt apt-cache $release show "$extra" >/dev/null 2>&1 || debs="$debs $extra"
    done
    rm -rf "$lab/kernel" "$lab/kernel.new"
    mkdir -p "$lab/kernel.new/debs" "$lab/kernel.new/root"
    (cd "$lab/kernel.new/debs" && own_apt apt-get $release download $debs)
    say "unpacking $debs"
    for deb in "$lab/kernel.new/debs"/*.deb; do dpkg-deb -x "$deb" "$lab/kernel.new/root"; done
    root=$lab/kernel.new/root
    # Where /lib is a link to /usr/lib the package may carry either.
    [ -d "$root/lib/modules" ] || { mkdir -p "$root/lib" && mv "$root/usr/lib/modules" "$root/lib/modules"; }
    depmod -b "$root" "$version"
    mv "$root/boot/vmlinuz-$version" "$lab/kernel.new/vmlinuz"
    mv "$root/lib/modules/$version" "$lab/kernel.new/modules"
    printf '%s\n' "$version" >"$lab/kernel.new/version"
    rm -rf "$root" "$lab/kernel.new/debs"
    mv "$lab/kernel.new" "$lab/kernel"
}

# Where this machine has its own release from.
mirror() {
    own_apt apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT) $(CREATED_BY)' |
        awk -v suite="$codename" '$2 == suite && $3 == "main" && $4 == "Packages" { print $1; exit }'
}

# debootstrap itself is unpacked, not installed. What it makes becomes a disk image; nothing of it runs here afterwards.
make_debian() {
    [ "$(id -u)" = 0 ] || fail "run 'make setup' once as root: debootstrap needs it"
    site=$(mirror)
    [ -n "$site" ] || fail "the apt sources of this machine name no mirror of $codename"
    say "making a system with systemd for a guest, of $codename"
    # One that was interrupted may have left /proc mounted there.
    rm -rf --one-file-system "$lab/debian"
    mkdir -p "$lab/debian/tool"
    (cd "$lab/debian/tool" && own_apt apt-get download debootstrap) >"$lab/apt/log" 2>&1 ||
        fail "package debootstrap cannot be had; see $lab/apt/log"
    dpkg-deb -x "$lab/debian/tool"/debootstrap_*.deb "$lab/debian/tool"
    root=$lab/debian/root
    DEBOOTSTRAP_DIR=$lab/debian/tool/usr/share/debootstrap sh "$lab/debian/tool/usr/sbin/debootstrap" \
        --variant=minbase --include="$debian" "$codename" "$root" "$site" >"$lab/debian/log" 2>&1 ||
        { tail -n 20 "$lab/debian/log" >&2; fail "debootstrap failed; all of it is in $lab/debian/log"; }
    for waste in usr/share/doc usr/share/man usr/share/locale usr/share/info var/cache/apt var/lib/apt/lists; do
        rm -rf "${root:?}/$waste"
        mkdir -p "$root/$waste"
    done
    mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -d "$root" "$lab/debian/new.img" 768M
    mv "$lab/debian/new.img" "$lab/debian/root.img"
    rm -rf "$root" "$lab/debian/tool"
    printf '%s\n' "$debian" >"$lab/debian/packages"
}

fetch_host_local() {
    say "fetching host-local"
    rm -rf "$lab/peers/debs"
    mkdir -p "$lab/peers/debs/root"
    (cd "$lab/peers/debs" && own_apt apt-get download containernetworking-plugins)
    for deb in "$lab/peers/debs"/*.deb; do dpkg-deb -x "$deb" "$lab/peers/debs/root"; done
    mv "$lab/peers/debs/root/usr/lib/cni/host-local" "$lab/peers/host-local"
    rm -rf "$lab/peers/debs"
}

if [ -n "$missing" ]; then
    has apt-get && has dpkg-deb || fail "this is not Debian or Ubuntu; these are missing:$missing"
    [ "$(id -u)" = 0 ] || fail "run 'make setup' once as root, or bring these yourself:$missing"
    . /etc/os-release
    codename=${VERSION_CODENAME:-} backports='' release=''
    if [ "$ID" = debian ] && [ "${VERSION_ID:-99}" -le 12 ]; then backports=yes release="-t $codename-backports"; fi
    say "reading the package lists"
    write_sources
    # A source of the host that nobody needs here may be broken; one that is needed is missed below.
    own_apt apt-get update >"$lab/apt/log" 2>&1 || { grep '^[EW]:' "$lab/apt/log" >&2; say "going on with the rest"; }
    install() {
        own_apt apt-get install -y --no-install-recommends "$@" >"$lab/apt/log" 2>&1 ||
            { tail -n 20 "$lab/apt/log" >&2; fail "apt-get install failed; all of it is in $lab/apt/log"; }
    }
    if [ -n "$packages" ]; then
        say "installing$packages"
        install $packages
    fi
    if ! emulates_igb; then
        say "installing qemu-system-x86${backports:+ from $codename-backports}"
        install $release qemu-system-x86
        emulates_igb || fail "$(qemu-system-x86_64 --version | head -n 1) does not emulate igb, QEMU 8 does:" \
            "use Debian 12 or newer, or Ubuntu 24.04 or newer"
    fi
    if needs_go && ! has go; then
        say "installing golang-go"
        install $release golang-go
    fi
    has_kernel || fetch_kernel
    has_debian || make_debian
    ! needs_host_local || fetch_host_local
    own_apt apt-get clean
fi

# --- Rust and Go ---------------------------------------------------------------------------------------------------

if ! has_target; then
    has rustup || fail "this Rust cannot build for $target and rustup, which could add it, is missing"
    say "adding $target"
    rustup target add $target
    has_target || fail "rustup takes $target for installed, and rustc does not find it:" \
        "run 'rustup target remove $target', then 'make setup' again"
fi

for component in rustfmt clippy; do
    ! cargo ${component#rust} --version >/dev/null 2>&1 || continue
    has rustup || fail "cargo ${component#rust} is missing, and rustup, which could bring it, too"
    say "adding $component"
    rustup component add $component
done

if [ ! -x "$lab/bin/cnitool" ]; then
    say "building cnitool $cnitool"
    CGO_ENABLED=0 GOBIN=$lab/bin go install "github.com/containernetworking/cni/cnitool@$cnitool"
fi

if needs_reference; then
    say "building the reference plugins"
    mkdir -p "$lab/reference"
    packages=''
    for plugin in $reference; do packages="$packages github.com/containernetworking/plugins/plugins/$plugin"; done
    # The last of them is written last: a build that was cut off is done again.
    rm -f "$lab/reference/vrf"
    (cd tests/reference && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$lab/reference/" $packages)
    touch "$lab/reference/vrf"
fi

# A program of cargo's, of this version and no other, under target/lab/bin.
bring_cargo_program() {
    case $("$lab/bin/$1" --version 2>/dev/null) in "$2" | "$1 $2") return ;; esac
    say "building $1 $2"
    cargo install --quiet --locked --root "$lab" "$1@$2"
}

case ${1:-} in
cargo-deb) bring_cargo_program cargo-deb "$cargo_deb" ;;
cargo-deny) bring_cargo_program cargo-deny "$cargo_deny" ;;
esac

if needs_sriov_cni; then
    say "building sriov-cni"
    (cd tests/peers && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$lab/peers/sriov-cni" github.com/intel/sriov-cni/cmd/sriov)
fi

say "ready: $(qemu-system-x86_64 --version | sed -n '1s/.*version \([0-9.]*\).*/QEMU \1/p'), Linux $(cat "$lab/kernel/version") for the guest"
