# PYTHON=/path/to/python picks the interpreter for .venv, ARGS="..." is handed to the program run.
ARGS ?=
VENV := .venv
STAMP := $(VENV)/.stamp
ANVIL := .anvil/node_modules/.bin/anvil
# ape-vyper looks for `vyper` on PATH and would download a compiler without it.
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
# An anvil of one's own goes first.
WITH_ANVIL := PATH="$(CURDIR)/$(VENV)/bin:$$PATH:$(CURDIR)/.anvil/node_modules/.bin"
# Nothing of a user's own ape set-up takes part in tests, and an empty HOME will do.
APE_DATA_FOLDER ?= $(CURDIR)/$(VENV)/ape
PIP := $(VENV)/bin/python -m pip install -qq --disable-pip-version-check --no-input
SUITED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
CONTRACTS = $(sort $(wildcard contracts/*.vy contracts/*/*.vy contracts/*/*.vyi))
MAMUSHI := mamushi --line-length 110 --quiet

.DEFAULT_GOAL := help
.PHONY: help setup simulate scenarios test browser-test anvil devnet-test fuzz mutants lint format bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS="..." is passed on, PYTHON=... chooses the Python (3.11 or 3.12)'

setup: $(STAMP) ## make .venv from the hashed lock, once

$(STAMP): requirements.lock pyproject.toml
	@if ! $(VENV)/bin/python -c 'import pip; $(SUITED)' 2>/dev/null; then \
		for py in $(or $(PYTHON),python3.12 python3.11 python3 python); do \
			if $$py -c '$(SUITED)' 2>/dev/null; then found=$$py; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo 'perpsim needs Python 3.11 or 3.12 with venv; not found: $(or $(PYTHON),python3.12 python3.11 python3). Try: make PYTHON=/path/to/python3.12' >&2; \
			exit 1; \
		fi; \
		echo "making $(VENV) with $$($$found --version)"; \
		$$found -m venv --clear $(VENV); \
	fi
	@echo "installing the locked packages (once, about a minute)"
	@sed -n '/^setuptools==/,/[^\\]$$/p' requirements.lock > $(VENV)/build.lock
	@$(PIP) --no-deps --require-hashes -r $(VENV)/build.lock
	@$(PIP) --no-deps --no-build-isolation --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

simulate: setup ## replay the crash of March 2020 into runs/black-thursday-2020
	@$(RUN) perpsim run black-thursday-2020 --force --out runs/black-thursday-2020 $(ARGS)

scenarios: setup ## run the crash library in full and check what it expects; ARGS="NAME ..." for some
	@$(RUN) perpsim scenarios --check $(ARGS)

test: export APE_DATA_FOLDER := $(APE_DATA_FOLDER)
test: setup ## all tests
	@$(RUN) ape test -n logical --dist loadfile $(ARGS)

browser-test: export APE_DATA_FOLDER := $(APE_DATA_FOLDER)
browser-test: setup ## reports and live page in headless Chromium; with anvil on PATH (or ANVIL=...) on a real node
	@$(VENV)/bin/python tests/browser/chromium.py
	@$(WITH_ANVIL) && ape test tests/browser $(ARGS)

# anvil from npm, where there is none on PATH
$(ANVIL):
	@npm install --silent --no-fund --no-audit --prefix .anvil @foundry-rs/anvil@1.7.1

anvil:
	@command -v anvil >/dev/null || $(MAKE) --no-print-directory $(ANVIL)

devnet-test: export APE_DATA_FOLDER := $(APE_DATA_FOLDER)
devnet-test: setup anvil ## the devnet on a real node: an anvil on PATH, else one from npm in .anvil
	@$(WITH_ANVIL) && \
		anvil --version && ape test tests/unit/devnet tests/unit/chain/test_node.py $(ARGS)

fuzz: setup ## contracts and reference model side by side: CALLS=1000000 SEED=1 WORKERS=2
	@$(RUN) python tests/fuzz/long_run.py --calls $(or $(CALLS),1000000) --seed $(or $(SEED),1) \
		--workers $(or $(WORKERS),2) $(ARGS)

mutants: setup ## faults put into the contracts: do the tests find them? SAMPLE=400 SEED=1 CONTRACT= WORKERS=2
	@$(RUN) PYTHONPATH=tests python -m mutants --sample $(or $(SAMPLE),400) --seed $(or $(SEED),1) \
		--contract "$(CONTRACT)" --workers $(or $(WORKERS),2) $(ARGS)

lint: setup ## format, ruff, mypy, mamushi and plain ASCII in contracts
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@# vyper reads non-ASCII and form feeds wrongly in places
	@if [ -n "$(CONTRACTS)" ] && LC_ALL=C grep -n '[^ -~]' $(CONTRACTS) /dev/null; then \
		echo 'contracts must be printable ASCII without tabs' >&2; exit 1; fi
	@# one file a call: given several, mamushi loses the name of the one it fails on
	@$(RUN) && bad=; for f in $(CONTRACTS); do $(MAMUSHI) --check $$f || bad="$$bad $$f"; done; \
		if [ -n "$$bad" ]; then echo "not formatted (make format):$$bad" >&2; exit 1; fi

format: setup ## format everything that lint checks
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .
	@$(RUN) && for f in $(CONTRACTS); do $(MAMUSHI) $$f || exit 1; done

bench: setup ## gas table, speed of the loop, cost of a crowd
	@$(RUN) python benchmarks/gas.py
	@$(RUN) python benchmarks/speed.py
	@$(RUN) python benchmarks/crowd.py

lock: ## resolve the dependencies anew (needs uv on PATH)
	uv pip compile pyproject.toml --group format --upgrade --quiet --output-file requirements.lock

clean: ## remove caches and builds (.venv and runs/ stay)
	@rm -rf .build .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	@find perpsim scripts bots tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
