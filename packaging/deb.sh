#!/bin/sh
# Makes a Debian package of binaries that are built: packaging/deb.sh PROFILE DIRECTORY [REVISION]
#
# The same commit gives the same package, byte by byte: all times in it are the commit's.
set -eu
cd "$(dirname "$0")/.."
target=x86_64-unknown-linux-musl
profile=$1 directory=$2
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)-${3:-1}

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C
mkdir -p target/deb
"target/$target/$profile/railhead" completions bash >target/deb/railhead.bash
cat >target/deb/changelog <<END
railhead ($version) unstable; urgency=medium

  * See /usr/share/doc/railhead/CHANGELOG.md.

 -- railhead maintainers <maintainers@railhead.dev>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
target/lab/bin/cargo-deb --quiet --package daemon --target "$target" --profile "$profile" \
    --no-build --no-strip --locked --deb-version "$version" --output "$directory/railhead_${version}_amd64.deb" >/dev/null
echo "$directory/railhead_${version}_amd64.deb"
