# Two commands do everything on a fresh machine: `make app` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8501
DOORS  := core core.api core.bring core.cohort core.evaluation core.fusion core.policies core.study  # documented

.PHONY: app demo test lint experiment experiment-full screenshots docs offline lock bench bench-scale soak browser clean

app: demo            ## set up, build the default run, serve the app
	$(BIN)/python -m core app --port $(PORT)

demo: $(VENV)/.app   ## build the default run from a simulated cohort (kept, resumed if it was cut short)
	$(BIN)/python -m core demo

test: export OMP_NUM_THREADS := 1   # two workers on few cores: more threads only wait for each other
test: $(VENV)/.dev browser lint   ## set up, check, test
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

experiment: $(VENV)/.app   ## small experiment in minutes: repeats, external validation, tables (resumes)
	$(BIN)/python -m core experiment small

experiment-full: $(VENV)/.app   ## the published sizes and repeats on simulated patients: hours (resumes)
	$(BIN)/python -m core experiment full

screenshots: $(VENV)/.dev browser demo   ## take the README's screenshots from the running app
	$(BIN)/python -m core registry demo
	$(BIN)/python tests/browser/screenshots.py

docs: $(VENV)/.dev   ## the library's pages from its docstrings: docs/api/index.html, readable without a network
	$(BIN)/python -m pdoc --output-directory docs/api $(DOORS)

offline: $(VENV)/.dev   ## one file that installs without a network, with bill of materials and licenses: dist/
	$(BIN)/python -m core.packaging.bundle --out dist

lock: LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --quiet \
	  --no-config --custom-compile-command "make lock"
lock: $(VENV)/.dev   ## the locks anew: exact versions, and the SHA-256 of every file that the public index has of them
	$(LOCK) requirements.txt --output-file requirements.lock
	$(LOCK) requirements-dev.txt --constraint requirements.lock --output-file requirements-dev.lock
	$(LOCK) requirements-fixtures.txt requirements-bench.txt --no-deps --output-file requirements-extra.lock

bench: $(VENV)/.bench browser demo   ## measure every stage and its rivals: tests/benchmarks/results (about half an hour)
	$(BIN)/python -m tests.benchmarks --out tests/benchmarks/results

bench-scale: $(VENV)/.dev browser   ## the same split at 13,355, 133,550 and 1,335,500 patients (hours, 20 GiB)
	$(BIN)/python -m tests.benchmarks.scale --out tests/benchmarks/results

soak: $(VENV)/.dev demo   ## fifty visitors for half an hour, a training beside them, cold starts: tests/benchmarks/results/soak.json
	$(BIN)/python -m tests.benchmarks.soak data/runs/default --out tests/benchmarks/results/soak.json

browser:             ## Chromium and axe-core for the browser tests: installed where we may, else said how
	@sh tests/browser/install_chromium.sh
	@sh tests/browser/install_axe.sh

$(VENV)/.app: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements-fixtures.txt $(VENV)/.app
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-fixtures.txt
	@touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-bench.txt
	@touch $@

clean:
	rm -rf $(VENV) data/benchmarks data/runs data/registry data/uploads data/links data/conferences data/experiments data/sweeps data/audit
