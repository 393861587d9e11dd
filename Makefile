# Mixdown. `make` alone lists the targets. On a bare machine, `make demo` and `make test` install what they
# need.

# A shell that was open while rustup installed Rust does not have it on its PATH.
export PATH := $(HOME)/.cargo/bin:$(PATH)

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
STACK_BIN := $(TARGET_DIR)/release/stack

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

# What was started here: native processes, containers, or both. Its data stays until `make clean`.
STARTED := $(strip $(if $(wildcard .stack),native) $(if $(wildcard docker/started),compose))

# What up, down, status, logs, demo and clean work on: what STACK says, else what was started here. The first start takes
# containers where a Docker engine answers, else native processes.
ifdef STACK
KINDS := $(STACK)
else ifdef STARTED
KINDS := $(STARTED)
else
KINDS := $(shell timeout 5 docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 && echo compose || echo native)
endif
# up, logs and demo work on one kind at a time.
KIND := $(if $(word 2,$(KINDS)),both,$(KINDS))

# The ports of the containers' app and inbox, as they were started.
-include docker/started
APP_PORT ?= 8080
INBOX_PORT ?= 8025
IN_CONTAINERS := VERSION=$(VERSION) REVISION=$(REVISION) APP_PORT=$(APP_PORT) INBOX_PORT=$(INBOX_PORT)
COMPOSE := $(IN_CONTAINERS) docker compose --file docker/compose.yaml --profile dev

# For `make k8s-secrets`: a folder of k8s/overlays.
OVERLAY ?= minikube

# For `make logs`: one part's log, as in `make logs S=converter`.
S ?=

# The first file is there once the browser page's tools are installed, the second once the page is built.
WEB_TOOLS := web/node_modules/.package-lock.json
WEB_PAGE := web/dist/index.html
WEB_SOURCES := $(shell find web/src web/public web/scripts -type f 2>/dev/null) $(wildcard web/*.html web/*.json web/*.ts)

.DEFAULT_GOAL := help
.PHONY: help up down status logs demo test check fmt bench install build clean
.PHONY: audit test-web storm page fuzz sweep images sbom compose-test settings openapi minikube smoke k8s-secrets
.PHONY: up-native down-native status-native logs-native demo-native clean-native
.PHONY: up-compose down-compose status-compose logs-compose demo-compose clean-compose
.PHONY: up-both demo-both logs-both
.PHONY: install-for-tests
.PHONY: check-fmt check-clippy check-docs check-deny check-sqlx check-settings check-scripts check-k8s check-compose check-web

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: up-$(KIND) ## Start the whole system on this machine; installs and builds what is missing
	$(if $(filter-out $(KIND),$(STARTED)),@echo 'Started here earlier as well: $(filter-out $(KIND),$(STARTED)). `make status` shows both.')
down: $(KINDS:%=down-%) ## Stop what `make up` started; the data stays
status: $(KINDS:%=status-%) ## Show what runs and where it listens
logs: logs-$(KIND) ## Follow the services' logs; one part's with S=converter

demo: up demo-$(KIND) ## Send a sample video through the whole system, starting it if need be

test: install-for-tests build page ## Run every test, on real servers started for it alone
	npm --prefix web test
	$(STACK_BIN) run -- $(CARGO) test --release --workspace

test-web: install-for-tests build page ## Run the tests of the browser page alone
	npm --prefix web test
	$(STACK_BIN) run -- $(CARGO) test --release --workspace --test browser -- --nocapture

check: check-fmt check-clippy check-docs check-deny check-sqlx check-settings check-scripts check-k8s check-compose check-web ## Run what CI checks beside the tests

# Not a part of `check`: the lists are downloaded, and they change without a change of ours. The workflow "Audit" runs it
# every week.
audit: .tools/bin/cargo-deny ## Compare the dependencies with the published lists of security advisories
	.tools/bin/cargo-deny --locked --log-level error check advisories
	npm --prefix web audit --omit=dev

fmt: $(WEB_TOOLS) ## Format the code
	$(CARGO) fmt --all
	npm --prefix web run format

storm: install-for-tests build ## Attack a gateway of 512 MiB for a minute in each way, beside honest clients
	STORM_SECONDS=60 $(STACK_BIN) run -- $(CARGO) test --release --workspace --test storm -- --nocapture

bench: install build ## Measure the system against the plain tools; see docs/BENCHMARKS.md
	@$(STACK_BIN) run -- $(TARGET_DIR)/release/bench

fuzz: install ## Convert thousands of mutated files; MUTATIONS=… SEED=… SECONDS=…
	$(CARGO) build --release --workspace --example fuzz
	$(TARGET_DIR)/release/examples/fuzz

sweep: install ## Compare the converter with plain FFmpeg on all files below a folder; FOLDER=…
	$(CARGO) build --release --workspace --example sweep
	$(TARGET_DIR)/release/examples/sweep $(FOLDER)

images: ## Build the services' container images
	$(COMPOSE) build

sbom: ## Write the bill of materials of each service into sbom/
	docker build --file docker/Dockerfile --target sbom --output sbom .

compose-test: ## Prove the containers: build, start, restart each one under load, take down
	@$(IN_CONTAINERS) scripts/compose-test.py

settings: build ## Write the tables of settings in docs/OPERATIONS.md
	scripts/settings.py

openapi: install ## Write docs/openapi.json, the description of the public interface
	$(CARGO) build --release --workspace --example openapi
	$(TARGET_DIR)/release/examples/openapi >docs/openapi.json

minikube: ## Bring the whole system up in Minikube
	@scripts/minikube.sh

smoke: ## Send a sample video through a deployment, by default Minikube's; APP_URL=… INBOX_URL=…
	@scripts/smoke.sh

k8s-secrets: ## Write the secrets of a Kubernetes overlay, keeping those that are there; OVERLAY=production
	@scripts/secrets.sh $(OVERLAY)

install: ## Install the servers and tools that are missing
	@scripts/install.sh

install-for-tests:
	@scripts/install.sh tests

clean: $(KINDS:%=clean-%) ## Stop the stack and delete it with all of its data and tools

build:
	$(CARGO) build --release --workspace --bins

page: $(WEB_PAGE) ## Build the browser page into web/dist

$(WEB_TOOLS): web/package-lock.json
	cd web && npm ci --ignore-scripts --update-notifier=false --loglevel=error
	@touch $@

$(WEB_PAGE): $(WEB_TOOLS) $(WEB_SOURCES)
	npm --prefix web run build

up-native: install build page
	@$(STACK_BIN) up

down-native status-native logs-native: %-native:
ifeq ($(wildcard .stack),)
	@echo 'Mixdown is not running. `make up` starts it.'
else
	@[ -x $(STACK_BIN) ] || $(MAKE) --no-print-directory build
	$(if $(filter both,$(KIND)),@echo 'Native processes:')
	@$(STACK_BIN) $* $(if $(filter logs,$*),$(S))
endif

demo-native:
	@scripts/demo.sh

clean-native: down-native
	rm -rf .stack

up-compose:
	@scripts/secrets.sh compose
	@printf '%s ?= %s\n' APP_PORT $(APP_PORT) INBOX_PORT $(INBOX_PORT) >docker/started
	$(COMPOSE) up --detach --build --wait
	@echo
	@echo 'Mixdown runs in containers.'
	@echo '  The app:    http://localhost:$(APP_PORT)'
	@echo '  The inbox:  http://localhost:$(INBOX_PORT)'

down-compose:
	$(COMPOSE) --profile observability down

status-compose:
	$(if $(filter both,$(KIND)),@echo 'Containers:')
	@$(COMPOSE) ps

logs-compose:
	$(COMPOSE) logs --follow --tail 50 $(S)

demo-compose:
	@APP_URL=http://localhost:$(APP_PORT) INBOX_URL=http://localhost:$(INBOX_PORT) scripts/demo.sh

clean-compose:
	$(COMPOSE) --profile observability down --volumes
	rm -rf docker/secrets docker/started

up-both demo-both logs-both: %-both:
	@echo 'Native processes and containers were both started here: say STACK=native or STACK=compose.' >&2
	@exit 2

check-fmt:
	$(CARGO) fmt --all --check

check-clippy:
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings

check-docs:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --release --workspace --no-deps --document-private-items

# Without the advisories, which are in `make audit`.
check-deny: .tools/bin/cargo-deny
	.tools/bin/cargo-deny --locked --log-level error check bans licenses sources

# Starts a database, since the queries are checked against one.
check-sqlx: install build
	$(STACK_BIN) run -- services/auth/scripts/sqlx-prepare.sh --check

check-settings: build
	scripts/settings.py --check

check-scripts:
	bash -n scripts/*.sh .ci/run
	scripts/check-security.py

check-k8s:
	scripts/check-k8s.sh

# Uses the Python packages that check-k8s installs.
check-compose: check-k8s
	PYTHONPATH=.tools/k8s/python PYTHONDONTWRITEBYTECODE=1 scripts/check-compose.py

# Checks also that the page's types are those of docs/openapi.json.
check-web: $(WEB_TOOLS)
	npm --prefix web run check

# By the lock file of cargo-deny's own release, into a folder of this checkout. The user's cargo stays as it is.
.tools/bin/cargo-deny:
	$(CARGO) install cargo-deny --version 0.20.2 --locked --root .tools
