# From a bare clone: `make run` starts Kith, `make test` sets everything up and passes the tests.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:

PYTHON ?= python3
UV := .tools/bin/uv
BIN := .venv/bin
# starting `kith` takes half as long when Python may keep what it compiles
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run dev test check wheel packages versions fuzz chaos coverage mutants soak calls bench format clean

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: .venv/.ready web/dist/.ready ## Set everything up and start Kith with its defaults
	@exec $(BIN)/kith serve

dev: .venv/.ready web/node_modules/.ready ## Run Kith with reload: the web app on save, the server when a Python file changes
	@cd web && exec npm run --silent dev

test: .venv/.ready tests/interop/.ready web/dist/.ready ## Set everything up and run the tests
	cd web && npm test --silent
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15

check: .venv/.ready web/node_modules/.ready ## Format, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd web && npm run --silent check

wheel: .venv/.ready web/dist/.ready ## Make dist/kith-*.whl, with the web app in it
	$(UV) build --quiet --wheel

packages: wheel ## As root on Debian: make dist/kith_*.deb and a container image, and start Kith from them
	scripts/debian-packages.sh packaging/debian-packages.txt
	packaging/debian/verify.sh
	packaging/container/build.sh "$$(packaging/debian/build.sh dist/kith-*.whl)"

versions: .venv/.ready ## A quick part of the tests under Python 3.12 and 3.13, where this machine has them
	scripts/versions.sh

fuzz: .venv/.ready ## Look for inputs that break a promise, FUZZ_SECONDS for each target (300)
	for target in stream stanza sasl forms websocket media descriptors; do \
	  $(BIN)/python -m tests.fuzz.run $$target --seconds $${FUZZ_SECONDS:-300} --keep .fuzz/$$target || exit 1; \
	done

chaos: .venv/.ready ## Kill, cut the power, fill the disk, besiege, simulate: the long form, about 20 minutes
	scripts/debian-packages.sh bench/debian-packages.txt
	CHAOS=long $(BIN)/python -m pytest tests/chaos tests/commands/test_users.py tests/simulation tests/federation/test_kills.py tests/interop/test_come_back.py tests/moving -v -rP

coverage: .venv/.ready ## Which lines and branches of core, accounts and wire the tests of the server run through
	mkdir -p .coverage && $(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests/core tests/accounts tests/wire tests/api tests/features tests/federation
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

mutants: .venv/.ready ## Plant faults in what differs from main, or in MUTANTS ("codes PINs SASL router log"): tests have to find 9 of 10
	$(BIN)/python -m tests.mutants.run $(or $(MUTANTS),--changed --minutes 15)

calls: .venv/.ready web/dist/.ready ## Dino and the web app call the SDK; groups call at a real LiveKit server, built once (90 s)
	scripts/debian-packages.sh tests/calls/debian-packages.txt
	CALLS=long LIVEKIT=$$(scripts/livekit.sh) $(UV) run --no-sync --with livekit==1.2.0 python -m pytest tests/calls/test_livekit.py tests/interop/test_calls.py tests/web/test_calls_sdk.py -v

soak: .venv/.ready ## Ordinary life for SOAK_MINUTES (30) with SOAK_PEOPLE (150): memory has to stay flat
	$(BIN)/python -m tests.chaos.soak --minutes $${SOAK_MINUTES:-30} --people $${SOAK_PEOPLE:-150}

bench: .venv/.ready web/dist/.ready tests/interop/.ready ## Measure this machine beside Prosody and ejabberd: table and picture in bench/out
	-scripts/debian-packages.sh bench/debian-packages.txt
	$(BIN)/python bench/run.py
	$(BIN)/python bench/scale.py
	$(BIN)/python bench/budget.py
	$(BIN)/python bench/archive.py
	$(BIN)/python bench/web.py
	$(BIN)/python bench/catchup.py
	$(BIN)/python bench/traffic.py
	$(BIN)/python bench/restart.py
	$(BIN)/python bench/restart.py --tls

format: .venv/.ready web/node_modules/.ready ## Format and fix what can be fixed
	cd web && npm run --silent format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what was built; keeps ./data
	rm -rf .venv .tools .coverage .fuzz .mutants dist web/dist web/node_modules tests/interop/node_modules tests/interop/.ready tests/interop/clients/bin .mypy_cache .ruff_cache .pytest_cache

$(UV):
	$(PYTHON) scripts/bootstrap.py .tools

.venv/.ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --quiet --all-extras --compile-bytecode
	@touch $@

tests/interop/.ready: tests/interop/package-lock.json tests/interop/debian-packages.txt scripts/debian-packages.sh \
  scripts/interop-clients.sh $(wildcard tests/interop/clients/*/*.* tests/interop/clients/*/src/*)
	scripts/debian-packages.sh tests/interop/debian-packages.txt
	scripts/interop-clients.sh
	cd tests/interop && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/node_modules/.ready: web/package-lock.json web/.npmrc
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/.ready: web/node_modules/.ready $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -path web/tests -prune -o -type f -print)
	cd web && npm run --silent build
	@touch $@
