# dpsynth: two commands set up everything on a fresh Debian 12 machine with Python 3.11.
#   make demo   a whole signed release on real data, then its verification
#   make test   every test
# `make lint` and `make types` run the linters and the type checker.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test lint types tree clean system

setup: $(STAMP)

system:
	@sh .ci/system-libraries

$(STAMP): requirements.lock pyproject.toml | system
	@command -v $(PYTHON) >/dev/null || { echo "dpsynth needs Python 3.11: install python3.11 and python3.11-venv, or call make PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/dpsynth demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The packages attacks/, reports/ and policies/ install inside dpsynth; the type checker reads links.
tree:
	@rm -rf build/tree && mkdir -p build/tree/dpsynth
	@for f in dpsynth/*; do ln -s ../../../$$f build/tree/dpsynth/; done
	@for f in attacks reports policies; do ln -s ../../../$$f build/tree/dpsynth/; done

types: $(STAMP) tree
	$(BIN)/mypy --config-file pyproject.toml -p dpsynth -p benchmarks

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache
