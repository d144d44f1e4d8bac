#!/bin/sh
# Has systemd check the units: unknown keys, bad values, orders that contradict each other; and has it say how much each
# is exposed, which docs/operators.md states.
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
for unit in systemd/*.service; do
    name=${unit##*/}
    figure=$(systemd-analyze security --offline=true --no-pager "$unit" 2>/dev/null |
        sed -n 's/.*exposure level for [^:]*: \([0-9.]*\) .*/\1/p')
    echo "units: exposure of $name by systemd-analyze security: $figure"
    # Figures of other versions of systemd differ by what they look at.
    if [ "$(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')" = 252 ] &&
        ! grep -q "^| \`$name\` | $figure |" docs/operators.md; then
        echo "units: docs/operators.md states another figure for $name" >&2
        exit 1
    fi
done

# What a unit may write to is there before it starts: what comes later stays read-only for it.
for path in $(sed -n 's/^ReadWritePaths=//p' systemd/*.service | tr ' ' '\n' | sed 's/^-//' | sort -u); do
    if ! grep -q "^d $path " systemd/tmpfiles.d/railhead.conf; then
        echo "units: tmpfiles.d/railhead.conf does not make $path" >&2
        exit 1
    fi
done

# Its filter answers openat2 with ENOSYS, by which objects are opened: the daemon would read none of them.
if grep -n '^RestrictSUIDSGID=' systemd/*.service >&2; then
    echo "units: RestrictSUIDSGID takes openat2 from the daemon" >&2
    exit 1
fi

# A rule that runs a program hands it words that others choose.
if grep -nE '^[^#]*(PROGRAM|RUN|IMPORT\{program\})' systemd/*.rules >&2; then
    echo "units: no udev rule of ours runs a program" >&2
    exit 1
fi
echo "units: as systemd wants them"
