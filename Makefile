# Entry points of the project; `make help` lists them. cargo, CMake and scripts/ (each with --help) do the work.

CARGO ?= cargo
CMAKE ?= cmake
PREFIX ?= /usr/local
DESTDIR ?=
DEVICE ?= host

# The one command that builds the C artefacts, also for CMake and the Python package, so that cargo builds them once.
ARTEFACTS = $(CARGO) rustc --lib --crate-type cdylib,staticlib --release --features capi

# All targets expect cargo's output in target/.
unexport CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR CARGO_BUILD_TARGET

.PHONY: build demo test lint bench soak mutants docs header format install clean help
.DEFAULT_GOAL := build

build: ## the C library, shared and static, in target/release
	$(ARTEFACTS)

demo: ## install what is missing, build, run the flood demo (DEVICE=gl: on OpenGL); writes target/demo/flood.png
	scripts/setup demo
	scripts/python-package
	scripts/demo --device $(DEVICE) $(ARGS)

test: ## install what is missing, build, run every test
	scripts/setup test
	scripts/test

lint: ## install what is missing; check format, lints, the generated header, types, source structure and API reference
	scripts/setup lint
	scripts/lint

bench: ## install what is missing, measure against the peers; writes target/bench/report.json
	scripts/setup bench
	benches/run $(ARGS)

soak: ## the long forms of the tests (after `make test`); SOAK_MINUTES=30 for the timed ones
	scripts/soak

mutants: ## plant small faults that the tests must detect (after `make test`); ARGS="NAME..." for some of them
	scripts/mutants run $(ARGS)

docs: ## the API reference of Rust, C, C++ and Python in target/docs (after scripts/setup docs)
	scripts/docs

header: ## generate include/backbuf.h from src/ffi, and the table of docs/real-time.md from it
	$(CARGO) run --quiet --manifest-path tools/header/Cargo.toml --target-dir target/header
	python3 tools/real_time.py

format: ## format Rust, C, C++ and Python
	scripts/lint --fix

install: build ## headers, libraries, CMake package and pkg-config file under DESTDIR/PREFIX
	$(CMAKE) -S . -B target/cmake/install -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$(PREFIX)"
	$(CMAKE) --build target/cmake/install
	DESTDIR="$(DESTDIR)" $(CMAKE) --install target/cmake/install

clean: ## remove target/: everything that was built or fetched
	rm -rf target

help: ## print this list
	@echo "usage: make [TARGET] [BACKBUF_NO_INSTALL=1] [ARGS=\"options of the demo or the bench\"]"
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12
