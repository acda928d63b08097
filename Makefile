# What each target does, and nothing more; the work is in cargo, scripts/ and crates/testbed.

.DEFAULT_GOAL := help
.PHONY: help run prepare build stack test lint bench bench-long bench-memory bench-instructions

BINARIES := $(or $(CARGO_TARGET_DIR),target)/release

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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
	.venv/bin/ruff check api_tests
	.venv/bin/ruff format --check api_tests

bench: prepare ## orders a second, latencies and time per order, beside a bare handler
	cargo bench --locked -p pricetime --bench http

bench-long: prepare ## the same for a minute each, and the cost of an order as the service grows
	BENCH_SECONDS=60 cargo bench --locked -p pricetime --bench http
	cargo bench --locked -p pricetime --bench growth

bench-instructions: prepare ## instructions per order, compared with benches/instructions.txt
	cargo bench --locked -p pricetime --bench instructions

bench-memory: prepare ## memory of the service over five million orders
	cargo bench --locked -p pricetime --bench memory
