# Plantops: every target is listed by `make help`.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
PROTOS := $(shell find protos -name '*.proto') protos/build.py
WORKERS ?= 2
SERVICES := maintenance materials procurement
SEEDS ?= 20
SECONDS ?= 300
VERSION := $(shell awk -F'"' '/^version = /{print $$2; exit}' pyproject.toml)
IMAGE ?= plantops:$(VERSION)

.DEFAULT_GOAL := help

##@ Begin

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z0-9_-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.installed ## Make .venv with everything that the locks name, and compile the protos

.PHONY: run
run: setup ## Run the whole plant here: engines, services, gateway, sample data (Ctrl-C stops it)
	@$(BIN)/plantops run

.PHONY: demo
demo: setup ## Drive one chain of work through a running plant and print it
	@$(BIN)/plantops demo

##@ Prove

.PHONY: test
test: setup ## Run all tests on real engines
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

.PHONY: test-deep
test-deep: setup ## Run all tests with many more generated examples
	@PLANTOPS_TEST_PROFILE=deep $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

.PHONY: test-containers
test-containers: setup ## Run all tests with PostgreSQL and NATS from container images
	@PLANTOPS_ENGINES=containers $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

.PHONY: rules
rules: setup ## Run the tests and list the rules of docs/specification without a proof
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile || true
	@$(BIN)/python -m tests.rules

.PHONY: mutation
mutation: setup ## Change one thing at a time in the pure rules: 80 % must be noticed by their tests (ONLY=materials for one service)
	@$(BIN)/python -m tests.mutation $(ONLY)

.PHONY: planted
planted: setup ## Plant bugs one at a time: the tests of the rule each breaks must fail (ONLY=materials for one service)
	@$(BIN)/python -m tests.planted $(ONLY)

.PHONY: faults
faults: setup ## Kill, freeze, cut and wipe a running plant as SEEDS=20 seeds say: nothing may be lost, doubled or left behind
	@$(BIN)/python -m tests.faults --seeds $(SEEDS)

.PHONY: faults-exhaustive
faults-exhaustive: setup ## Kill a process at every fault point during every kind of command and event
	@$(BIN)/python -m tests.faults --exhaustive

.PHONY: bench
bench: setup ## Run all benchmarks; tables here, build/bench/*.json for machines
	@$(BIN)/python -m tests.load

.PHONY: bench-relay
bench-relay: setup ## Compare the relay with awaited single publishes (G11)
	@$(BIN)/python -m tests.load relay

.PHONY: bench-events
bench-events: setup ## Measure the time from a commit to the effect in another service (G16)
	@$(BIN)/python -m tests.load events

.PHONY: bench-command
bench-command: setup ## Compare the CPU of whole commands with an empty gRPC call
	@$(BIN)/python -m tests.load command

.PHONY: bench-watching
bench-watching: setup ## Measure what it costs a command to be counted and traced
	@$(BIN)/python -m tests.load watching

.PHONY: bench-import
bench-import: setup ## Compare an import of history with a bare COPY of the same rows
	@$(BIN)/python -m tests.load import

.PHONY: bench-posting
bench-posting: setup ## Compare posting a movement with the least that a database has to write (G1, G3-G5, G7-G9, R0)
	@$(BIN)/python -m tests.load posting

.PHONY: bench-drain
bench-drain: setup ## Compare the relay of a running service with the fastest posting (G12)
	@$(BIN)/python -m tests.load drain

.PHONY: bench-growth
bench-growth: setup ## Compare a document of ten times the lines, and posts into a ledger ten times as big (G15)
	@$(BIN)/python -m tests.load growth

.PHONY: bench-genealogy
bench-genealogy: setup ## Compare a trace among 900,000 edges with the bare recursive query (G13)
	@$(BIN)/python -m tests.load genealogy

.PHONY: bench-check
bench-check: setup ## Check a ledger of a million movements: time and memory, against a hundred thousand
	@$(BIN)/python -m tests.load check

.PHONY: drill
drill: setup ## Destroy a plant under load and restore it: what was lost, how long it took, does everything hold
	@$(BIN)/python -m tests.drill

.PHONY: overload
overload: setup ## Load one service through the gateway with 2, 5 and 10 times its peak, then half of it (P6)
	@$(BIN)/python -m tests.load overload

.PHONY: soak
soak: setup ## Work on a store with random documents from 64 callers for SECONDS=300: no error, no deadlock, no growth
	@SECONDS=$(SECONDS) $(BIN)/python -m tests.load.soak

.PHONY: rolling
rolling: setup ## Restart twenty replicas of services and gateway one after the other under load (OPS-18)
	@$(BIN)/python -m tests.load rolling

.PHONY: upgrade
upgrade: setup ## Let the present version take over a plant of the release before, and go back, under load (PROOF-8, F14)
	@$(BIN)/python -m tests.upgrade

.PHONY: lint
lint: setup ## Check form, types and the contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/buf lint gen/plantops/plantops.binpb
	@$(MAKE) --no-print-directory breaking

.PHONY: types
types: setup ## Check types alone
	@$(BIN)/mypy

.PHONY: breaking
breaking: setup ## Compare the contract with the released one
	@$(BIN)/python -m tests.contract.breaking

.PHONY: fmt
fmt: setup ## Put the code into its form
	@$(BIN)/ruff check --fix -q . || true
	@$(BIN)/ruff format -q .

##@ Ship

.PHONY: image
image: ## Build the container image of all processes (needs Docker; IMAGE=name:tag, PYTHON_IMAGE=base)
	@docker version >/dev/null 2>&1 || { echo "image: Docker does not answer on this machine; start it or build elsewhere" >&2; exit 1; }
	@docker build $(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) \
		--build-arg REVISION=$$(git rev-parse HEAD) --build-arg VERSION=$(VERSION) -t $(IMAGE) .

.PHONY: image-rehearse
image-rehearse: setup ## Run the build stage of the Dockerfile twice without Docker and compare (downloads the libraries)
	@$(BIN)/python -m tests.image.rehearse --twice

.PHONY: k8s-render
k8s-render: setup ## Render the Kubernetes overlays into build/k8s and check them (OVERLAYS=folder for your own)
	@$(BIN)/python -m k8s.checks $(OVERLAYS)

.PHONY: alerts-test
alerts-test: setup ## Check alerts, runbooks and dashboards (evaluates them where promtool is on the PATH)
	@$(BIN)/python -m pytest -q -rs tests/k8s/test_alerts.py tests/k8s/test_runbooks.py tests/k8s/test_dashboards.py

.PHONY: k8s-dev-secrets
k8s-dev-secrets: setup ## Make the secrets of the development overlay anew: build/k8s/dev-secrets.yaml
	@$(BIN)/python -m k8s.dev_secrets

##@ Keep

.PHONY: reference
reference: setup ## Write the reference of rpcs and events into build/reference
	@$(BIN)/python protos/reference.py

.PHONY: lock
lock: setup ## Resolve the dependencies anew into the three locks
	@$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-emit-index-url --no-header --no-annotate -q -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate -q -c requirements.lock -o requirements-dev.lock
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate -q -c requirements-dev.lock -o requirements-build.lock

.PHONY: clean
clean: ## Remove what was built here; the plant's data in .plantops stay
	@rm -rf .venv gen build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# pip brings the installer by its hash, the installer the rest of the lock by theirs.
.venv/.uv: requirements-dev.lock
	@echo "setup: environment"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Plantops needs Python 3.11 or newer; set PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@awk '/^uv==/ {p=1} p {print} p && !/\\$$/ {exit}' requirements-dev.lock > .venv/uv.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock
	@touch $@

# Processes start often here, and where Python may not write bytecode each would compile what it imports anew.
.venv/.locked: .venv/.uv requirements-dev.lock
	@echo "setup: libraries"
	@$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

.venv/.installed: .venv/.locked pyproject.toml $(PROTOS)
	@echo "setup: contract"
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q gen services cli gateway tests
	@touch $@
