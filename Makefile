# make setup: Poetry in an environment of its own (.tools), then the locked environment in .venv; does nothing twice
# make demo:  the whole job on the synthetic demo set, offline
# make test:  the tests
# make check: what the pre-commit hooks check: ruff, mypy, pyproject.toml and poetry.lock
# make lock:  resolve poetry.lock anew
PYTHON ?= python3
POETRY := .tools/bin/poetry
BIN := .venv/bin

# An activated environment would be taken for the project's own.
unexport VIRTUAL_ENV
export POETRY_VIRTUALENVS_IN_PROJECT := true

.PHONY: help setup demo test check lock
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup: .venv/.locked

demo: .venv/.locked
	$(BIN)/python commands.py demo

test: .venv/.locked
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

check: .venv/.locked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(POETRY) check --lock

lock: $(POETRY)
	@$(WITH_INDEX) $(POETRY) lock

# Poetry's own client needs an index that answers in JSON. The plugin reads any index: it is given pip's.
WITH_INDEX = POETRY_PYPI_MIRROR_URL="$$(.tools/bin/pip config get global.index-url 2>/dev/null || .tools/bin/python -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')"

$(POETRY):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("make setup needs Python 3.11 to 3.13, found %d.%d; try: make setup PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet "poetry>=2.1,<3" "poetry-plugin-pypi-mirror>=0.6"

.venv/.locked: $(POETRY) poetry.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the locked packages into .venv (about 6 GB with torch's CUDA libraries)"
	@$(WITH_INDEX) $(POETRY) sync --no-interaction --extras tensorrt-rtx
	@# Commands start in seconds from the first call on, also where Python is told not to write bytecode.
	@# Some packages carry a file for a newer Python, which this one cannot compile: that is no error.
	@$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true
	@touch $@
