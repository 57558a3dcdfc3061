# make demo     set up what a user needs in .venv and run the main job
# make test     add the tools of those who change pacloop, and pass the tests
# make slow     pass the long ones that it leaves out
# make browser  pass the tests that drive Prefect's UI; needs chromium (apt-get install chromium)
# make check    lint, formatting, types and licences

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv does not read pip's configuration: a machine with a local torch wheel says so once, for both
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# one thread a library: the loop says itself where more pay
export OMP_NUM_THREADS ?= 1
export DO_NOT_TRACK ?= 1

INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt --editable

.PHONY: setup tools demo test slow browser check clean

setup: $(VENV)/.installed
tools: $(VENV)/.tools

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
	  { echo "pacloop needs Python 3.11 or 3.12; name one with: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(INSTALL) .
	@touch $@

$(VENV)/.tools: $(VENV)/.installed
	$(INSTALL) '.[dev,bench]'
	@touch $@

demo: setup
	$(BIN)/pacloop demo

test: tools
	$(BIN)/pytest -m "not slow and not browser" -n 3 --dist loadfile --no-loadscope-reorder

slow: tools
	$(BIN)/pytest -m slow -n 2 --dist loadfile

browser: tools
	$(BIN)/pytest -m browser tests/browser

check: tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/python benchmarks/licences.py

clean:
	rm -rf $(VENV) build *.egg-info
