# make help says what each target does.

GO      ?= go
NPM     ?= npm
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
# Packages and their tests run two at a time: many of them start real sandboxes.
TESTFLAGS ?= -p 2 -timeout 40m
FUZZTIME  ?= 20s
BENCHTIME ?= 2s
# For edge-bench run: -quick, -only mode,..., -peers name,..., -rounds n
BENCHFLAGS ?=

export CGO_ENABLED ?= 0
export GOFLAGS ?= -buildvcs=false

# Everything the binary is made of; tests and generated inits aside.
sources := $(shell find abi bridge cmd/edge host plugins sandboxmgr -type f ! -name '*_test.go' ! -path '*/testdata/*' ! -name 'init-linux-*' ! -name quickjs.wasm) go.mod go.sum
init    := $(shell find cmd/edge-init abi sandboxmgr/initd sandboxmgr/initproto -name '*.go' ! -name '*_test.go' 2>/dev/null) go.mod go.sum
bench   := $(shell find cmd/edge-bench -maxdepth 1 -name '*.go' ! -name '*_test.go') go.mod go.sum
sdk     := $(shell find abi -name '*.go' ! -name '*_test.go') go.mod

inits    := cmd/edge/assets/init-linux-amd64 cmd/edge/assets/init-linux-arm64
engine   := cmd/edge/assets/quickjs.wasm
examples := $(patsubst examples/wasm/%/main.go,%,$(wildcard examples/wasm/*/main.go))
ascripts := $(patsubst examples/wasm/%/asconfig.json,bin/wasm/%.wasm,$(wildcard examples/wasm/*/asconfig.json))
rusts    := $(patsubst examples/wasm/%/lib.rs,bin/wasm/%.wasm,$(wildcard examples/wasm/*/lib.rs))
cs       := $(patsubst examples/wasm/%/plugin.c,bin/wasm/%.wasm,$(wildcard examples/wasm/*/plugin.c))
# The compilers for those, where the machine has them.
rustc    := $(shell for c in rustc /usr/bin/rustc; do if [ -d "$$($$c --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ]; then echo $$c; break; fi; done)
clang    := $(shell if command -v clang >/dev/null && command -v wasm-ld >/dev/null && [ -d /usr/include/wasm32-wasi ]; then echo clang; fi)
modules  := $(examples:%=bin/wasm/%.wasm) $(ascripts) $(if $(rustc),$(rusts),no-rust) $(if $(clang),$(cs),no-clang)
bun      := bin/tools/bun

ldflags := -ldflags '-s -w -X main.version=$(VERSION)'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.PHONY: help run test race check build wasm image bench bench-parts bench-peers bench-plugins bench-previews bench-readme bench-sandbox bench-workers fuzz soak clean setup tools go-version no-rust no-clang FORCE

help: ## Say what each target does
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do printf '  make %-14s %s\n' "$$name" "$$what"; done

run: bin/edge $(bun) ## Set everything up, then serve the examples on http://localhost:8787 while you edit them
	bin/edge dev examples/wasm

test: setup tools ## Set everything up, then run all tests (CI=true: none may skip itself)
	$(GO) test $(TESTFLAGS) ./...

race: setup tools ## Run all tests again under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) ./...

check: go-version ## Formatting, vet for Linux, macOS and Wasm, go.mod, the import table
	@unformatted=$$(gofmt -l abi bridge cmd examples host plugins sandboxmgr); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	GOOS=linux $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=wasip1 GOARCH=wasm $(GO) vet ./abi ./abi/guest/... ./examples/...
	$(GO) mod tidy -diff
	$(GO) test -count=1 -run '^TestHouse' ./cmd/edge

build: bin/edge bin/edge-linux-amd64 bin/edge-linux-arm64 ## Build bin/edge, and the static Linux binaries for amd64 and arm64

wasm: $(modules) ## Build the examples into bin/wasm

image: ## Build the sandbox image edge-sandbox (needs Docker, and root for debootstrap)
	sandboxmgr/docker/image/build.sh

bench: setup bin/edge-bench build/bench/route.wasm ## Measure the edge against the goals and against what bench-peers installed, into build/bench (20 minutes; BENCHFLAGS=-quick tries it, -h tells more)
	bin/edge-bench run $(BENCHFLAGS)

bench-readme: bin/edge-bench ## Put the last measured table and its figure into README.md
	bin/edge-bench report -readme README.md -figure cmd/edge-bench/figures.svg

bench-peers: bin/peers/workerd ## Install what bench compares with: Debian's nginx and HAProxy (needs root), npm's workerd
	.ci/bench-peers

bench-parts: setup ## Print what the parts cost: decision, request, upgrade, cold start on both runtimes, binary size
	$(GO) test -run '^$$' -bench . -skip '^Benchmark(Sandbox|PlanHeld|Preview|Workers)' -benchtime $(BENCHTIME) ./cmd/edge/e2e

bench-plugins: setup node_modules/.package-lock.json ## Print what plugins cost, with the goals beside it: decisions, isolation, metering, loads, parked requests (5 minutes; needs clang, rustc and Node.js)
	$(GO) test -count=1 -timeout 30m -run '^$$' -bench '^BenchmarkPlatform' -benchtime 1x ./plugins
	$(GO) test -count=1 -timeout 30m -run '^$$' -bench '^BenchmarkPlanHeld$$' -benchtime 1x ./cmd/edge/e2e

bench-previews: setup ## Print how many requests a preview serves beside the bridge's relay, with the goal, and that a refusal tells nothing by its time (1 minute)
	$(GO) test -count=1 -run '^$$' -bench '^BenchmarkPreview' -benchtime 1x ./cmd/edge/e2e

bench-workers: setup bin/peers/workerd ## Print what Workers in TypeScript cost, with the goals beside it: processor time, rates beside workerd's, reload, isolates (3 minutes)
	$(GO) test -count=1 -timeout 30m -run '^$$' -bench '^BenchmarkWorkers' -benchtime 1x ./cmd/edge/e2e

bench-sandbox: setup ## Print what sandboxes cost, with the goals beside it: exec, starts, dials, files, memory (10 minutes)
	$(GO) test -count=1 -timeout 30m -run '^$$' -bench '^BenchmarkSandbox' -benchtime 1x ./cmd/edge/e2e
	$(GO) test -count=1 -run '^$$' -bench '^Benchmark(ColdStart|FirstCommand)$$' -benchtime 20x ./sandboxmgr/process ./sandboxmgr/docker

soak: setup ## Kill the edge 100 times under load, race 10,000 calls on ten sandboxes, reload 60 times under a million requests, carry 10 GiB through 1,000 bridges of each engine, and look for what was lost or left
	EDGE_CRASH_ROUNDS=100 EDGE_RACING_ROUNDS=10000 $(GO) test -count=1 -timeout 90m -v -run '^Test(Crash|Racing)$$' ./cmd/edge/e2e
	EDGE_RELOADS=60 EDGE_RELOAD_SOCKETS=1000 EDGE_RELOAD_REQUESTS=1000000 $(GO) test -count=1 -timeout 90m -v -run '^TestReloadUnderLoad$$' ./cmd/edge/e2e
	EDGE_BRIDGE_MIB=10240 EDGE_BRIDGE_BRIDGES=1000 EDGE_BRIDGE_OPENS=100000 $(GO) test -count=1 -timeout 90m -parallel 1 -v -run '^TestEngine(Soak|SoakFaults|OpensAndCloses)$$' ./bridge

fuzz: go-version ## Run each fuzz target for FUZZTIME (20s)
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' "$$pkg" | sed -n '/^Fuzz/p'); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$pkg"; \
		done; \
	done

clean: ## Remove what was built and fetched; sandboxes and their state stay
	rm -rf bin node_modules $(inits) $(engine)

# --- what the targets above are made of ---

setup: bin/edge $(bun) $(modules)

# What previews are tried with: dev servers from npm, and the image's Node to run
# them in sandboxes that have no image.
tools: node_modules/.dev bin/node/node

go-version:
	@command -v $(GO) >/dev/null || { echo "make: there is no Go here: install Go $$(sed -n 's/^go //p' go.mod) or later"; exit 1; }

bin/edge: $(sources) $(inits) $(engine) | go-version
	$(GO) build -trimpath $(ldflags) -o $@ ./cmd/edge

bin/edge-bench: $(bench) | go-version
	$(GO) build -trimpath -o $@ ./cmd/edge-bench

build/bench/route.wasm: $(sdk) $(wildcard cmd/edge-bench/testdata/route/*.go) | go-version
	GOOS=wasip1 GOARCH=wasm $(GO) build -buildmode=c-shared -trimpath -o $@ ./cmd/edge-bench/testdata/route

bin/edge-linux-%: $(sources) $(inits) $(engine) | go-version
	GOOS=linux GOARCH=$* $(GO) build -trimpath $(ldflags) -o $@ ./cmd/edge

# The same sources always make the same bytes, so that sandboxes need no new init
# for each commit.
cmd/edge/assets/init-linux-%: $(init) | go-version
	GOOS=linux GOARCH=$* $(GO) build -buildvcs=false -trimpath -ldflags '-s -w -buildid=' -o $@ ./cmd/edge-init

# The JavaScript engine of plugins in TypeScript.
$(engine): node_modules/.package-lock.json
	cp node_modules/quickjs-wasi/quickjs.wasm $@

bin/wasm/%.wasm: $(sdk) $$(shell find examples/wasm/$$* -type f 2>/dev/null) | go-version
	GOOS=wasip1 GOARCH=wasm $(GO) build -buildmode=c-shared -trimpath -o $@ ./examples/wasm/$*

$(ascripts): bin/wasm/%.wasm: $(wildcard abi/assemblyscript/*) $$(shell find examples/wasm/$$* -type f 2>/dev/null) node_modules/.package-lock.json
	@mkdir -p $(@D)
	cd examples/wasm/$* && node $(CURDIR)/node_modules/assemblyscript/bin/asc.js --config asconfig.json --outFile $(CURDIR)/$@

rust_flags := --edition 2021 -D warnings -C opt-level=2 -C target-feature=+bulk-memory -C panic=abort --target wasm32-unknown-unknown

$(rusts): bin/wasm/%.wasm: $$(shell find examples/wasm/$$* examples/wasm/echo -type f) build/rust/libedge.rlib Makefile
	@mkdir -p $(@D)
	$(rustc) $(rust_flags) -C strip=symbols --crate-type cdylib --crate-name plugin --extern edge=build/rust/libedge.rlib -o $@ examples/wasm/$*/lib.rs

build/rust/libedge.rlib: $(shell find abi/rust/src -name '*.rs') Makefile
	@mkdir -p $(@D)
	$(rustc) $(rust_flags) --crate-type rlib --crate-name edge --out-dir $(@D) abi/rust/src/lib.rs

c_flags := -std=c11 -Wall -Wextra -Werror -O2 -mbulk-memory -ffunction-sections -fdata-sections --target=wasm32-wasi -mexec-model=reactor -Wl,--gc-sections,--strip-all

$(cs): bin/wasm/%.wasm: $$(shell find examples/wasm/$$* -type f) build/c/server.inc $(wildcard abi/c/*.c abi/c/*.h) Makefile
	@mkdir -p $(@D)
	$(clang) $(c_flags) -I abi/c -I build/c -o $@ examples/wasm/$*/plugin.c abi/c/edge_*.c

# The server's lines as literals, to include.
build/c/server.inc: examples/wasm/echo/server.ts
	@mkdir -p $(@D)
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/' $< > $@

no-rust:
	@echo "make: examples in Rust are not built: no rustc here has the target wasm32-unknown-unknown (Debian: apt install rustc libstd-rust-dev-wasm32)"
	@[ "$$CI" != true ]

no-clang:
	@echo "make: examples in C are not built: there is no clang for wasm32-wasi here (Debian: apt install clang lld wasi-libc libclang-rt-dev-wasm32)"
	@[ "$$CI" != true ]

node_modules/.package-lock.json: package.json package-lock.json
	@command -v $(NPM) >/dev/null || { echo "make: there is no npm here: install Node.js with npm"; exit 1; }
	$(NPM) ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# The packages that are there already are installed again, the same ones: what was
# made of them stays up to date, or everybody who asks for it next makes it again,
# several at the same time where packages' tests run beside each other.
node_modules/.dev: node_modules/.package-lock.json
	@mkdir -p build && touch -r $< build/.npm
	@[ -d node_modules/vite ] || $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch -r build/.npm $< && touch $@

bin/node/node: sandboxmgr/docker/image/package.json sandboxmgr/docker/image/package-lock.json
	@command -v $(NPM) >/dev/null || { echo "make: there is no npm here: install Node.js with npm"; exit 1; }
	@mkdir -p build/node $(@D)
	cp $^ build/node
	cd build/node && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@for b in build/node/node_modules/node-linux-*/bin/node; do \
		if [ -x "$$b" ]; then ln -f "$$b" $@ 2>/dev/null || cp "$$b" $@; fi; \
	done
	@rm -rf build/node
	@[ -x $@ ] || { echo "make: npm has no Node for this machine"; exit 1; }
	@touch $@

bin/peers/workerd: node_modules/.dev
	@mkdir -p $(@D)
	@for b in node_modules/@cloudflare/workerd-*/bin/workerd; do \
		if [ -x "$$b" ]; then ln -f "$$b" $@ 2>/dev/null || cp "$$b" $@; fi; \
	done
	@[ -x $@ ] || { echo "make: npm has no workerd for this machine"; exit 1; }
	@touch $@

# A link will not do: the folder is mounted into sandboxes, which see nothing else.
$(bun): node_modules/.package-lock.json
	@mkdir -p $(@D)
	@for b in node_modules/@oven/bun-*/bin/bun; do \
		if [ -x "$$b" ]; then ln -f "$$b" $@ 2>/dev/null || cp "$$b" $@; fi; \
	done
	@[ -x $@ ] || { echo "make: npm has no Bun for this machine; sandboxes need an image that has one (make image)"; mkdir -p $(@D); : >$@; }
	@touch $@
