# Two commands do everything: `make run` shows the desk at work, `make test` passes the tests.
SHELL := /bin/bash
BIN := .venv/bin
ROOMS := agents app domain execution feeds graph memory options portfolio prompts risk signals
WORKERS ?= 2

.PHONY: setup run test check lint types contracts cover lock bench mutate clean

setup: ## install everything into .venv (once)
	@scripts/setup.sh

run: setup ## run the whole pipeline on embedded defaults
	@$(BIN)/desk run

test: setup ## all tests
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

check: setup lint types contracts cover ## exactly what CI runs

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

cover: setup ## all tests, with the coverage that graph, agents, risk and memory must reach
	$(BIN)/coverage erase
	$(MAKE) test WORKERS=$(WORKERS) PYTEST_ADDOPTS="--cov --cov-report="
	$(BIN)/coverage report --include='graph/*,agents/*,risk/*,memory/*' --fail-under=95 --skip-covered

lock: setup ## resolve the locks again
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 -c constraints.txt pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 -c constraints.txt -c requirements.lock pyproject.toml --group dev -o requirements-dev.lock

bench: setup ## measure; figures go to benchmarks/RESULTS.md by hand
	$(BIN)/python -m benchmarks

mutate: setup ## break the gate, the limits, the sizing and the naked-short proof on purpose; tests must notice
	$(BIN)/mutmut run --max-children $(WORKERS)
	$(BIN)/mutmut results

clean:
	rm -rf .venv mutants .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage*
