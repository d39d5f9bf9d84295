# What people and CI run. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help setup run test check bench compare cache-suite load rush kill steady soak flash cut fuzz fuzz-api docs install storefront e2e mongod

STOREFRONT := origin/storefront
CARGO_TARGET_DIR ?= target
BINARIES := $(CARGO_TARGET_DIR)/debug

help: ## This list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: ## Look for the tools, name the missing ones
	@.ci/tools

storefront: setup ## Build the storefront
	@echo "storefront: building"
	@cd $(STOREFRONT) && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund; } && npm run --silent build >/dev/null

run: setup storefront ## The shop at http://localhost:8080, with 150 sample products
	@echo "programs:  building (the first time takes some minutes)"
	@cargo build --locked -p crackers-origin -p crackers-proxy
	@.ci/run-shop $(BINARIES)

test: setup storefront ## All tests that this machine can run; says what it skipped
	cd $(STOREFRONT) && npm run --silent test && npm run --silent budget
	@.ci/choose-mongod
	cargo test --workspace --locked
	@$(MAKE) --no-print-directory e2e

e2e: ## The shop in a real browser (needs Chromium)
	@if command -v "$${CHROMIUM:-chromium}" >/dev/null 2>&1; then \
	  .ci/e2e $(BINARIES); \
	elif [ "$$CI" = true ]; then echo "Chromium is missing" >&2; exit 1; \
	else echo "skipped: the browser tests; they need Chromium (Debian: apt install chromium), or CHROMIUM=/path/to/it"; fi

check: ## Format, lints, and (where cargo-deny is there) licences, sources and bans
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --all-features --config .ci/deny.toml check bans licenses sources; \
	else echo "skipped: the dependency check; it needs cargo-deny (cargo install cargo-deny --locked)"; fi

bench: ## Criterion benchmarks of the parts
	cargo bench --locked -p crackers-benches

cache-suite: ## The public suite of HTTP cache behaviours against the edge
	benches/cache_suite/run

compare: storefront ## CPU time per request against nginx, HAProxy and Varnish (needs wrk; names the peers that are missing)
	benches/compare/run

load: storefront ## Durable orders a second through the edge, on both databases (needs wrk)
	benches/load/orders

rush: storefront ## 5,000 visitors at 5,000 requests a second, then ten times what the shop can do
	benches/load/rush

ROUNDS ?= 20
kill: ## Kill origins, edge and MongoDB in the middle of rushes of orders, ROUNDS times each
	CRACKERS_KILL_ROUNDS=$(ROUNDS) cargo test --locked -p crackers-tests --test end_to_end shop::kills -- --test-threads 1

flash: ## 2,000 buyers on 500 pieces, on both databases, with one origin and with three
	CRACKERS_FLASH_BUYERS=2000 cargo test --locked -p crackers-tests --test end_to_end shop::kills::flash -- --test-threads 1

cut: ## Cut SQLite's power at hundreds of places of a long rush of orders
	CRACKERS_CUT_ORDERS=8000 CRACKERS_CUTS=300 cargo test --locked -p crackers-power-cut

steady: ## Reload (20 times), upgrade, roll and new certificates (5 times each) under steady load: no request fails
	CRACKERS_STEADY_ROUNDS=5 cargo test --locked -p crackers-tests --test end_to_end load::steady

MINUTES ?= 30
soak: ## High load and rude clients for MINUTES: memory stays flat, descriptors come back (CRACKERS_BINARIES=target/release: builds made before)
	CRACKERS_SOAK_MINUTES=$(MINUTES) cargo test --locked -p crackers-tests --test end_to_end load::soak -- --ignored --nocapture

FUZZ_SECONDS ?= 60
fuzz: ## Fuzz the edge's parsers, FUZZ_SECONDS each (needs nightly and cargo-fuzz: cargo install cargo-fuzz --locked)
	cd proxy && targets=$$(cargo +nightly fuzz list) && for target in $$targets; do \
	  cargo +nightly fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS) || exit 1; done

EXAMPLES ?= 50
fuzz-api: storefront ## Ask everything that the OpenAPI description names, in EXAMPLES odd ways each (needs python3 with venv)
	@cargo build --locked -p crackers-origin
	@.ci/fuzz-api $(BINARIES) $(EXAMPLES)

docs: ## What the code says of itself, in target/doc
	cargo doc --workspace --no-deps --locked

PREFIX ?= /usr/local
install: storefront ## Both programs, their settings and the storefront, under PREFIX
	cargo build --locked --profile dist -p crackers-origin -p crackers-proxy
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/crackers
	install -m 755 $(CARGO_TARGET_DIR)/dist/crackers-origin $(CARGO_TARGET_DIR)/dist/crackers-proxy $(DESTDIR)$(PREFIX)/bin
	cp -R conf $(STOREFRONT)/dist $(DESTDIR)$(PREFIX)/share/crackers

mongod: ## A real MongoDB server for the tests, into target/mongod
	.ci/get-mongod
