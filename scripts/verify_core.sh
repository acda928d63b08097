#!/usr/bin/env bash
# Compares the fast book with the naive one on COMMANDS random commands, and writes a line into docs/campaigns.jsonl when
# all agree. Stopped, it goes on where it was, as long as the commit is the same.
set -euo pipefail
cd "$(dirname "$0")/.."

commands=${COMMANDS:-50000000}
per_seed=400 # COMMANDS_PER_SEED in crates/matching/tests/core/compare.rs
commit=$(git rev-parse --short HEAD)
mkdir -p target
export SEEDS=$(((commands + per_seed - 1) / per_seed))
export PROGRESS=$PWD/target/verify-core-$commit

cargo test --locked --release -p matching --test core random::campaign -- --ignored --nocapture
printf '{"campaign":"verify-core","date":"%s","commit":"%s","runs":%d,"failures":0,"acknowledged":0,"lost":0,"twice":0}\n' \
  "$(date -u +%F)" "$commit" $((SEEDS * per_seed)) >>docs/campaigns.jsonl
tail -n 1 docs/campaigns.jsonl
