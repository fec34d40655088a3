# Every verb sets up what it needs, on a fresh machine too (build/bootstrap.py), and can be run alone.
#   run    the whole chain on this machine: gateway, hub, simulated devices, a cut line, the balance sheet
#   test   check, quick, slow: all but delivery; says what could not run here, and why
#   quick  the tests that take seconds
#   slow   the tests that take minutes: crash images, simulation, real processes killed
#   delivery  what is handed out, elsewhere: arm64, booted kernels, a booted systemd, clean Debians
#   check  format, lint, types, tidy, GitHub's workflows
#   micropython  what a MicroPython node is given: bytecode, package.json, ROMFS image, manifest
#   binary the program with its own Python, as one file and as a folder; ARCH=arm64 for a Pi
#   dist   everything that is handed out: binaries, packages, the node, checksums; ARCH=amd64 for one kind
#   release  what `make dist` left, as TAG=v1.2.3, with checksums and its part of the changelog
#   bench  side by side with Mosquitto, its bridge and NATS
#   fuzz   every parser under atheris
#   clean  away with the environment and the caches

BIN := .venv/bin
BOOTSTRAP := python3 build/bootstrap.py
PYTEST := $(BIN)/python -m pytest
# How many tests at once. Tests that need the machine for themselves say so with xdist_group.
WORKERS ?= 2
PARALLEL := -n $(WORKERS) --dist loadgroup

.PHONY: run test quick slow delivery check micropython binary dist release bench fuzz clean need-python
.PHONY: need-run need-test need-micropython need-binary need-delivery need-bench need-fuzz

run: need-run
	$(BIN)/tidegate demo

test: need-test
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory quick
	@$(MAKE) --no-print-directory slow

quick: need-test
	$(PYTEST) -q $(PARALLEL) -m "not slow"

slow: need-test
	$(PYTEST) -q $(PARALLEL) -m "slow and not alone and not delivery" --durations=10
	$(PYTEST) -q -m "slow and alone and not delivery" --durations=10

delivery: need-delivery
	$(PYTEST) -q -m "delivery" --durations=10

check: need-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet --no-progress --min-severity medium .github/workflows
	$(PYTEST) -q tests/test_tidy.py tests/test_tidy_rules.py

micropython: need-micropython
	$(BIN)/python build/micropython.py

binary: need-binary
	.venv-build/bin/python build/binary.py $(if $(ARCH),--arch $(ARCH))

dist: need-binary
	.venv-build/bin/python build/dist.py $(if $(ARCH),--arch $(ARCH))

release: need-python
	python3 build/release.py

bench: need-bench
	$(BIN)/python tests/bench/run.py

fuzz: need-fuzz
	$(BIN)/python tests/fuzz/run.py

clean:
	rm -rf .venv .venv-build .venv.lock dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

need-python:
	@command -v python3 >/dev/null || { \
	  as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	  $$as_root apt-get -qq update && $$as_root apt-get -qq -y install python3 python3-venv; }

need-run need-test need-micropython need-binary need-delivery need-bench need-fuzz: need-%: need-python
	@$(BOOTSTRAP) $*
