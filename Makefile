# Caselink. "make help" lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build run test race lint vuln fuzz bench benchcmp cover release clean

GO ?= go
BIN := bin/caselink

# Tools stand in bin/tools and not in go.mod, whose versions they would change.
GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
BENCHSTAT_VERSION := v0.0.0-20260908200009-22c9c6c9d4da
GOLANGCI := bin/tools/golangci-lint-$(GOLANGCI_VERSION)
GOVULNCHECK := bin/tools/govulncheck-$(GOVULNCHECK_VERSION)
BENCHSTAT := bin/tools/benchstat-$(BENCHSTAT_VERSION)

# Packages where goroutines share something.
RACE ?= ./cmd/... ./connectors/... ./mapping/workflow/...

# How long each fuzz target runs, and which.
FUZZTIME ?= 10s
FUZZ ?= .

# What benchcmp compares this tree with, which benchmarks, and how often each runs.
REF ?= $(shell git merge-base HEAD main 2>/dev/null | grep -vx "$$(git rev-parse HEAD)" || echo HEAD~1)
BENCH ?= .
BENCHCOUNT ?= 6

# A checkout that git does not trust, such as another user's, has no commit to record.
VCS := $(shell git rev-parse --verify -q HEAD >/dev/null 2>&1 || echo -buildvcs=false)

# A tagged commit is X.Y.Z. Every other one is X.Y.Z+COMMIT, of the newest version of the
# changelog, so that no two commits bear one version.
TAG := $(patsubst v%,%,$(shell git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null))
RELEASE := $(or $(TAG),$(shell sed -nE '/^## \[[0-9]/{s/^## \[([^]]*)\].*/\1/p;q;}' CHANGELOG.md))
COMMIT := $(shell git rev-parse --short=12 --verify -q HEAD 2>/dev/null)
VERSION := $(RELEASE)$(if $(TAG),,+$(or $(COMMIT),unknown))
PLATFORMS ?= linux/amd64 linux/arm64

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 17

build: ## bin/caselink
	CGO_ENABLED=0 $(GO) build -trimpath $(VCS) -ldflags '-X main.release=$(VERSION)' -o $(BIN) ./cmd/caselink

run: build ## everything on this machine: adapter, PostgreSQL, issuer, GP systems, demo data
	@exec $(BIN) dev

test: build ## every test, on a real PostgreSQL, which is installed when there is none
	@$(BIN) postgres install
	@begun=$$SECONDS; CASELINK_BIN=$(CURDIR)/$(BIN) $(GO) test ./...; echo "make test: $$((SECONDS - begun)) s"

race: build ## the tests of what runs concurrently, under the race detector
	@command -v cc >/dev/null || { echo "The race detector needs a C compiler: sudo apt-get install gcc libc6-dev"; exit 1; }
	@$(BIN) postgres install
	CASELINK_BIN=$(CURDIR)/$(BIN) $(GO) test -race $(RACE)

lint: $(GOLANGCI) ## everything in .golangci.yaml: go vet, staticcheck, format, doors and more
	$(GOLANGCI) run $(LINTFLAGS)

vuln: $(GOVULNCHECK) ## known vulnerabilities that the code can reach
	@code=0; said=$$($(GOVULNCHECK) ./... 2>&1) || code=$$?; \
	case "$$code:$$said" in \
		0:*) echo "$$said" | tail -n 1;; \
		1:*'fetching vulnerabilities'*) echo "not checked: the vulnerability database cannot be reached";; \
		*) echo "$$said"; exit 1;; \
	esac

fuzz: ## every fuzz target for FUZZTIME (10s), one after the other; FUZZ=REGEXP chooses
	@git ls-files '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]*' | while IFS=: read -r file target; do \
		target=$${target#func }; package=./$$(dirname "$$file"); \
		[[ $$target =~ $(FUZZ) ]] || continue; \
		if said=$$($(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$package" 2>&1 </dev/null); \
		then echo "$$target $$package: $$(grep -oE 'execs: [0-9]+' <<<"$$said" | tail -n 1)"; \
		else echo "$$said"; echo "$$target $$package: FAILED"; exit 1; fi; \
	done

bench: build ## the figures that matter, as a table and as JSON in bin/bench.json
	$(BIN) bench >bin/bench.json
	@cat bin/bench.json

benchcmp: $(BENCHSTAT) ## Go benchmarks of this tree against REF (where it left main); BENCH=REGEXP chooses
	@rm -rf bin/benchcmp; git worktree prune; git worktree add --quiet --detach bin/benchcmp $(REF)
	@trap 'git worktree remove --force bin/benchcmp' EXIT; \
	packages() { git ls-files '*_test.go' | xargs grep -lE '^func Benchmark' | xargs -n 1 dirname | sort -u | sed 's,^,./,'; }; \
	measure() { $(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) $$(packages); }; \
	(cd bin/benchcmp && measure) >bin/bench-before.txt; measure >bin/bench-after.txt
	@$(BENCHSTAT) before=bin/bench-before.txt after=bin/bench-after.txt

cover: build ## test coverage by function in bin/cover.txt, and in all
	CASELINK_BIN=$(CURDIR)/$(BIN) $(GO) test -coverpkg=./... -coverprofile=bin/cover.out ./...
	$(GO) tool cover -func=bin/cover.out >bin/cover.txt
	@tail -n 1 bin/cover.txt

# The same source, built by the same Go, gives the same bytes on every machine: nothing
# of its paths, its environment or its checkout goes in except the version.
release: ## bin/release: a stripped binary for each of PLATFORMS, and SHA256SUMS
	@grep -qF '## [$(RELEASE)]' CHANGELOG.md || { echo "CHANGELOG.md has no version $(RELEASE)"; exit 1; }
	@[ -z "$$(git status --porcelain 2>/dev/null)" ] || { echo "the tree has changes that are in no commit: commit them first"; exit 1; }
	@rm -rf bin/release; mkdir -p bin/release; cp LICENSE bin/release
	@for platform in $(PLATFORMS); do \
		file=bin/release/caselink-$(VERSION)-$${platform/\//-}; \
		env GOFLAGS= CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} GOAMD64=v1 GOARM64=v8.0 \
			$(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.release=$(VERSION)' -o "$$file" ./cmd/caselink; \
	done
	@cd bin/release && sha256sum caselink-* | tee SHA256SUMS

clean: ## remove what was built and what ran here
	rm -rf bin var

$(GOLANGCI):
	GOBIN=$(CURDIR)/bin/tools $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/tools/golangci-lint $@

$(GOVULNCHECK):
	GOBIN=$(CURDIR)/bin/tools $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv bin/tools/govulncheck $@

$(BENCHSTAT):
	GOBIN=$(CURDIR)/bin/tools $(GO) install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION)
	mv bin/tools/benchstat $@
