# Everything a developer does, by name. `make` alone lists it.
PYTHON ?= python3
BIN := .venv/bin
CLIP := 4446-2271-0016
DATA := tests/data/manifest.jsonl
DEMO_READY := .venv/.demo-ready
DEV_READY := .venv/.dev-ready
# One process a core, one thread each, and the tests of a file in one process, since they share what is dear to make.
# At most four: each holds networks of its own.
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup programs demo test test-all check lint types bench seams endurance limits bench-train bench-batch crash fuzz bench-coding determinism eval studies eval-voices readme-voices readme-table recogniser phone-classifier voices spectrograms vectors wheel-check docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(DEV_READY) ## Make .venv with SIREN and everything its development needs

# Debian's names of what pip does not bring. As root on Debian they are installed, elsewhere they are named.
programs: ## Install Opus, Codec 2 and Chromium, for evaluation and its tests, or name the missing ones
	@missing=; for pair in opusenc:opus-tools c2enc:codec2 chromium:chromium; do \
		command -v $${pair%%:*} > /dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
			$$missing > /dev/null; \
	elif [ -n "$$missing" ]; then echo "Not installed, and used by 'make test-all' and 'make eval':$$missing"; fi

demo: $(DEMO_READY) ## Encode and decode a bundled recording; leaves demo/*.srn and demo/*.wav
	@mkdir -p demo
	$(BIN)/siren encode tests/data/$(CLIP).flac -o demo/$(CLIP).srn --force
	$(BIN)/siren decode demo/$(CLIP).srn -o demo/$(CLIP).wav --force
	@echo "Listen to demo/$(CLIP).wav beside tests/data/$(CLIP).flac."

test: $(DEV_READY) ## Run the fast tests, for everyday work (ARGS="-k word" chooses)
	$(PYTEST) -m "not slow" $(ARGS)

test-all: $(DEV_READY) ## Run all tests (ARGS="-k word" chooses)
	$(PYTEST) $(ARGS)

check: lint types test ## What a change must pass before a commit; then make test-all

lint: $(DEV_READY) ## Check style, layout, docstrings and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV_READY) ## Check types
	$(BIN)/mypy

bench: $(DEV_READY) ## Measure speed and start-up beside other codecs (ARGS="--json" for machines)
	$(BIN)/python -m tests.tools.bench $(ARGS)

seams: $(DEV_READY) ## Measure what a boundary of groups does to the sound, beside a shift of the frames
	$(BIN)/python -m tests.tools.bench.seams $(ARGS)

endurance: $(DEV_READY) ## Measure memory and speed of three hours beside ten minutes; takes ten minutes
	$(BIN)/python -m tests.tools.bench.endurance $(ARGS)

limits: $(DEV_READY) ## Measure what the largest and the most deceitful files cost before they are refused
	$(BIN)/python -m tests.tools.bench.limits $(ARGS)

bench-train: $(DEV_READY) ## Measure how fast each stage of training goes, and where its time goes
	$(BIN)/python -m tests.tools.bench.training $(ARGS)

bench-batch: $(DEV_READY) ## Measure many files at once beside a shell loop, and how fast trees are looked through
	$(BIN)/python -m tests.tools.bench.batch $(ARGS)

crash: $(DEV_READY) ## Kill batches at random, fill a disk, and report what was left (ARGS="--kills 200")
	$(BIN)/python -m tests.tools.crash $(ARGS)

fuzz: $(DEV_READY) ## Fuzz the format's readers up to ten million executions; goes on where it left off, in cache/fuzz
	$(BIN)/python -m tests.tools.fuzz $(ARGS)

bench-coding: $(DEV_READY) ## Compare the coders of the indices: rate, silence, time (DATA, ARGS="--audio DIR --cache RUN/cache")
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m tests.tools.bench.coding $(DATA) $(ARGS)

determinism: $(DEV_READY) ## Code golden material with other threads, processors, NumPys and Pythons (pip fetches them)
	$(BIN)/python -m tests.tools.determinism $(ARGS)

eval: $(DEV_READY) ## Measure SIREN beside other codecs (DATA=DIR or manifest.jsonl, ARGS="--limit 8"); leaves eval/
	@mkdir -p eval
	$(BIN)/siren eval $(DATA) --jobs 2 --cache cache/eval --json eval/evaluation.json --csv eval/evaluation.csv \
		--plots eval/plots --html eval/page --force $(ARGS)

studies: $(DEV_READY) ## Answer the questions beside the table: rates, robustness, speakers, vocoder, mels, levels, thrift (DATA, ARGS)
	@mkdir -p eval
	$(BIN)/siren eval $(DATA) --study rates,robustness,speakers,vocoder,mels,levels,thrift --jobs 2 --cache cache/eval \
		--json eval/studies.json --force $(ARGS)

eval-voices: $(DEV_READY) ## Measure voices: conversion, averaging, anonymity (DATA and ARGS as for eval); leaves eval/voices.json
	@mkdir -p eval
	$(BIN)/siren eval $(DATA) --voices --cache cache/eval --json eval/voices.json --force $(ARGS)

readme-voices: $(DEV_READY) ## Paste the figures of the last make eval-voices into docs/voices.md, and record them
	$(BIN)/python -m siren_cli.evaluation.report.readme eval/voices.json

readme-table: $(DEV_READY) ## Paste the figures of the last make eval into README.md, and record them
	$(BIN)/python -m siren_cli.evaluation.report.readme eval/evaluation.json

recogniser: $(DEV_READY) ## Train the phone recogniser anew (CACHE=what siren train prepared), ten minutes
	$(BIN)/python -m siren_cli.evaluation.metrics.recogniser_training $(CACHE) weights/siren_weights/recogniser.safetensors

phone-classifier: $(DEV_READY) ## Train the phone classifier of the search anew (DATA, WHISPER=folder of transformers, CACHE)
	$(BIN)/python -m siren_cli.training.tools.phone_classifier $(DATA) $(WHISPER) $(CACHE)

voices: $(DEV_READY) ## Make the packaged voices anew, after new weights (DATA=LibriSpeech, or a manifest of it)
	$(BIN)/python -m siren_cli.training.tools.packaged_voices $(DATA)

spectrograms: $(DEV_READY) ## Draw the model card's pictures anew, after new weights
	$(BIN)/python -m tests.tools.bench.spectrograms

vectors: $(DEV_READY) ## Write formats/vectors anew (the tests compare them with the committed ones)
	$(BIN)/python -m tests.formats.make_vectors

wheel-check: $(DEV_READY) ## Build sdist and wheel into dist/ and test the wheel's contents
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m pytest tests/test_wheel.py

docs: $(DEV_READY) ## Build the documentation as a site into site/, without a warning; needs Python 3.11
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --clean

clean: ## Remove what make built, .venv included
	rm -rf .venv build dist demo eval site .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

$(DEMO_READY): pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e .
	@touch $@

# resemblyzer asks for webrtcvad, which has no wheels and does not build everywhere; webrtcvad-wheels is the same module.
# PyPI's torchaudio carries an extension linked against CUDA, which fails to load beside a torch without CUDA. SIREN
# uses only its pure Python transforms, and those import fine once the extension is gone.
$(DEV_READY): $(DEMO_READY)
	@$(MAKE) --no-print-directory programs
	$(INSTALL) -e ".[dev]"
	$(INSTALL) --no-deps resemblyzer
	@cuda=$$($(BIN)/python -c "import torch; print(torch.version.cuda)") && if [ "$$cuda" = None ]; then \
		rm -f .venv/lib/python*/site-packages/torchaudio/lib/*.so; fi
	@touch $@
