# netbpf: `make` shows what there is to do. Every target sets up what it needs first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up
SUDO   := $(if $(filter 0,$(shell id -u)),,sudo)

export PYTHON

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this text
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: setup
setup: $(STAMP) ## Make the virtual environment .venv, with netbpf and its tools in it

$(STAMP): pyproject.toml
	@.ci/system-packages venv
	@# An environment that is there stays with its Python; one whose Python is gone is made anew.
	$(BIN)/python -c pass 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev --editable .
	@# With PYTHONDONTWRITEBYTECODE set nobody would do it later, and every start be slow.
	$(BIN)/python -m compileall -q netbpf
	@touch $@

.PHONY: demo
demo: $(STAMP) ## See netbpf at work, in two network namespaces that it makes and removes
	@.ci/system-packages demo
	$(SUDO) $(BIN)/netbpf lab

.PHONY: test
test: $(STAMP) ## Run the tests: all of them as root, else those that need no root
	@.ci/system-packages test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: test-vm
test-vm: $(STAMP) ## Run the kernel's tests on Debian's kernels, in VMs: KERNEL=5.10 FULL=1
	@.ci/system-packages vm
	@$(BIN)/python -m pip install --quiet --group vm
	$(BIN)/python -m tests.vm $(if $(KERNEL),--kernel $(KERNEL)) $(if $(FULL),--full) $(VM_ARGS)

.PHONY: test-provision
test-provision: $(STAMP) ## Try vagrant/provision.sh on a minimal Debian in a directory (root)
	@.ci/system-packages provision
	$(SUDO) $(BIN)/python -m pytest tests/provision $(PYTEST_ARGS)

.PHONY: bench
bench: $(STAMP) ## Measure netbpf beside clang, libpcap, tcpdump (root): BENCH="start-up filters:ip6"
	@.ci/system-packages bench
	$(BIN)/python -m tests.bench $(BENCH)

.PHONY: lint
lint: $(STAMP) ## Check format, style, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(STAMP) ## Format the code and mend what can be mended by rule
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: docs
docs: $(STAMP) ## Write the tables of docs/kernels.md, which are made from the code
	$(BIN)/python -m tests.support.kernels

.PHONY: wheel
wheel: $(STAMP) ## Build dist/netbpf-….whl
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

.PHONY: clean
clean: ## Remove the virtual environment and everything that was built
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
