# Affetto: everything a newcomer needs; see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CORPORA ?= ../shared/data

# TensorFlow imports three times faster when Python may keep its byte code.
unexport PYTHONDONTWRITEBYTECODE
export TF_CPP_MIN_LOG_LEVEL ?= 2

PARALLEL := -n 2 --dist loadfile

.PHONY: help install run test quick package-test served-test lint tables docs notebooks ui viz lock clean

help:  ## Show the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 13) else "Affetto needs Python 3.11 or 3.12: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.lock
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true  # on all cores; pip would take one
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	$(BIN)/affetto encoders fetch || echo "Everything else runs without it."
	touch $@

install: $(STAMP)  ## Make .venv with the pinned packages and the project, and fetch the default encoder.

run: $(STAMP)  ## Make the demo corpora and run everything, from raw audio to playlists.
	$(BIN)/kedro run

test: $(STAMP)  ## Run the test suite, all but those that make environments (package-test, served-test).
	$(BIN)/python $(COVERAGE) -m pytest $(PARALLEL) -m "not package and not served"

quick: $(STAMP)  ## Run the tests without those that run whole pipelines or make environments.
	$(BIN)/python -m pytest $(PARALLEL) -m "not end_to_end and not package and not served"

package-test: $(STAMP)  ## Build the wheel and run it in an empty folder; with VENV=.venv312 PYTHON=python3.12 for another Python.
	$(BIN)/python -m pytest -m package

served-test: $(STAMP)  ## Serve a champion by MLflow, in an environment made from the requirements that were logged with it.
	$(BIN)/python -m pytest -m served

lint: $(STAMP)  ## Check style, types and import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tables: $(STAMP)  ## Make every table of README and docs from one commit, over days if need be (CORPORA=PATH ONLY=voice AGAIN=1).
	$(BIN)/python benchmarks/tables.py --corpora "$(CORPORA)" $(if $(ONLY),--only $(ONLY)) $(if $(AGAIN),--again)

docs: $(STAMP)  ## Make the site of the docs in docs/_build, which needs no network.
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build
	@echo "Open docs/_build/index.html"

notebooks: $(STAMP)  ## Open the notebooks, which read what `make run` has left.
	$(BIN)/python -m pip install --quiet --editable ".[notebooks]"
	$(BIN)/jupyter notebook --ip=127.0.0.1 notebooks

ui: $(STAMP)  ## Open the MLflow UI on the local store; it prints the address of the page that compares all models.
	@echo "All models and their figures: $$($(BIN)/affetto track --address)"
	@exec $(BIN)/mlflow ui --backend-store-uri $${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db} --host 127.0.0.1

viz: $(STAMP)  ## Open the DAG in Kedro-Viz.
	@echo "The DAG is at http://127.0.0.1:4141"  # kedro viz run itself would leave its server behind when it is stopped
	@exec $(BIN)/python -c 'from kedro_viz.server import run_server; run_server(host="127.0.0.1", port=4141, project_path=".")'

lock: $(STAMP)  ## Write the installed versions to requirements.lock.
	$(BIN)/python -m pip freeze --exclude-editable | sort -f > requirements.lock

clean:  ## Delete results and caches, keep the environment.
	rm -rf data/benchmark .pytest_cache .mypy_cache .ruff_cache .hypothesis
	git clean -fdXq data
