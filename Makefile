.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# One thread a test process: two processes on two cores, no fighting.
TEST_ENV := OMP_NUM_THREADS=1 GRADIO_ANALYTICS_ENABLED=False

.PHONY: help install serve test test-all check coverage benchmark contact-sheet norm-figures ablations rules-benchmark clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch torchvision
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

install: $(INSTALLED) ## make .venv and install everything into it

serve: $(INSTALLED) ## the web page on http://127.0.0.1:7860
	$(BIN)/python serve.py

test: $(INSTALLED) ## the tests, without the slow ones
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-all: $(INSTALLED) ## every test
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(INSTALLED) ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

coverage: $(INSTALLED) ## lines of styleapp/ that the tests reach
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" --cov --cov-report=term-missing:skip-covered

benchmark: $(INSTALLED) ## seconds, memory and ratios on this machine
	$(BIN)/styleapp benchmark

contact-sheet: $(INSTALLED) ## unseen photos × unseen styles, written to runs/contact-sheet.png
	$(BIN)/python -m benchmarks.contact_sheet

norm-figures: $(INSTALLED) ## the figures of docs/norms, drawn again
	$(BIN)/python -m benchmarks.norm_figures

ablations: $(INSTALLED) ## docs/ablations.md, from the results in checkpoints/ablation
	$(BIN)/styleapp ablate claims

rules-benchmark: $(INSTALLED) ## what each training rule costs and gives, written to docs/training-rules.md
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.training_rules --write

clean: ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache *.egg-info
