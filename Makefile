# Each target is one command a person may also type. `make` alone builds.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X redoubt/internal/version.Version=$(VERSION)
LINT     = bin/tools/golangci-lint
LINTVER  = v2.12.2
VULN     = bin/tools/govulncheck
VULNVER  = v1.9.0
# A program with the race detector waits a second before it ends unless told otherwise; the tests start hundreds of them.
export GORACE ?= atexit_sleep_ms=0

.PHONY: build test check lint demo e2e sim fuzz vuln bench bench-assess docs deb install-deps clean

build: ## bin/redoubt, bin/redoubtd and bin/redoubt-guard
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

# Packages whose tests run real daemons, agents and namespaces: one after the other, so that they wait for the machine and not for each other. They mostly wait for timers;
# the simulation, the real agents and the linter take what they leave. The end-to-end tests have the machine for themselves: they judge how long a service is away.
REAL = etcdstore|exectype|fence|guardlink|lab|native|privnet|proc
# Packages that compute, or only ask others: the race detector would make ten minutes of their one, so it looks at those of their tests that do things on several goroutines...
PLAIN = assess|assess/(catalogue|compare|cost|expression|game|incident|live|model|overlap|report(/.*)?|risk|search|zones)|cmd/.*|internal/(archtest|cli(/.*)?|rgm/.*|shell|tools/.*)
WORKERS = Workers|Progress|Follow
# ...and in the other packages not at the tests that are there because they are large, all of them in the three packages named below.
LARGE = ^Test(ApplyALot|ExportApply|GroupThatIsTooMuchIsRefused|NodesTalkUnderAFlood|StormOfStarts|SuspendingThousandsOfGroups)$$
GOTEST = $(GO) test -vet=off -ldflags='-s -w'

test: install-deps build $(LINT) ## everything: what CI runs
	$(GOTEST) -race -shuffle=on -timeout 10m -skip '$(LARGE)' $$($(GO) list ./... | grep -Ev '^redoubt/($(PLAIN)|internal/(e2e|sim|ocf|$(REAL))(/.*)?)$$')
	$(GOTEST) -shuffle=on -timeout 10m $$($(GO) list ./... | grep -E '^redoubt/($(PLAIN))$$')
	$(GOTEST) -run '$(LARGE)' ./internal/control ./internal/engine ./internal/server
	$(GOTEST) -race -run '$(WORKERS)' ./assess ./assess/risk ./internal/cli
	{ nice -n 5 $(GOTEST) -race -shuffle=on -timeout 10m ./internal/ocf/... && nice -n 10 $(GOTEST) -timeout 15m ./internal/sim/... && \
	nice -n 10 $(MAKE) --no-print-directory lint; } & beside=$$!; \
	$(GOTEST) -race -shuffle=on -p 1 -timeout 10m $$($(GO) list ./... | grep -E '^redoubt/internal/($(REAL))(/|$$)'); real=$$?; \
	wait $$beside && exit $$real
	$(GOTEST) -count=1 -timeout 15m ./internal/e2e/...

check: build ## the quick part of test: no lab, no packages
	$(GO) vet ./... && $(GO) test -short ./internal/... ./api/...

# The linter keeps findings with the folder they were found in and fails on them when that is gone: each checkout has a cache of its own.
lint: $(LINT) ## vet, golangci-lint, formatting
	GOLANGCI_LINT_CACHE=$(CURDIR)/bin/.lint-cache $(LINT) run ./...

$(LINT):
	GOBIN=$(CURDIR)/bin/tools GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTVER)

vuln: $(VULN) ## known vulnerabilities in what this is built from; VULNDB=FOLDER for a database of your own
	$(GO) run ./internal/tools/vuln -govulncheck $(CURDIR)/$(VULN) -db "$(VULNDB)"

$(VULN):
	GOBIN=$(CURDIR)/bin/tools GOFLAGS= $(GO) install golang.org/x/vuln/cmd/govulncheck@$(VULNVER)

demo: install-deps build ## a three-node cluster on this machine, a failover, a picture of it
	bin/redoubt lab demo

e2e: install-deps build ## only the tests that start whole clusters
	$(GO) test -count=1 -v -timeout 30m ./internal/e2e/...

sim: ## long simulation: 100,000 seeds
	$(GO) test -count=1 -timeout 0 ./internal/sim -sim.seeds=100000

fuzz: ## each fuzz target for a minute
	$(GO) run ./internal/tools/fuzzall -time 60s

bench: install-deps build ## Redoubt beside Pacemaker and keepalived, in the same run (root, 40 minutes at most)
	$(GO) run ./bench

bench-assess: ## the assessor beside numpy, scipy, actuar, aggregate and gophersat, in the same run, as far as they are installed (10 minutes)
	$(GO) run ./bench/assess

docs: build ## man pages, the command reference, shell completion
	bin/redoubtd docs docs/man && bin/redoubt docs man docs/man && bin/redoubt docs markdown docs/reference && bin/redoubt docs completion packaging/completion

deb: build ## the Debian package, in bin/
	scripts/deb "$(VERSION)" bin bin

install-deps: ## Debian packages that the lab and the tests use
	@scripts/install-deps

clean:
	rm -rf bin
