#!/bin/sh
# Holds the arrows between the packages, as cargo sees them:
#
#   conf <- ipam <- cni <- daemon <- tests
#
# and keeps out of each package what it has no business with: a plugin that is executed for every pod carries no
# async runtime and no API client, and rules and arithmetic know neither the network nor the cluster.
set -eu
cd "$(dirname "$0")/.."

failed=0
# forbid PACKAGE EDGES PATTERN...: none of the packages of these names may be in PACKAGE's tree.
forbid() {
    package=$1 edges=$2
    shift 2
    tree=$(cargo tree --locked --package "$package" --edges "$edges" --prefix none --format '{lib}' \
        --target x86_64-unknown-linux-musl)
    for pattern in "$@"; do
        found=$(printf '%s\n' "$tree" | sed 's/ (\*)$//' | grep -E -x -m 1 "$pattern") || continue
        echo "arrows: $package must not depend on $found: see cargo tree -p $package -e $edges -i $found" >&2
        failed=1
    done
}

# Against the arrows, in tests too.
forbid conf all ipam cni daemon tests
forbid ipam all cni daemon tests
forbid cni all daemon tests
forbid daemon all tests

asynchronous='tokio.* async_std smol hyper.* reqwest tower.* futures_executor'
cluster='kube.* k8s_openapi schemars'
netlink='netlink_.* rtnetlink genetlink neli'
# The patterns are words, and no file names.
set -f
# shellcheck disable=SC2086
forbid conf normal,build $asynchronous $cluster $netlink nix rustix socket2
# shellcheck disable=SC2086
forbid ipam normal,build $asynchronous $cluster $netlink socket2
# shellcheck disable=SC2086
forbid cni normal,build $asynchronous $cluster rtnetlink netlink_proto clap tracing_subscriber

[ $failed = 0 ] && echo "arrows: as drawn"
exit $failed
