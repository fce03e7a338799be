# Needs make, a POSIX shell and Python >= 3.10 with venv. `make` alone lists what there is.
PYTHON ?= python3
ARGS ?=
# How many processes there are, and which tests run in one of them because they share something dear: tests/conftest.py.
TOGETHER = -n auto --dist loadgroup
COLD = tests/integration/test_contract.py::test_a_cold_playlist_is_complete_at_once_and_its_segments_lead_to_signed_ones

VENV = .venv
INSTALLED = $(VENV)/.installed
MINIO = .tools/bin/minio
MC = .tools/bin/mc
PAGES = mam/web/dist/manifest.json
PAGES_SOURCES = $(shell find mam/web/ui -path mam/web/ui/node_modules -prune -o -type f -print)
# What manifests are checked by. Fixed versions: a newer one may find something else wrong.
KUBECONFORM = .tools/bin/kubeconform
KUBECONFORM_SOURCE = github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
# What writes requirements.lock: for the image's Python, whichever runs here. Hashes are of all files of a version, so that
# the lock is good for every processor.
UV = uv>=0.9,<1
KEDA = .tools/keda/scaledobjects.yaml
KEDA_SOURCE = github.com/kedacore/keda/v2@v2.21.0

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

run: $(INSTALLED) $(PAGES)  ## runs everything on this machine until Ctrl-C (ports and more: make run ARGS=--help)
	@$(VENV)/bin/python -m dev.run $(ARGS)

test: $(INSTALLED) $(PAGES)  ## runs the tests; some of them: make test ARGS="-k playlist"
	$(VENV)/bin/python -m pytest $(TOGETHER) $(ARGS)

test-quick: $(INSTALLED)  ## the unit tests and one conversion from end to end, for the everyday loop
	$(VENV)/bin/python -m pytest $(TOGETHER) -q tests/unit $(COLD) $(ARGS)

test-faults: $(INSTALLED)  ## kills and breaks everything, many times, while it is at work (a quarter of an hour)
	@mkdir -p .data && rm -f .data/faults.jsonl
	MAM_FAULTS=9 MAM_FAULTS_REPORT=.data/faults.jsonl $(VENV)/bin/python -m pytest $(TOGETHER) tests/faults $(ARGS)

test-compose: $(INSTALLED)  ## tries the compose file in containers (with Docker; as root on Debian without it too)
	@tests/compose/run.sh $(ARGS)

corpus: $(INSTALLED)  ## converts every file of a folder and judges the result: make corpus CORPUS=~/Videos (ARGS=--help)
	@$(VENV)/bin/python -m dev.corpus $(if $(CORPUS),"$(CORPUS)") $(ARGS)

contacts: $(INSTALLED)  ## shows poster and storyboard of every file of a folder: make contacts CORPUS=~/Videos (ARGS=--help)
	@$(VENV)/bin/python -m dev.contacts $(if $(CORPUS),"$(CORPUS)") $(ARGS)

mutants: $(INSTALLED)  ## reads 20,000 damaged indexes, converts 500 damaged files, sends odd requests (40 minutes)
	HYPOTHESIS_PROFILE=thorough MAM_FUZZ=$${MAM_FUZZ:-20000} $(VENV)/bin/python -m pytest $(TOGETHER) \
		--timeout 3600 tests/unit/mp4/test_hostile.py tests/unit/mp4/test_fuzz.py
	MAM_MUTANTS=$${MAM_MUTANTS:-500} $(VENV)/bin/python -m pytest $(TOGETHER) tests/mutants $(ARGS)
	MAM_SCHEMATHESIS_SECONDS=$${MAM_SCHEMATHESIS_SECONDS:-300} $(VENV)/bin/python -m pytest $(TOGETHER) tests/integration/test_descriptions.py

pages: $(PAGES)  ## builds what browsers get (with Node where there is one, else with PyPI's)

openapi: $(INSTALLED)  ## writes what the pages' types are generated from, after a change of the API
	@$(VENV)/bin/python -m dev.openapi

screenshots: $(INSTALLED) $(PAGES)  ## takes pictures of every page, for the README (needs Chromium)
	@$(VENV)/bin/python -m dev.screenshots

check: $(INSTALLED)  ## lint, format, types
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .
	$(VENV)/bin/python -m mypy

lock: $(INSTALLED)  ## writes requirements.lock, which the image installs (newer versions: make lock ARGS=--upgrade)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check "$(UV)"
	$(VENV)/bin/python -m uv pip compile requirements.txt --output-file requirements.lock --quiet --generate-hashes \
		--python-version 3.13 --python-platform linux --no-annotate --custom-compile-command "make lock" $(ARGS)

check-deploy: $(INSTALLED)  ## checks the compose file, manifests, alerts and dashboard (manifests where Go is)
	@! command -v go >/dev/null || $(MAKE) --no-print-directory kubeconform
	$(VENV)/bin/python -m pytest tests/unit/test_deployment.py $(ARGS)

format: $(INSTALLED)  ## formats the code and mends what ruff can mend
	$(VENV)/bin/python -m ruff check --fix-only --quiet .
	$(VENV)/bin/python -m ruff format .

bench: $(INSTALLED)  ## measures, and prints a table of ratios
	@$(VENV)/bin/python -m bench $(ARGS)

minio: $(MINIO)  ## builds a MinIO server, which run and test use from then on (needs Go, 3 minutes, once)

mc: $(MC)  ## builds MinIO's client, which test-compose needs where there is no Docker (needs Go, once)

kubeconform: $(KUBECONFORM) $(KEDA)  ## builds what checks manifests, which check-deploy and test use from then on (needs Go, once)

clean:  ## removes the installed packages, all data of `make run`, and caches (not what Go has built)
	rm -rf $(VENV) .data mam/web/dist mam/web/ui/node_modules bench/.cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Touched last: an installation that was interrupted is done again.
$(INSTALLED): requirements.txt requirements-dev.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Name another Python: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("Python 3.10 or later is needed, and $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@echo "Installing, once: two to five minutes, and 1 GB of disk."
	@$(PYTHON) -m dev.install $(VENV) requirements-dev.txt
	@touch $@

$(PAGES): $(INSTALLED) $(PAGES_SOURCES)
	@$(VENV)/bin/python -m dev.pages

# Without C: it does not need it, and a C compiler need not be there.
$(MINIO):
	@command -v go >/dev/null || { echo "MinIO is built from source and there is no Go here (https://go.dev/doc/install). All works without: rclone takes its place." >&2; exit 1; }
	GOBIN="$$(pwd)/.tools/bin" CGO_ENABLED=0 go install -ldflags "-s -w" github.com/minio/minio@latest

$(MC):
	@command -v go >/dev/null || { echo "mc is built from source and there is no Go here (https://go.dev/doc/install)." >&2; exit 1; }
	GOBIN="$$(pwd)/.tools/bin" CGO_ENABLED=0 go install -ldflags "-s -w" github.com/minio/mc@latest

$(KUBECONFORM):
	@command -v go >/dev/null || { echo "kubeconform is built from source and there is no Go here (https://go.dev/doc/install). Without it the tests leave manifests out." >&2; exit 1; }
	GOBIN="$$(pwd)/.tools/bin" CGO_ENABLED=0 go install -ldflags "-s -w" $(KUBECONFORM_SOURCE)

# KEDA's own definition of its ScaledObject, out of its source: 10 MB, nothing of which is built.
$(KEDA):
	go mod download $(KEDA_SOURCE)
	@mkdir -p $(@D)
	cp "$$(go list -m -f '{{.Dir}}' $(KEDA_SOURCE))/config/crd/bases/keda.sh_scaledobjects.yaml" $@
	@chmod u+w $@

.PHONY: help run test test-quick test-faults test-compose corpus contacts mutants pages openapi screenshots check check-deploy format lock bench minio mc kubeconform clean
