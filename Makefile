# All of it happens in .venv; what is needed beforehand is Python 3.10 to 3.13, g++ and make.
PYTHON ?= python3
BIN := .venv/bin
PYTHON_SOURCES := cisreg tests benchmarks setup.py
SOURCES := pyproject.toml setup.py CMakeLists.txt $(wildcard csrc/*/*)
CPP_SOURCES := $(wildcard csrc/*/*.cc csrc/*/*.h)

.PHONY: help environment demo test lint format clean

help:
	@echo "make demo         simulate, train, evaluate: ends with a table and demo/evaluation.png"
	@echo "make test         run the tests"
	@echo "make environment  build cisreg into .venv, with what the tests need"
	@echo "make lint         check the form of the code, and its types"
	@echo "make format       put the code into that form"
	@echo "make clean        remove everything that was built"

environment: .venv/installed

$(BIN)/pip:
	$(PYTHON) -m venv .venv

.venv/installed: $(BIN)/pip $(SOURCES)
	$(BIN)/pip install --quiet --editable '.[plot,test]'
	touch $@

.venv/installed-lint: .venv/installed
	$(BIN)/pip install --quiet --editable '.[lint]'
	touch $@

demo: .venv/installed
	$(BIN)/cisreg simulate --motifs demo --output demo/data --overwrite
	$(BIN)/cisreg train demo/data/train.tsv.gz --motifs demo --output demo/model --overwrite
	$(BIN)/cisreg evaluate demo/model demo/data/test.tsv.gz --truth demo/data/truth --plot demo/evaluation.png

test: .venv/installed
	$(BIN)/pytest

lint: .venv/installed-lint
	$(BIN)/ruff check $(PYTHON_SOURCES)
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CPP_SOURCES)

format: .venv/installed-lint
	$(BIN)/ruff check --fix $(PYTHON_SOURCES)
	$(BIN)/ruff format $(PYTHON_SOURCES)
	$(BIN)/clang-format -i $(CPP_SOURCES)

clean:
	rm -rf .venv build demo *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find cisreg -name '*.so' -delete
	find cisreg tests -name __pycache__ -prune -exec rm -rf {} +
