# All of it happens in .venv; what is needed beforehand is Python 3.10 to 3.13, g++ and make.
PYTHON ?= python3
BIN := .venv/bin
PYTHON_SOURCES := cisreg tests benchmarks verification setup.py
SOURCES := pyproject.toml setup.py CMakeLists.txt $(wildcard cmake/* csrc/*/* cuda/*)
CPP_SOURCES := $(wildcard csrc/*/*.cc csrc/*/*.h cuda/*.cu cuda/*.cuh cuda/*.h \
  verification/shim/*.cc verification/shim/*.h tests/cuda/*.cu)

# Real motifs for the benchmarks, where they lie beside the repository.
BENCH_DATA := $(wildcard ../shared/data/gpra_example)
BENCH_OPTIONS := $(if $(BENCH_DATA),--data $(BENCH_DATA))
bench_files = --json benchmarks/results/$(1).json --plot docs/images/$(1).png

.PHONY: help environment demo test bench gpu-check lint format clean

help:
	@echo "make demo         simulate, train, evaluate: ends with a table and demo/evaluation.png"
	@echo "make test         run the tests"
	@echo "make bench        measure all benchmarks and draw docs/images, in a quarter of an hour"
	@echo "make gpu-check    test and measure on this machine's GPU: benchmarks/results/gpu.html"
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

.venv/installed-bench: .venv/installed
	$(BIN)/pip install --quiet --editable '.[bench]'
	touch $@

bench: .venv/installed-bench
	$(BIN)/python -m benchmarks.operation.fused_vs_standard $(BENCH_OPTIONS) $(call bench_files,fused_vs_standard)
	$(BIN)/python -m benchmarks.operation.scaling $(call bench_files,scaling)
	$(BIN)/python -m benchmarks.training.train_throughput $(BENCH_OPTIONS) $(call bench_files,train_throughput)
	$(BIN)/python -m benchmarks.operation.scan_vs_lightmotif $(BENCH_OPTIONS) $(call bench_files,scan_vs_lightmotif)

gpu-check: .venv/installed
	$(BIN)/python -m benchmarks.gpu.check --find
	$(BIN)/pytest -m gpu
	$(BIN)/python -m benchmarks.gpu.check --json benchmarks/results/gpu.json --page benchmarks/results/gpu.html

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
	find cisreg tests benchmarks verification -name __pycache__ -prune -exec rm -rf {} +
