# What people and CI run. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help test check

help: ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

check: ## Format, lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

test: ## All tests that this machine can run
	cargo test --workspace --locked
