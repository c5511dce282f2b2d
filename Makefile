# Two commands do everything: `make demo` and `make test`.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SPARK := 4.1
OTHER_SPARKS := 3.5 4.0 4.2
# Holds the versions that pip chooses to those of constraints.txt
CONSTRAINTS := -c constraints.txt
# pytest gives whole files to three processes, the longest files first. Each process has a Spark session; two processes
# would leave cores idle
THREE_AT_A_TIME := -n 3 --dist loadfile --no-loadscope-reorder
# Coverage counts the processes of pytest only, not Spark's workers. It slows the unit tests down, so `make test` has none
COVERAGE := --cov=cio_spark --cov-report=
LONGEST := $(addprefix tests/spark/test_,demo_data.py scope.py every_field.py ledger_model.py dead_letters.py shipped_files.py stopped_driver.py connect.py bad_input.py maintenance.py process_large_dataset.py sync.py waves_and_resume.py signals.py privacy.py)
# The Spark tests that also run on a Spark Connect server
CONNECT := $(addprefix tests/spark/test_,scope.py scope_equivalence.py rows_in_memory.py sync.py source_hash.py waves_and_resume.py dead_letters.py suppressions.py retry_held.py message_ids.py hidden_settings.py interrupted_session.py)

# Finds the first Python of at least 3.10 that can make a virtual environment; PYTHON=… chooses another one
FIND_PYTHON = for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.10; do \
	command -v $$python >/dev/null 2>&1 || continue; \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || continue; \
	echo $$python; exit 0; done; \
	echo 'cio_spark needs Python 3.10 or newer with venv (Debian: apt install python3 python3-venv); PYTHON=… names one elsewhere.' >&2; exit 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-spark test-connect test-versions test-newest lint fmt constraints cluster-demo package bench bench-waves bench-standin bench-analysis bench-change bench-small bench-ledger docs chaos clean java chromium
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-20s %s\n' "$$name" "$$text"; done

demo: $(INSTALLED) java ## set up, then the main job end to end on real data, against the stand-in
	@$(BIN)/cio-spark demo

test: $(INSTALLED) java chromium ## set up, then unit and Spark tests, without the slow ones
	@$(BIN)/pytest -q -m 'not slow' $(THREE_AT_A_TIME) $(LONGEST) tests/spark tests/unit

test-all: $(INSTALLED) java chromium ## all of them, also the slowest and those on a standalone cluster; coverage
	@$(BIN)/pytest -q $(COVERAGE) $(THREE_AT_A_TIME) $(LONGEST) tests/spark tests/unit $$(find tests/cluster -name 'test_*.py' 2>/dev/null | sort)
	@$(MAKE) -s test-connect
	@echo "Coverage, without Spark's workers: $$($(BIN)/coverage report --format=total) %"

test-versions: ## the Spark tests on the other versions of Spark, each in a virtual environment of its own
	@for version in $(OTHER_SPARKS); do \
	  echo "Spark $$version"; \
	  $(MAKE) -s VENV=.venv-spark-$$version SPARK=$$version test-spark || exit 1; \
	done

test-spark: $(INSTALLED) java
	@$(BIN)/pytest -q -m 'not slow' $(THREE_AT_A_TIME) $(LONGEST) tests/spark

test-connect: $(INSTALLED) java ## the core of the Spark tests on a Spark Connect server, as on serverless compute
	@$(BIN)/pytest -q --connect -n 2 --dist loadfile --no-loadscope-reorder $(CONNECT)

test-newest: ## `make test` with the newest libraries that setup.py allows, in a virtual environment of its own
	@rm -rf .venv-newest
	@$(MAKE) -s VENV=.venv-newest CONSTRAINTS= test

lint: $(INSTALLED) ## ruff and mypy
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy --no-error-summary

fmt: $(INSTALLED) ## let ruff format the code and mend what it can
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

constraints: ## write constraints.txt anew, from the newest libraries that setup.py allows
	@rm -rf .venv-newest
	@$(MAKE) -s VENV=.venv-newest CONSTRAINTS= .venv-newest/.installed
	@.venv-newest/bin/python tools/freeze.py >constraints.new && mv constraints.new constraints.txt

cluster-demo: $(INSTALLED) java ## the wheel and the main job on a standalone cluster on loopback, with spark-submit
	@PYTHONPATH=tests/support $(BIN)/python tools/cluster_demo.py

package: $(INSTALLED) ## build the wheel and the source distribution in dist/, and check both
	@rm -rf dist
	@$(BIN)/pyproject-build -q --outdir dist .
	@$(BIN)/twine check --strict dist/*
	@$(BIN)/check-wheel-contents dist/*.whl

bench: $(INSTALLED) java ## throughput beside the floor, the official client and a Spark job by hand
	@PYTHONPATH=tests/support $(BIN)/python benchmarks/throughput.py

bench-waves: $(INSTALLED) java ## what waves add to a run at the API's real pace
	@PYTHONPATH=tests/support $(BIN)/python benchmarks/waves.py

bench-change: $(INSTALLED) java ## seconds of a sync when little or nothing has changed, 2 M and 10 M rows
	@PYTHONPATH=tests/support $(BIN)/python benchmarks/change.py

bench-small: $(INSTALLED) java ## commands on 2,000 rows beside a bare script, and the Spark jobs of a small sync
	@PYTHONPATH=tests/support $(BIN)/python benchmarks/small.py

bench-ledger: $(INSTALLED) java ## bytes a row of the tables that record runs, and seconds of their maintenance
	@PYTHONPATH=tests/support $(BIN)/python benchmarks/ledger_size.py

docs: $(INSTALLED) ## build the site of README and docs/ into build/site; a warning ends it
	@test -x $(BIN)/zensical || $(BIN)/python -m pip install -q --disable-pip-version-check $(CONSTRAINTS) -e '.[docs]'
	@$(BIN)/python tools/site_pages.py build/pages
	@$(BIN)/zensical build --strict --clean

chaos: $(INSTALLED) java ## a sync under API faults and kills; lost must be 0
	@PYTHONPATH=tests/support $(BIN)/python benchmarks/chaos.py

bench-standin: $(INSTALLED) ## records per second that the stand-in takes
	@$(BIN)/python benchmarks/standin.py

bench-analysis: $(INSTALLED) java ## seconds of analyze, monitor, report and explain over 10 M status rows
	@PYTHONPATH=tests/support $(BIN)/python benchmarks/analysis.py

clean: ## remove what was set up, built and cached, and the local tables
	@rm -rf $(VENV) .venv-* .cio-spark build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .cache .hypothesis .coverage* constraints.new spark-warehouse metastore_db derby.log
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

java:
	@tools/ensure-java

chromium:
	@tools/ensure-chromium

$(INSTALLED): setup.py pyproject.toml constraints.txt
	@python=$$($(FIND_PYTHON)) || exit 1; \
	echo "Installing cio_spark into $(VENV) …"; \
	$$python -m venv $(VENV) && \
	$(BIN)/python -m pip install -q --disable-pip-version-check $(CONSTRAINTS) -e '.[dev]' 'pyspark==$(SPARK).*' && \
	touch $@
