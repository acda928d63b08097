# What each target does, and nothing more; the work is in cargo, scripts/ and crates/testbed.

.DEFAULT_GOAL := help
.PHONY: help run prepare build stack test simulate ui ui-busy screenshots lint prove chaos chaos-ledger bench bench-memory bench-recovery bench-overload bench-backup bench-core verify-core fuzz mutants bench-feed bench-history deny sbom \
	bench-long bench-instructions

BINARIES := $(or $(CARGO_TARGET_DIR),target)/release

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build the service and run it with the demo markets on a local file, data in ./data; PORT=8000
	@scripts/prepare.sh run
	cargo build --release --locked -p pricetime
	@exec $(BINARIES)/pricetime serve --demo

prepare: ## install what the build and the tests need; quick when it is there
	@scripts/prepare.sh test

build: prepare ## build the service for use
	cargo build --release --locked -p pricetime -p testbed

stack: build ## run the service on private Redis and PostgreSQL, data in data/stack; PORT=8000
	@exec $(BINARIES)/testbed stack -- $(BINARIES)/pricetime

test: prepare ## every test suite, the black-box checks among them
	cargo test --workspace --locked

simulate: ## simulate the engine under faults; SEEDS=500 or MINUTES=n, SEED=1, RECORD=docs/campaigns.jsonl adds the counts
	cargo run --release --locked -p simulator --bin simulate -- --seed $(or $(SEED),1) \
		$(if $(MINUTES),--minutes $(MINUTES),--seeds $(or $(SEEDS),500)) --lines $(or $(LINES),60) $(if $(RECORD),--record $(RECORD))

ui: ## build the pages into ui/dist, from where the next build embeds them
	@scripts/ui.sh

ui-busy: build ## the market page for a minute of 1,000 orders a second: long tasks, memory; SECONDS=60
	@cd ui && PRICETIME=$(abspath $(BINARIES))/pricetime BUSY_SECONDS=$(or $(SECONDS),60) WALL=1 node --test tests/busy.test.js

screenshots: build ## the README's pictures of the demo market, and others into target/screenshots; ALL=1 for every part
	@cd ui && PRICETIME=$(abspath $(BINARIES))/pricetime ALL=$(ALL) node tests/shots.js

lint: prepare ## format and warnings, of Rust, Python and TypeScript
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	.venv/bin/ruff check api_tests benches clients examples
	.venv/bin/ruff format --check api_tests benches clients examples
	npm --prefix ui run --silent check

# The bugs that PLANT names are compiled into a program of its own; everysec is a setting of Redis.
PLANTED := $(BINARIES)/pricetime-planted
PROVEN := $(if $(filter-out everysec,$(PLANT)),$(PLANTED),$(BINARIES)/pricetime)

prove: build ## a minute of load, kills and power cuts, and the verdict; PLANT=ack-before-fsync must fail
	cargo build --release --locked -p chaos
	@$(if $(filter-out everysec,$(PLANT)),scripts/planted.sh $(PLANTED))
	@$(BINARIES)/chaos --binary $(PROVEN) $(if $(SEED),--seed $(SEED)) prove $(if $(PLANT),--plant $(PLANT))

chaos: build ## faults at random, counted in docs/campaigns.jsonl; MINUTES=10 or CYCLES=100, SEED=1, KINDS=kill,flushall
	cargo build --release --locked -p chaos
	@$(BINARIES)/chaos --binary $(BINARIES)/pricetime $(if $(SEED),--seed $(SEED)) run \
		$(if $(KINDS),--kinds $(KINDS)) $(if $(CYCLES),--cycles $(CYCLES)) $(if $(MINUTES),--minutes $(MINUTES),$(if $(CYCLES),,--minutes 10))

chaos-ledger: prepare ## the example ledger and the service killed together under load, in both modes; KILLS=50
	LEDGER_KILLS=$(or $(KILLS),50) cargo test --locked -p pricetime --test integration -- --nocapture a_ledger_that_is_killed

bench: prepare ## orders a second, latencies and time per order, beside a bare handler
	cargo bench --locked -p pricetime --bench http

bench-long: prepare ## the same for a minute each, and the cost of an order as the service grows
	BENCH_SECONDS=60 cargo bench --locked -p pricetime --bench http
	cargo bench --locked -p pricetime --bench growth

bench-instructions: prepare ## instructions per order, compared with benches/instructions.txt
	cargo bench --locked -p pricetime --bench instructions

bench-feed: prepare ## from POST to a socket, sockets one instance feeds, sockets nobody reads
	ulimit -n $$(ulimit -Hn) && cargo bench --locked -p pricetime --bench feed

bench-history: prepare ## ten million orders in the history: what writing costs, how long a look-up takes
	cargo bench --locked -p pricetime --bench history

bench-overload: prepare ## three times the load that the service can do: goodput, refusals, memory, cancels
	cargo bench --locked -p pricetime --bench overload

bench-memory: prepare ## memory of the service over five million orders
	cargo bench --locked -p pricetime --bench memory

bench-recovery: prepare ## a start with a million open orders and a million events behind the snapshot
	cargo bench --locked -p pricetime --bench recovery

bench-backup: build ## backup, archive and restore of a long log, and what orders notice of them; ROWS=1000000
	@.venv/bin/python benches/support/backup.py $(abspath $(BINARIES))/pricetime $(or $(ROWS),1000000)

bench-core: prepare ## the matching core beside other books on the same commands
	cargo run --locked --release --manifest-path benches/core/Cargo.toml
	cargo run --locked --release --manifest-path benches/core/Cargo.toml --features count

verify-core: prepare ## the fast book against the naive one; COMMANDS=50000000, goes on where it was stopped
	@scripts/verify_core.sh

fuzz: prepare ## what reads bytes from outside, and sequences of commands; MINUTES=1 for each target
	@scripts/fuzz.sh

mutants: prepare ## the core with each of its rules broken, against its tests; SHARD=0 SHARDS=4
	@scripts/mutants.sh

deny: ## licences, banned and foreign crates, who may import whom; the first time it builds cargo-deny, some minutes
	@$$(scripts/cargo_tool.sh cargo-deny 0.20.2) --locked check bans licenses sources

sbom: ## what the service is made of, as CycloneDX in target/sbom; the first time it builds cargo-cyclonedx
	@scripts/sbom.sh
