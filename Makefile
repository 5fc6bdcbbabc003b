# All of it happens in .venv; what is needed beforehand is Python 3.10 to 3.13, g++ and make.
PYTHON ?= python3
BIN := .venv/bin
# cmake is there, unless the machine has one.
export PATH := $(PATH):$(CURDIR)/.venv/bin
PYTHON_SOURCES := cisreg tests benchmarks docs .ci/release setup.py
SOURCES := pyproject.toml setup.py CMakeLists.txt $(wildcard cmake/* csrc/*/* cuda/*)
# Those that wheels are built for, and that the install matrix uses: PYTHONS="python3.10 python3.12"
PYTHONS ?= $(PYTHON)
CPP_SOURCES := $(wildcard csrc/*/*.cc csrc/*/*.h cuda/*.cc cuda/*.cu cuda/*.cuh cuda/*.h \
  benchmarks/shared/shim/*.cc benchmarks/shared/shim/*.h tests/cuda/*.cu tests/*/*.cc)

# Real motifs for the benchmarks, where they lie beside the repository.
BENCH_DATA := $(wildcard ../shared/data/gpra_example)
BENCH_OPTIONS := $(if $(BENCH_DATA),--data $(BENCH_DATA))
bench_files = --json benchmarks/results/$(1).json --plot docs/images/$(1).png
gpu_files = --json benchmarks/results/$(1).json --page benchmarks/results/$(1).html

# What pyproject.toml says that a build needs, and the TensorFlow to build for.
BUILD_TOOLS := 'setuptools>=77' 'cmake>=3.22' 'pybind11>=2.13' 'tensorflow==2.21.*'
PIP_INSTALL := $(BIN)/pip install --disable-pip-version-check
INSTALL_CISREG := $(PIP_INSTALL) --quiet --no-build-isolation --check-build-dependencies --editable
# Tests run in as many processes as there are cores, at most 4.
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: help environment demo test test-slow test-all fuzz sanitize aarch64 bench gpu-check wheel install-matrix \
  lint format docs clean

help:
	@echo "make demo         simulate, train, evaluate: ends with a table and demo/evaluation.png"
	@echo "make test         run the tests, but the slow ones"
	@echo "make test-all     run all tests"
	@echo "make aarch64      kernels for 64-bit Arm, compiled and tested in an emulator where there is one"
	@echo "make fuzz         try damaged files that no run had before, for minutes"
	@echo "make sanitize     test the native code, built to stop at accesses out of bounds"
	@echo "make bench        measure what README shows and draw docs/images, in a quarter of an hour"
	@echo "make gpu-check    test and measure on this machine's GPU: benchmarks/results/launchers.html, gpu.html"
	@echo "make wheel        build wheels into dist, for all versions of TensorFlow: PYTHONS=\"python3.10 python3.12\""
	@echo "make install-matrix  install them beside each TensorFlow, and check them there: an hour"
	@echo "make environment  build cisreg into .venv, with what the tests need"
	@echo "make lint         check the form of the code, and its types"
	@echo "make docs         build the site of pages into build/docs; NOTEBOOKS=off leaves out the tutorials' results"
	@echo "make format       put the code into that form"
	@echo "make clean        remove everything that was built"

environment: .venv/installed-test

$(BIN)/pip:
	$(PYTHON) -m venv .venv

.venv/installed: $(BIN)/pip $(SOURCES)
	@echo "== 1 of 3: TensorFlow and what builds cisreg, into .venv (600 MB to download)"
	$(PIP_INSTALL) $(BUILD_TOOLS)
	@echo "== 2 of 3: compiling the operation and its kernels (a minute on 2 cores; more with nvcc)"
	$(BIN)/python setup.py --quiet build_ext --inplace
	@echo "== 3 of 3: cisreg and the other packages that it needs"
	$(INSTALL_CISREG) '.[plot]'
	touch $@

.venv/installed-test: .venv/installed
	@echo "== what the tests need"
	$(INSTALL_CISREG) '.[test]'
	touch $@

.venv/installed-lint: .venv/installed
	@echo "== what checks the form of the code"
	$(INSTALL_CISREG) '.[lint]'
	touch $@

.venv/installed-docs: .venv/installed
	@echo "== what builds the site of pages"
	$(INSTALL_CISREG) '.[docs]'
	touch $@

.venv/installed-release: .venv/installed
	@echo "== what builds wheels"
	$(INSTALL_CISREG) '.[release]'
	touch $@

.venv/installed-bench: .venv/installed
	@echo "== what the benchmarks need"
	$(INSTALL_CISREG) '.[bench]'
	touch $@

demo: .venv/installed
	@echo "== simulating promoters with known motifs"
	$(BIN)/cisreg simulate --motifs demo --output demo/data --overwrite
	@echo "== training on them"
	$(BIN)/cisreg train demo/data/train.tsv.gz --motifs demo --output demo/model --overwrite
	@echo "== comparing with the truth"
	$(BIN)/cisreg evaluate demo/model demo/data/test.tsv.gz --truth demo/data/truth --plot demo/evaluation.png

test: .venv/installed-test
	$(PYTEST)

# CI takes fewer: `.ci/run`.
SLOW ?= slow
FUZZ_EXAMPLES ?= 600

test-slow: .venv/installed-test
	$(PYTEST) -m "$(SLOW)"
	CISREG_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(PYTEST) tests/fuzz

fuzz: .venv/installed-test
	CISREG_FUZZ_NEW=1 CISREG_FUZZ_EXAMPLES=3000 $(PYTEST) -m "slow or not slow" tests/fuzz

sanitize: .venv/installed-test
	$(BIN)/python tests/sanitize.py

aarch64: .venv/installed-test
	$(BIN)/pytest -m slow tests/aarch64

test-all: test test-slow

bench: .venv/installed-bench
	$(BIN)/python -m benchmarks.operation.fused_vs_standard $(BENCH_OPTIONS) $(call bench_files,fused_vs_standard)
	$(BIN)/python -m benchmarks.operation.scaling $(call bench_files,scaling)
	$(BIN)/python -m benchmarks.training.train_throughput $(BENCH_OPTIONS) $(call bench_files,train_throughput)
	$(BIN)/python -m benchmarks.operation.scan_vs_lightmotif $(BENCH_OPTIONS) $(call bench_files,scan_vs_lightmotif)

gpu-check: .venv/installed-test
	$(BIN)/python -m benchmarks.gpu.check --find
	$(BIN)/python -m benchmarks.gpu.launchers --installed $(call gpu_files,launchers)
	$(BIN)/pytest -m gpu
	$(BIN)/python -m benchmarks.gpu.check $(call gpu_files,gpu)

wheel: .venv/installed-release
	$(BIN)/python .ci/release/wheel.py $(foreach each,$(PYTHONS),--python $(each))

install-matrix: .venv/installed
	$(BIN)/python .ci/release/install_matrix.py --json build/install_matrix.json $(foreach each,$(PYTHONS),--python $(each))

lint: .venv/installed-lint
	$(BIN)/ruff check $(PYTHON_SOURCES)
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/mypy
	$(BIN)/codespell cisreg csrc cuda docs benchmarks setup.py *.md CITATION.cff
	$(BIN)/clang-format --dry-run --Werror $(CPP_SOURCES)

format: .venv/installed-lint
	$(BIN)/ruff check --fix $(PYTHON_SOURCES)
	$(BIN)/ruff format $(PYTHON_SOURCES)
	$(BIN)/clang-format -i $(CPP_SOURCES)

# Warnings are errors: links, anchors, names in docstrings, cells of tutorials.
docs: .venv/installed-docs
	NOTEBOOKS=$(NOTEBOOKS) $(BIN)/python -m sphinx --fail-on-warning --keep-going -q docs build/docs
	@echo "build/docs/index.html"

clean:
	rm -rf .venv build demo dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f docs/reference/*/*.rst
	find cisreg -name '*.so' -delete
	find cisreg tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
