# Copayflow. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := $(CURDIR)/bin
GO ?= go
export PATH := $(BIN):$(PATH)

.PHONY: help
help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## install what is missing on this machine (PostgreSQL)
	@./deploy/setup.sh

.PHONY: build
build: ## build the production binary and the development stack into bin/
	@mkdir -p $(BIN)
	@echo "building copay (a first build takes a minute)…"
	@$(GO) build -o $(BIN)/copay ./cmd/copay
	@echo "building copay-dev with the Temporal server (a first build takes some minutes)…"
	@$(GO) build -o $(BIN)/copay-dev ./cmd/copay-dev

.PHONY: dev
dev: setup build ## run everything on this laptop: PostgreSQL, Temporal and UI, sandbox, API, worker
	@exec $(BIN)/copay-dev up

.PHONY: demo
demo: setup build ## one co-pay from the EHR's webhook to a balanced journal, on a throw-away stack
	@exec $(BIN)/copay-dev demo

.PHONY: test
test: setup ## everything that must hold (unit, replay, contract, end to end), in minutes
	@echo "testing (the end-to-end tests link the Temporal server; a first build takes some minutes)…"
	@STRIPE_MOCK=$$(./tools/stripe-mock.sh) $(GO) test -timeout 20m -parallel 4 ./...

.PHONY: race
race: setup ## the tests with the race detector, without the end-to-end ones
	@$(GO) test -race $$($(GO) list ./... | grep -v cmd/copay-dev)

.PHONY: replay
replay: ## replay the recorded histories against today's workflow code
	@$(GO) test -run 'Replay' -v ./workflows

.PHONY: stories
stories: ## thousands of random stories of a co-pay, far more than the tests tell (minutes)
	@STORIES=$${STORIES:-10000} $(GO) test -timeout 30m -run TestStories ./workflows

.PHONY: e2e
e2e: setup ## only the end-to-end and kill tests
	@$(GO) test -timeout 20m -parallel 4 -v ./cmd/copay-dev/...

.PHONY: bench
bench: setup build ## co-pays per second against the bare workflow, and webhook acknowledgement, in one run
	@exec $(BIN)/copay-dev bench

.PHONY: fuzz
fuzz: ## fuzz every parser for a little while
	@./tools/fuzz.sh

.PHONY: lint
lint: ## vet, gofmt, staticcheck, workflow determinism, protos
	@./tools/lint.sh

.PHONY: generate
generate: ## protos to Go, gateway and OpenAPI
	@./proto/generate.sh

.PHONY: generate-check
generate-check: generate ## fails when committed generated code is not current
	@test -z "$$(git status --porcelain -- proto)" || { git status --short -- proto; echo "generated code is not current: run 'make generate' and commit"; exit 1; }

.PHONY: histories
histories: setup build ## record histories of the newest rules for the replay test (a decision, not a routine)
	@exec $(BIN)/copay-dev histories

.PHONY: clean
clean: ## remove built binaries and the development stack's data
	@rm -rf $(BIN) .dev .cache
