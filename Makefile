# What people type. `make help` lists the targets.

CARGO   ?= cargo
PREFIX  ?= /usr/local
DESTDIR ?=
# Where cargo builds; the environment may move it.
TARGET  := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help build test generate clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

build: ## libikrs.so and libikrs.a, optimized
	$(CARGO) build --release

test: ## everything: formatting, lints, Rust tests, C and C++ tests, comparison with the reference
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test --workspace --release

generate: ## rewrite the files made from the source: include/, docs/abi-coverage.md
	$(CARGO) run --release -p ffi-tests --bin generate

clean: ## remove what was built
	$(CARGO) clean
