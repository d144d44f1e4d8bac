#!/bin/sh
# Has systemd check the units: unknown keys, bad values, orders that contradict each other.
#
# RAILHEAD_SKIP_UNITS=1 leaves it out, on a machine that has no systemd, and says so.
set -eu
cd "$(dirname "$0")/.."

if [ "${RAILHEAD_SKIP_UNITS:-}" = 1 ]; then
    echo "units: left out, as RAILHEAD_SKIP_UNITS=1 asks"
    exit 0
fi
command -v systemd-analyze >/dev/null || {
    echo "units: systemd-analyze is missing: run 'make setup' as root, or set RAILHEAD_SKIP_UNITS=1" >&2
    exit 1
}

units=$(mktemp -d)
trap 'rm -rf "$units"' EXIT
# What they start need not be installed here.
for unit in systemd/*.service; do
    sed 's#^\(Exec[A-Za-z]*=\)/[^ ]*#\1/bin/true#' "$unit" >"$units/${unit##*/}"
done
# It warns on standard error and exits with 0 when a key is unknown.
said=$(systemd-analyze verify --man=no "$units"/*.service 2>&1) && status=0 || status=$?
# What other packages of this machine have wrong is theirs.
ours=$(printf '%s\n' "$said" | grep -F railhead || true)
if [ $status != 0 ] || [ -n "$ours" ]; then
    printf 'units: systemd-analyze verify:\n%s\n' "$said" >&2
    exit 1
fi
echo "units: as systemd wants them"
