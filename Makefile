# Caselink. "make help" lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build run test race lint bench cover clean

GO ?= go
BIN := bin/caselink
STATICCHECK_VERSION := v0.8.2
STATICCHECK := bin/tools/staticcheck-$(STATICCHECK_VERSION)

# Packages where goroutines share something.
RACE ?= ./cmd/... ./connectors/... ./mapping/workflow/...

# A checkout that git does not trust, such as another user's, has no commit to record.
VCS := $(shell git rev-parse --verify -q HEAD >/dev/null 2>&1 || echo -buildvcs=false)

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

build: ## bin/caselink
	CGO_ENABLED=0 $(GO) build -trimpath $(VCS) -o $(BIN) ./cmd/caselink

run: build ## everything on this machine: adapter, PostgreSQL, issuer, GP systems, demo data
	@exec $(BIN) dev

test: build ## every test, on a real PostgreSQL, which is installed when there is none
	@$(BIN) postgres install
	@begun=$$SECONDS; CASELINK_BIN=$(CURDIR)/$(BIN) $(GO) test ./...; echo "make test: $$((SECONDS - begun)) s"

race: build ## the tests of what runs concurrently, under the race detector
	@command -v cc >/dev/null || { echo "The race detector needs a C compiler: sudo apt-get install gcc libc6-dev"; exit 1; }
	@$(BIN) postgres install
	CASELINK_BIN=$(CURDIR)/$(BIN) $(GO) test -race $(RACE)

lint: $(STATICCHECK) ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...

# Tools stand in bin/tools and not in go.mod, whose versions they would change.
$(STATICCHECK):
	GOBIN=$(CURDIR)/bin/tools $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	mv bin/tools/staticcheck $@

bench: build ## the figures that matter, as a table and as JSON in bin/bench.json
	$(BIN) bench >bin/bench.json
	@cat bin/bench.json

cover: build ## test coverage by function in bin/cover.txt, and in all
	CASELINK_BIN=$(CURDIR)/$(BIN) $(GO) test -coverpkg=./... -coverprofile=bin/cover.out ./...
	$(GO) tool cover -func=bin/cover.out >bin/cover.txt
	@tail -n 1 bin/cover.txt

clean: ## remove what was built and what ran here
	rm -rf bin var
