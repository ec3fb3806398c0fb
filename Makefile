# Everything a developer does, by name. `make` alone lists it.
PYTHON ?= python3
BIN := .venv/bin
CLIP := 4446-2271-0016
DEMO_READY := .venv/.demo-ready
DEV_READY := .venv/.dev-ready
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint types bench bench-train vectors wheel-check clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(DEV_READY) ## Make .venv with SIREN and everything its development needs

demo: $(DEMO_READY) ## Encode and decode a bundled recording; leaves demo/*.srn and demo/*.wav
	@mkdir -p demo
	$(BIN)/siren encode tests/data/$(CLIP).flac -o demo/$(CLIP).srn --force
	$(BIN)/siren decode demo/$(CLIP).srn -o demo/$(CLIP).wav --force
	@echo "Listen to demo/$(CLIP).wav beside tests/data/$(CLIP).flac."

test: $(DEV_READY) ## Run all tests (pass ARGS="-k word" to choose)
	$(BIN)/python -m pytest $(ARGS)

check: lint types test ## Everything a change must pass

lint: $(DEV_READY) ## Check style, docstrings and import rules
	$(BIN)/ruff check .

types: $(DEV_READY) ## Check types
	$(BIN)/mypy

bench: $(DEV_READY) ## Measure speed and start-up beside other codecs (ARGS="--json" for machines)
	$(BIN)/python -m tests.bench $(ARGS)

bench-train: $(DEV_READY) ## Measure how fast each stage of training goes, and where its time goes
	$(BIN)/python -m tests.bench.training $(ARGS)

vectors: $(DEV_READY) ## Write formats/vectors anew (the tests compare them with the committed ones)
	$(BIN)/python -m tests.formats.make_vectors

wheel-check: $(DEV_READY) ## Build sdist and wheel into dist/ and test the wheel's contents
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m pytest tests/test_wheel.py

clean: ## Remove what make built, .venv included
	rm -rf .venv build dist demo .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

$(DEMO_READY): pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e .
	@touch $@

# PyPI's torchaudio carries an extension linked against CUDA, which fails to load beside a torch without CUDA. SIREN
# uses only its pure Python transforms, and those import fine once the extension is gone.
$(DEV_READY): $(DEMO_READY)
	$(INSTALL) -e ".[dev]"
	@cuda=$$($(BIN)/python -c "import torch; print(torch.version.cuda)") && if [ "$$cuda" = None ]; then \
		rm -f .venv/lib/python*/site-packages/torchaudio/lib/*.so; fi
	@touch $@
