# What each target does, and nothing more; the work is in cargo, scripts/ and crates/testbed.

.DEFAULT_GOAL := help
.PHONY: help run prepare build stack test lint bench bench-memory bench-feed bench-history bench-overload bench-core verify-core fuzz mutants

BINARIES := $(or $(CARGO_TARGET_DIR),target)/release

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build the service and run it on a local file, data in ./data; PORT=8000
	@scripts/prepare.sh run
	cargo build --release --locked -p pricetime
	@exec $(BINARIES)/pricetime serve

prepare: ## install what the build and the tests need; quick when it is there
	@scripts/prepare.sh test

build: prepare ## build the service for use
	cargo build --release --locked -p pricetime -p testbed

stack: build ## run the service on private Redis and PostgreSQL, data in data/stack; PORT=8000
	@exec $(BINARIES)/testbed stack -- $(BINARIES)/pricetime

test: prepare ## every test suite, the black-box checks among them
	cargo test --workspace --locked

lint: prepare ## format and warnings, of Rust and Python
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	.venv/bin/ruff check api_tests clients examples
	.venv/bin/ruff format --check api_tests clients examples

bench: prepare ## orders a second through the service, beside a bare handler
	cargo bench --locked -p pricetime --bench http

bench-feed: prepare ## from POST to a socket, sockets one instance feeds, sockets nobody reads
	cargo bench --locked -p pricetime --bench feed

bench-history: prepare ## ten million orders in the history: what writing costs, how long a look-up takes
	cargo bench --locked -p pricetime --bench history

bench-overload: prepare ## three times the load that the service can do: goodput, refusals, memory, cancels
	cargo bench --locked -p pricetime --bench overload

bench-memory: prepare ## memory of the service over five million orders
	cargo bench --locked -p pricetime --bench memory

bench-core: prepare ## the matching core beside other books on the same commands
	cargo run --locked --release --manifest-path benches/core/Cargo.toml
	cargo run --locked --release --manifest-path benches/core/Cargo.toml --features count

verify-core: prepare ## the fast book against the naive one; COMMANDS=50000000, goes on where it was stopped
	@scripts/verify_core.sh

fuzz: prepare ## what reads bytes from outside, and sequences of commands; MINUTES=1 for each target
	@scripts/fuzz.sh

mutants: prepare ## the core with each of its rules broken, against its tests; SHARD=0 SHARDS=16
	@scripts/mutants.sh
