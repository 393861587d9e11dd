# Mixdown. `make` alone lists what there is; on a bare machine `make demo` and `make test` do everything.

# Rust installed by rustup a moment ago is not on the PATH of a shell that was already open.
export PATH := $(HOME)/.cargo/bin:$(PATH)

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
STACK_BIN := $(TARGET_DIR)/release/stack

# The kind of stack that up, down, status and logs work on.
STACK ?= native

# For `make k8s-secrets`: a folder of k8s/overlays.
OVERLAY ?= minikube

# For `make logs`: one part's log, as in `make logs S=converter`.
S ?=

.DEFAULT_GOAL := help
.PHONY: help up down status logs demo test check fmt bench install build clean minikube smoke k8s-secrets
.PHONY: up-native down-native status-native logs-native
.PHONY: check-fmt check-clippy check-docs check-deny check-sqlx check-scripts check-k8s

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: up-$(STACK) ## Start the whole system on this machine; installs and builds what is missing
down: down-$(STACK) ## Stop what `make up` started; the data stays
status: status-$(STACK) ## Show what runs and where it listens
logs: logs-$(STACK) ## Follow the services' logs; one part's with S=converter

demo: up ## Send a sample video through the whole system, starting it if need be
	@scripts/demo.sh

test: install build ## Run every test, on real servers started for it alone
	$(STACK_BIN) run -- $(CARGO) test --release --workspace

check: check-fmt check-clippy check-docs check-deny check-sqlx check-scripts check-k8s ## Run what CI checks beside the tests

fmt: ## Format the code
	$(CARGO) fmt --all

bench: install build ## Measure the system against the plain tools; see docs/BENCHMARKS.md
	@$(STACK_BIN) run -- $(TARGET_DIR)/release/bench

minikube: ## Bring the whole system up in Minikube
	@scripts/minikube.sh

smoke: ## Send a sample video through a deployment, by default Minikube's; APP_URL=… INBOX_URL=…
	@scripts/smoke.sh

k8s-secrets: ## Write the secrets of a Kubernetes overlay, keeping those that are there; OVERLAY=production
	@scripts/k8s-secrets.sh $(OVERLAY)

install: ## Install the servers and tools that are missing
	@scripts/install.sh

clean: down ## Stop the stack and delete it with all of its data and tools
	rm -rf .stack

build:
	$(CARGO) build --release --workspace --bins

up-native: install build
	@$(STACK_BIN) up

# Without a record nothing was ever started here, and nothing need be built to say so.
down-native status-native logs-native: %-native:
	@if [ -e .stack/state.json ]; then \
		[ -x $(STACK_BIN) ] || $(MAKE) --no-print-directory build; \
		$(STACK_BIN) $* $(if $(filter logs,$*),$(S)); \
	else \
		echo 'Mixdown is not running. `make up` starts it.'; \
	fi

check-fmt:
	$(CARGO) fmt --all --check

check-clippy:
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings

check-docs:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --release --workspace --no-deps --document-private-items

# Advisories are left to the scheduled run: they need a download, and change without a change of ours.
check-deny: .tools/bin/cargo-deny
	.tools/bin/cargo-deny --locked --log-level error check bans licenses sources

# Needs a database to ask, so it starts one.
check-sqlx: install build
	$(STACK_BIN) run -- services/auth/scripts/sqlx-prepare.sh --check

check-scripts:
	bash -n scripts/*.sh .ci/run

check-k8s:
	scripts/check-k8s.sh

# Its own manifest's lock file, and a folder of this checkout: nothing of the user's cargo is touched.
.tools/bin/cargo-deny:
	$(CARGO) install cargo-deny --version 0.20.2 --locked --root .tools
