# Needs make, a POSIX shell and Python >= 3.10 with venv. `make` alone lists what there is.
PYTHON ?= python3
ARGS ?=

VENV = .venv
INSTALLED = $(VENV)/.installed
MINIO = .tools/bin/minio

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

run: $(INSTALLED)  ## runs everything on this machine until Ctrl-C (settings: make run ARGS=--help)
	@$(VENV)/bin/python -m dev.run $(ARGS)

test: $(INSTALLED)  ## runs the tests; some of them: make test ARGS="-k playlist"
	$(VENV)/bin/python -m pytest -n auto $(ARGS)

check: $(INSTALLED)  ## lint, format, types
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .
	$(VENV)/bin/python -m mypy

format: $(INSTALLED)  ## formats the code and mends what ruff can mend
	$(VENV)/bin/python -m ruff check --fix-only --quiet .
	$(VENV)/bin/python -m ruff format .

bench: $(INSTALLED)  ## measures, and prints a table of ratios
	@$(VENV)/bin/python -m bench $(ARGS)

minio: $(MINIO)  ## builds a MinIO server, which run and test use from then on (needs Go, 3 minutes, once)

clean:  ## removes the installed packages, all data of `make run`, and caches (not MinIO)
	rm -rf $(VENV) .data bench/.cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Touched last: an installation that was interrupted is done again.
$(INSTALLED): requirements.txt requirements-dev.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Name another Python: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("Python 3.10 or later is needed, and $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian: apt-get install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Without C: it does not need it, and a C compiler need not be there.
$(MINIO):
	@command -v go >/dev/null || { echo "MinIO is built from source and there is no Go here (https://go.dev/doc/install). All works without: rclone takes its place." >&2; exit 1; }
	GOBIN="$$(pwd)/.tools/bin" CGO_ENABLED=0 go install -ldflags "-s -w" github.com/minio/minio@latest

.PHONY: help run test check format bench minio clean
