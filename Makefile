# Each target makes .venv and installs what it needs on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# A process of tests keeps what models, browsers and servers leave behind: gigabytes by the end. Each part has new ones.
TEST_PARTS := tests/retrieval tests/serve,tests/scale,tests/library,tests/exchange \
  tests,--ignore=tests/retrieval,--ignore=tests/serve,--ignore=tests/scale,--ignore=tests/library,--ignore=tests/exchange

.PHONY: demo test test-again test-fast slow check bench bench-ann picture docs gpu clean

$(VENV)/.base: pyproject.toml
	@echo "installing mmsearch and what it needs into $(VENV); this takes a minute or more and prints nothing"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.demo: $(VENV)/.base
	@echo "installing scikit-image, which brings the photographs of the demo"
	$(PIP) --editable ".[demo]"
	touch $@

$(VENV)/.check: $(VENV)/.base
	$(PIP) --editable ".[dev]"
	touch $@

$(VENV)/.test: $(VENV)/.check
	$(PIP) --editable ".[dev,clip,audio,export,raw,bench]"
	touch $@

$(VENV)/npm: $(VENV)/.base
	@command -v npm > /dev/null || echo "npm is not here: tests of the page with axe-core will be skipped"
	! command -v npm > /dev/null || npm install --silent --no-audit --no-fund --prefix $@ axe-core@4 || \
	  echo "axe-core could not be fetched: its tests will be skipped"

$(VENV)/.bench: $(VENV)/.base
	$(PIP) --editable ".[bench]"
	touch $@

demo: $(VENV)/.demo  ## index photographs that a library ships (and PHOTOS=dir), ask three questions
	$(BIN)/python examples/demo.py $(PHOTOS)

test: $(VENV)/.test $(VENV)/npm  ## all tests, those of open_clip models included
	@failed=0; for part in $(TEST_PARTS); do \
	  echo "tests: $$part"; \
	  $(BIN)/python -m pytest --numprocesses 2 --dist worksteal $$(echo $$part | tr , ' ') || failed=1; \
	done; exit $$failed

test-again: $(VENV)/.test $(VENV)/npm  ## the tests that failed last, one at a time: whether they fail alone
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none -v

test-fast: $(VENV)/.test  ## the tests that take less than 0.15 s each: for every change
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not slow"

slow: $(VENV)/.test  ## measure which tests are slow: writes tests/slow.txt
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --durations=0 --durations-min=0.05 > .durations
	$(BIN)/python tests/slow.py < .durations

check: $(VENV)/.check  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.bench  ## measure; results and plots go to benchmarks/results
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/scan.py
	$(BIN)/python benchmarks/skipped.py
	$(BIN)/python benchmarks/codes.py
	$(BIN)/python benchmarks/plot.py

bench-ann: $(VENV)/.bench  ## this index engine beside its rivals (ROWS=200000); hours; what is measured is not run again
	$(BIN)/python benchmarks/ann.py --rows $(or $(ROWS),200000) --work .bench-ann
	$(BIN)/python benchmarks/plot.py

picture: $(VENV)/.check $(VENV)/.demo  ## make the pictures of the terminal and the page anew
	$(BIN)/python examples/picture.py docs/terminal.svg
	$(BIN)/python examples/picture.py docs/order.svg
	$(BIN)/python examples/page_pictures.py docs

docs: $(VENV)/.check  ## write docs/api.md from the docstrings
	$(BIN)/python docs/make_api.py

gpu: $(VENV)/.base  ## put faiss-gpu in the place of faiss-cpu: both own the module `faiss`
	$(BIN)/python -m pip uninstall --quiet --yes faiss-cpu
	$(PIP) faiss-gpu

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .demo.mms
