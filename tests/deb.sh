#!/bin/sh
# Installs, upgrades, removes and purges the package of `make deb` by this machine's dpkg, and looks at what comes of
# it. Nothing of this machine changes: its files are seen through an overlay that goes away, and systemctl is a
# program that writes down what it is asked for. As root, on Debian or Ubuntu.
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || { echo "deb: run it as root" >&2; exit 1; }
    exec unshare --mount --propagation private "$0" inside
fi

say() { printf 'deb: %s\n' "$*"; }
fail() { printf 'deb: %s\n' "$*" >&2; exit 1; }
# same WHAT EXPECTED FOUND: compares two texts.
same() {
    [ "$2" = "$3" ] || {
        printf 'deb: %s: expected:\n%s\nfound:\n%s\n' "$1" "$2" "$3" >&2
        exit 1
    }
}

# Which binaries.
profile=${PROFILE:-dist}
root=$(mktemp -d)
trap 'cd / && umount -R "$root" 2>/dev/null; rm -rf "$root"' EXIT
mount -t tmpfs tmpfs "$root"

# --- The package itself --------------------------------------------------------------------------------------------

# Somebody may commit meanwhile.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
mkdir "$root/packages" "$root/again"
packaging/deb.sh "$profile" "$root/packages" >/dev/null
packaging/deb.sh "$profile" "$root/again" >/dev/null
old=$(ls "$root/packages")
cmp "$root/packages/$old" "$root/again/$old" || fail "the same commit gives another package"
packaging/deb.sh "$profile" "$root/packages" 2 >/dev/null
new=$(cd "$root/packages" && find . -name '*-2_*' -printf '%P')
contents() { dpkg-deb --contents "$root/packages/$old"; }

same "what the package holds, besides all of docs" "$(cat tests/deb.txt)" \
    "$(contents | awk '{ print $1, $2, $6, $7, $8 }' | sed 's#^.* ./usr/share/doc/railhead/[^/]*\.md##; s/ *$//' |
        grep . | LC_ALL=C sort -k 3)"
control=$(dpkg-deb --ctrl-tarfile "$root/packages/$old" | tar -t)
case $control in
*conffiles*) fail "the package has files that dpkg asks about" ;;
*postinst*) ;;
*) fail "the package's scripts cannot be listed: $control" ;;
esac

# --- A machine -----------------------------------------------------------------------------------------------------

mkdir "$root/upper" "$root/work" "$root/machine"
mount -t overlay overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" "$root/machine"
machine=$root/machine
mount -t proc proc "$machine/proc"
mount -t tmpfs tmpfs "$machine/run"
mkdir -p "$machine/run/systemd/system" "$machine/packages"
mount -t tmpfs tmpfs "$machine/dev"
touch "$machine/dev/null" && mount --bind /dev/null "$machine/dev/null"
cp "$root/packages"/*.deb "$machine/packages"
# What links units is done; what needs a systemd that runs is written down.
mv "$machine/bin/systemctl" "$machine/bin/systemctl.real"
cat >"$machine/bin/systemctl" <<'END'
#!/bin/sh
case "$*" in
*preset* | *is-enabled*) SYSTEMD_OFFLINE=1 exec /bin/systemctl.real "$@" ;;
esac
echo "systemctl $*" >>/run/asked
END
cat >"$machine/usr/bin/systemd-tmpfiles" <<'END'
#!/bin/sh
echo "systemd-tmpfiles $*" >>/run/asked
END
chmod 755 "$machine/bin/systemctl" "$machine/usr/bin/systemd-tmpfiles"
# Images for containers forbid to start services.
rm -f "$machine/usr/sbin/policy-rc.d"
# What others have there: one plugin of their own name, one of ours.
rm -rf "$machine/opt/cni" "$machine/etc/railhead" "$machine/var/lib/railhead"
mkdir -p "$machine/opt/cni/bin"
echo "somebody's bridge" >"$machine/opt/cni/bin/bridge"
echo "somebody's sriov" >"$machine/opt/cni/bin/sriov"
theirs=$(cd "$machine/opt/cni/bin" && sha256sum ./* && stat -c '%a %n' ./*)

inside() { chroot "$machine" env DEBIAN_FRONTEND=noninteractive "$@" >"$root/log" 2>&1 || { cat "$root/log" >&2; fail "$*"; }; }
# What systemd was asked for since the last time.
asked() {
    # Some of it is asked for once by each helper.
    sed -E '/ is-active /d; s/ --(quiet|system)//g' "$machine/run/asked" 2>/dev/null | uniq
    rm -f "$machine/run/asked"
}
plugins() { (cd "$machine/opt/cni/bin" && find . -mindepth 1 -printf '%M %P %l\n' | sed 's/ *$//' | LC_ALL=C sort -k 2); }
# Everything that the package or its scripts have made, but for dpkg's and deb-systemd-helper's own records, and the
# marks of what is hidden.
made() {
    (cd "$root/upper" && find . -mindepth 1 ! -type d ! -type c -printf '%P\n' |
        grep -Ev '^(var/lib/(dpkg|systemd)/|var/log/|packages/|run/|tmp/|(usr/)?bin/systemctl(.real)?$|usr/bin/systemd-tmpfiles$|usr/sbin/policy-rc.d$)' |
        grep -Ev '^opt/cni/bin/(bridge|sriov)$' | LC_ALL=C sort)
}

# --- Install -------------------------------------------------------------------------------------------------------

inside dpkg -i "/packages/$old"
files=$(contents | awk '{ print $6 }' | sed -n 's#^\./\(.*[^/]\)$#\1#p')
enabled="etc/systemd/system/multi-user.target.wants/railhead-boot.service
etc/systemd/system/multi-user.target.wants/railhead.service"
placed="opt/cni/bin/nv-ipam
opt/cni/bin/railhead-cni
opt/cni/bin/sriov.before-railhead"
same "what is there after an installation" \
    "$(printf '%s\n' "$files" "$enabled" "$placed" | LC_ALL=C sort)" "$(made)"
same "the plugins" "-rw-r--r-- bridge
lrwxrwxrwx nv-ipam railhead-cni
-rwxr-xr-x railhead-cni
lrwxrwxrwx sriov railhead-cni
-rw-r--r-- sriov.before-railhead" "$(plugins)"
same "what systemd was asked for" "systemd-tmpfiles --create railhead.conf
systemctl daemon-reload
systemctl start railhead.service" "$(asked)"
inside railhead --version
inside dpkg --verify railhead

# --- Upgrade -------------------------------------------------------------------------------------------------------

# The settings and the state of an admin; a plugin that runs meanwhile, and goes on with what it was started from.
mkdir -p "$machine/etc/railhead/objects" "$machine/var/lib/railhead"
echo 'nodeName: node-a' >"$machine/etc/railhead/railhead.yaml"
echo state >"$machine/var/lib/railhead/state"
mkfifo "$root/stdin"
CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/none CNI_IFNAME=net1 CNI_PATH=/opt/cni/bin \
    chroot "$machine" /opt/cni/bin/sriov <"$root/stdin" >"$root/stdout" 2>&1 &
verb=$!
exec 3>"$root/stdin"
tries=0
until readlink "/proc/$verb/exe" | grep -q railhead-cni; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fail "the verb did not start: $(cat "$root/stdout")"
    sleep 0.1
done
inode=$(stat -c %i "$machine/opt/cni/bin/railhead-cni")
inside dpkg -i "/packages/$new"
[ "$inode" != "$(stat -c %i "$machine/opt/cni/bin/railhead-cni")" ] || fail "the plugins were not replaced"
printf '{"cniVersion": "1.0.0", "name": "net", "type": "sriov", "deviceID": "nonsense"}' >&3
exec 3>&-
wait $verb && fail "an ADD of nonsense"
grep -q '"code":' "$root/stdout" || fail "a verb under way did not end as it should: $(cat "$root/stdout")"
same "what systemd was asked for" "systemctl daemon-reload
systemd-tmpfiles --create railhead.conf
systemctl daemon-reload
systemctl restart railhead.service" "$(asked)"
same "settings" "nodeName: node-a" "$(cat "$machine/etc/railhead/railhead.yaml")"

# One who has disabled the services keeps them so.
rm "$machine/etc/systemd/system/multi-user.target.wants/railhead-boot.service"
inside dpkg -i "/packages/$old"
[ ! -e "$machine/etc/systemd/system/multi-user.target.wants/railhead-boot.service" ] ||
    fail "a downgrade has enabled what an admin had disabled"
asked >/dev/null

# --- Remove and purge ----------------------------------------------------------------------------------------------

inside dpkg -r railhead
# That a service was enabled is remembered until the purge.
same "what is there after a removal" "etc/railhead/railhead.yaml
etc/systemd/system/multi-user.target.wants/railhead.service
var/lib/railhead/state" "$(made | grep -v '^etc/systemd/system/railhead')"
same "what others had in the directory of plugins" "$theirs" \
    "$(cd "$machine/opt/cni/bin" && sha256sum ./* && stat -c '%a %n' ./*)"
same "what systemd was asked for" "systemctl stop railhead.service
systemctl daemon-reload" "$(asked)"

# Nobody can tell who uses the plugins, so they stay until somebody can.
inside dpkg -i "/packages/$old"
mkdir -p "$machine/run/railhead/store" && echo "no store" >"$machine/run/railhead/store/state.mdb"
inside dpkg -r railhead
grep -q "stays, since nobody knows who uses them" "$root/log" || fail "it was not said why the plugins stay"
[ -x "$machine/opt/cni/bin/sriov" ] || fail "plugins were removed that may be needed"
rm -r "$machine/run/railhead/store"
inside dpkg -P railhead
same "what is there after a purge" "" "$(made)"
same "what others had in the directory of plugins" "$theirs" \
    "$(cd "$machine/opt/cni/bin" && sha256sum ./* && stat -c '%a %n' ./*)"
say "installed, upgraded while a verb ran, downgraded, removed, purged: as it should be"
