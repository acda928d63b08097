#!/usr/bin/env bash
# Builds the service with the switch for planted bugs as the program `$1`, and leaves the shipped one as it was.
set -euo pipefail
cd "$(dirname "$0")/.."
built=$(dirname "$1")/pricetime
mv "$built" "$built.kept"
trap 'mv "$built.kept" "$built"' EXIT
cargo build --release --locked -p pricetime --features planted
mv "$built" "$1"
