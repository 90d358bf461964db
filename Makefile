# A thin front: packages by scripts/bootstrap.sh, builds by CMake presets (CMakePresets.json), checks
# by the scripts in scripts/. `make help` lists what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := all
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

PYTHON := /usr/bin/python3
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=
# make run, make demo
PORT ?= 8443
ADMIN_PORT ?= 8080
DATA ?= $(CURDIR)/data
# make fuzz: seconds a target; make sim: seconds of fresh seeds
T ?=
S ?= $(if $(filter sim,$(MAKECMDGOALS)),600,60)

PRESETS := dev clang tsan cover bench
# Trees of which only a part is wanted.
TARGET_bench := benches

.PHONY: all help deps deps-build run demo test test-postgres kill tsan torture cover soak lint build-fuzz fuzz build-sim sim plants bench format install clean
.PHONY: attack storm
.PHONY: $(addprefix build-,release $(PRESETS))

all: deps-build build-release ## build build/slipgate and its siblings

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

deps: ## install the Debian packages that are missing
	@scripts/bootstrap.sh

deps-build:
	@scripts/bootstrap.sh build

# One build tree a preset: release in build/, the others in build/PRESET. A tree is configured once;
# ninja sees to it that CMake runs again when a build file changed.
build-release: build/build.ninja
	@cmake --build build --parallel $(JOBS)

build-dev: ## build what is tested, sanitized, in build/dev; likewise build-clang, -tsan, -cover, -bench
$(addprefix build-,$(PRESETS)): build-%: build/%/build.ninja
	@cmake --build build/$* --parallel $(JOBS) $(if $(TARGET_$*),--target $(TARGET_$*))

build/build.ninja: CMakePresets.json
	@cmake --preset release --log-level=WARNING && touch $@

build/%/build.ninja: CMakePresets.json
	@cmake --preset $* --log-level=WARNING && touch $@

run: all ## build and start a server: PORT=8443 ADMIN_PORT=8080 DATA=data
	@exec env PORT='$(PORT)' ADMIN_PORT='$(ADMIN_PORT)' DATA='$(DATA)' scripts/run.sh

demo: all ## a server with 20 bots racing, until interrupted
	@exec env PORT='$(PORT)' ADMIN_PORT='$(ADMIN_PORT)' DATA='$(DATA)' scripts/run.sh --bots 20

test: deps ## every test; ends with a line "N passed, N failed"
	@JOBS='$(JOBS)' $(PYTHON) scripts/run-tests

test-postgres: deps ## conversations and scenarios with PostgreSQL and Redis under the servers
	@JOBS='$(JOBS)' $(PYTHON) scripts/run-tests --postgresql

kill: deps build-release ## S=60 seconds each: servers, PostgreSQL, Redis killed under load; nothing answered is lost
	@SLIPGATE_BIN=build/slipgate KILL_SECONDS='$(S)' $(PYTHON) -m pytest -q -s -m kill tests/scenario/kill

tsan: build-tsan ## what has threads under ThreadSanitizer: unit tests, and the server under a crowd
	@cd build/tsan && setarch -R ctest --output-on-failure --parallel $(JOBS)
	@SLIPGATE_BIN=build/tsan/slipgate SLIPGATE_SLOWNESS=3 setarch -R \
	    $(PYTHON) -m pytest -q -m tsan tests/scenario/soak

soak: export SOAK_SECONDS = $(if $(filter file,$(origin S)),600,$(S))
soak: build-release ## a crowd that comes and goes for S=600 seconds; memory as CSV and PNG in build/soak
	@scripts/bootstrap.sh soak
	@SLIPGATE_BIN=build/slipgate $(PYTHON) -m pytest -q -s -m soak tests/scenario/soak

storm: build-release build/storm-crowd ## 1,000 players come back at once, with tokens and without, beside a race
	@$(PYTHON) scripts/storm

build/storm-crowd: tests/scenario/storm/crowd.c
	@$(CC) -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -o $@ $< -lssl -lcrypto

attack: build-release ## attacks from 1,000 addresses beside 40 players, in a network namespace of its own
	@$(PYTHON) scripts/attack

torture: build-dev ## unit tests and scripts with every request for memory, and every ask, failing once
	@cd build/dev && SLIPGATE_TORTURE_FULL=1 ctest --output-on-failure --parallel $(JOBS) --label-regex torture

cover: build-cover ## lines and branches that ctest reaches, in build/cover/coverage.txt
	@scripts/bootstrap.sh cover
	@find build/cover -name '*.gcda' -delete
	@cd build/cover && ctest --output-on-failure --parallel $(JOBS); \
	    tests=$$?; cd ../.. && $(PYTHON) scripts/coverage build/cover && exit $$tests

lint: deps build-release build/clang/build.ninja ## format, clang-tidy, cppcheck, shellcheck, the layer rules
	@JOBS='$(JOBS)' scripts/lint

build-fuzz: build/clang/build.ninja
	@cmake --build build/clang --parallel $(JOBS) --target fuzzers

fuzz: build-fuzz ## fuzz one decoder: T=name (or all of them), S=seconds
	@$(PYTHON) scripts/fuzz --seconds '$(S)' $(T)

build-sim: deps-build build/build.ninja
	@cmake --build build --parallel $(JOBS) --target slipgate-sim

sim: build-sim ## simulated worlds: listed seeds, then fresh ones for S=600 seconds
	@scripts/sim build/slipgate-sim '$(S)' '$(JOBS)'

plants: build-sim ## whether the simulator finds each deliberate defect, and how soon
	@$(PYTHON) scripts/sim-plants --jobs '$(JOBS)'

bench: build-bench ## run the benchmarks
	@$(PYTHON) scripts/bench build/bench

format: ## rewrite the sources in the house's format
	@scripts/lint --list-c | xargs clang-format -i

install: deps-build build-release ## install to DESTDIR/PREFIX
	@DESTDIR='$(DESTDIR)' cmake --install build --prefix '$(PREFIX)'

clean: ## remove everything that was built (not data/)
	@rm -rf build
