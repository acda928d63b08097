#!/usr/bin/env bash
# Builds a tool from its published source, once, into target/tools: `cargo_tool.sh cargo-deny 0.20.2`; prints its path.
# Without optimizations: it runs for seconds, and takes minutes to build.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 version=$2
root=$PWD/target/tools/$name-$version
if [ ! -x "$root/bin/$name" ]; then
    echo "building $name $version into $root" >&2
    cargo install --quiet --locked --debug --root "$root" --version "$version" "$name" >&2
fi
echo "$root/bin/$name"
