# Every target bootstraps .venv with nothing but Python 3.11+; uv is used when it is there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SAMPLE ?= full
FAST   := $(BIN)/pytest -q -n auto --dist worksteal

.PHONY: demo down test test-slow check format bench bench-backfill docs clean

demo: $(STAMP)
	$(BIN)/stationmaster demo --scenario all

down: $(STAMP)
	$(BIN)/stationmaster down

test: $(STAMP)
	$(FAST)

test-slow: $(STAMP)
	SAMPLE=$(SAMPLE) $(BIN)/pytest -m slow --timeout 900

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(FAST)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m benchmarks

bench-backfill: $(STAMP)
	$(BIN)/python -m benchmarks backfill

docs: $(STAMP)
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/picture.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/pytest -q tests/test_docs.py

$(STAMP): requirements.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv -q --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock && \
	  uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install -q --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install -q --no-deps --no-build-isolation -e . ; \
	fi
	@touch $(STAMP)

clean:
	rm -rf $(VENV) build site *.egg-info
