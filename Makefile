# TransferGrid. `make` lists what there is to do.

BIN := .venv/bin
# The first of these that is Python 3.11 or newer makes the environment; the lock is for 3.11.
PYTHON ?= python3.11 python3
# Tests run in this many processes.
WORKERS ?= 2
AXE_VERSION := 4.14.1
# More flags for Snakemake, such as `make demo FLAGS="--config device=auto --resources gpu=1"`.
FLAGS ?=

# Rules call `python`: it has to be that of the environment.
IN_ENV = PATH="$(CURDIR)/$(BIN):$$PATH"
PYTEST = $(IN_ENV) OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q
# Shows what a command said only if it failed.
quietly = @output=$$($(IN_ENV) $(1) 2>&1) || { printf '%s\n' "$$output" >&2; exit 1; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env demo test axe validators pages docs lint format bench findings lock clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

env: .venv/installed ## the environment, .venv, as envs/requirements.lock says

demo: .venv/installed ## the default study (embedded data, CPU, minutes) and its report
	@$(IN_ENV) $(BIN)/snakemake --cores all $(FLAGS)
	@echo "The report is $(CURDIR)/results/demo/report.html"

test: .venv/installed ## every test
	@$(MAKE) --no-print-directory --keep-going build/validators/installed build/docs-env/installed \
		build/snakedeploy/installed || true
	@$(PYTEST) -n $(WORKERS) --dist worksteal tests

axe: build/axe/package/axe.min.js ## axe-core, with which a test checks the page's accessibility (npm)

build/axe/package/axe.min.js:
	@mkdir -p build/axe
	@cd build/axe && npm pack --silent axe-core@$(AXE_VERSION) >axe.txt && tar -xmzf "$$(cat axe.txt)"

validators: build/validators/installed ## what judges archives in tests, beside the environment

# Their versions of common packages are not the lock's; without an index their tests are left out.
build/validators/installed: pyproject.toml
	$(call own_venv,build/validators,validators)

pages: .venv/installed ## those pages of docs/ that are written from declarations
	@for page in columns keys options parameters questions; do $(IN_ENV) $(BIN)/python docs/$$page.py || exit 1; done

# With which a test deploys the workflow.
build/snakedeploy/installed: pyproject.toml
	$(call own_venv,build/snakedeploy,deploy)

docs: build/docs-env/installed ## the documentation as a site, build/site; warnings fail
	@build/docs-env/bin/python docs/site/stage.py build/docs
	@build/docs-env/bin/sphinx-build -q -W --keep-going -c docs/site build/docs build/site
	@echo "The site is $(CURDIR)/build/site/index.html"

build/docs-env/installed: pyproject.toml
	$(call own_venv,build/docs-env,docs)

lint: .venv/installed ## style, types, import arrows, Snakemake's own checks, known vulnerabilities
	$(call quietly,$(BIN)/ruff check)
	$(call quietly,$(BIN)/ruff format --check)
	$(call quietly,$(BIN)/snakefmt --check Snakefile workflow)
	$(call quietly,$(BIN)/snakemake --lint)
	$(call quietly,$(BIN)/mypy)
	$(call quietly,$(BIN)/lint-imports)
	@$(MAKE) --no-print-directory build/audit/installed >/dev/null 2>&1 || true
	@$(IN_ENV) $(BIN)/python envs/audit.py build/audit/bin/pip-audit

# What asks for known vulnerabilities, beside the environment; without an index a note says so.
build/audit/installed: pyproject.toml
	@$(call make_venv,build/audit)
	@build/audit/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))\
	["project"]["optional-dependencies"]["audit"])' | xargs build/audit/bin/python \
		-m pip install --quiet --disable-pip-version-check
	@touch $@

format: .venv/installed ## rewrite the sources in the project's style
	$(call quietly,$(BIN)/ruff check --fix-only)
	$(call quietly,$(BIN)/ruff format)
	$(call quietly,$(BIN)/snakefmt Snakefile workflow)

bench: .venv/installed ## every program benchmarks/bench_*.py, one after the other
	@$(MAKE) --no-print-directory build/bench/installed || true
	@for program in benchmarks/bench_*.py; do \
		echo "== $$program"; \
		$(IN_ENV) PYTHONPATH=build/bench OMP_NUM_THREADS=1 $(BIN)/python "$$program" || exit 1; \
	done

findings: ## every script in findings/, which install packages of their own (a package index, minutes)
	@for script in findings/*.sh; do echo "== $$script"; ./"$$script" || exit 1; done

# What is compared with, beside the environment and not in it: the programs do without as well.
build/bench/installed: pyproject.toml
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]\
	["optional-dependencies"]["bench"])' | xargs $(BIN)/python -m pip install --quiet \
		--disable-pip-version-check --upgrade --no-deps --target build/bench
	@touch $@

lock: ## renew envs/requirements.lock from pyproject.toml and envs/requirements.in
	@$(call make_venv,build/lock)
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check \
		-c envs/requirements.in -e '.[demo,dicom,nifti,report,slurm,test,lint]'
	@build/lock/bin/python envs/lock.py
	@build/lock/bin/python envs/export_conda.py
	@rm -rf build/lock
	@echo "Now run make test; commit envs/ only if it passes."

clean: ## remove caches and build files; results/ and .venv stay
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache \
		.grimp_cache
	@find benchmarks envs src tests workflow -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || :

define make_venv
for python in $(PYTHON) ''; do \
	if [ -z "$$python" ]; then \
		echo "error: none of '$(strip $(PYTHON))' is Python 3.11 or newer with venv; install it" \
			"(Debian: python3-venv) or name it: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
		2>/dev/null; then break; fi; \
done; \
"$$python" -m venv --clear $(1)
endef

# An environment in a folder, beside .venv, with one extra of pyproject.toml.
define own_venv
@$(call make_venv,$(1))
@$(1)/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))\
	["project"]["optional-dependencies"]["$(2)"])' | xargs $(1)/bin/python \
	-m pip install --quiet --disable-pip-version-check
@touch $(1)/installed
endef

.venv/installed: envs/requirements.lock pyproject.toml
	@rm -f $@
	@$(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { $(call make_venv,.venv); }
	@echo "Installing envs/requirements.lock (about 6 GB; minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation -e .
	@touch $@
