#!/usr/bin/env bash
# Fuzzes each target of fuzz/ for MINUTES, with the stable compiler: coverage by the flags that `cargo fuzz` uses, no
# sanitizer (our Rust has no unsafe code; overflow checks and assertions are on). What it finds stays in fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${MINUTES:-1}
host=$(rustc -vV | sed -n 's/^host: //p')
flags=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1)
# With --target the flags leave build scripts and macros alone.
RUSTFLAGS="${flags[*]}" cargo build --locked --release --target "$host" --manifest-path fuzz/Cargo.toml

for target in ${TARGETS:-order_json stream_entry events image commands}; do
  mkdir -p "target/fuzz/$target"
  "fuzz/target/$host/release/$target" "target/fuzz/$target" "fuzz/corpus/$target" -artifact_prefix="target/fuzz/$target-" \
    -max_total_time=$((minutes * 60)) -max_len=4096 -timeout=10 -print_final_stats=1
  # The fewest inputs that reach as many edges go into git.
  "fuzz/target/$host/release/$target" -set_cover_merge=1 -use_counters=0 "fuzz/corpus/$target" "target/fuzz/$target" 2>&1 | tail -n 1
done
