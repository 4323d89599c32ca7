# SPDX-License-Identifier: Apache-2.0
#
# `make help` lists the targets. V=1 shows the commands.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := build

V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = @printf '  %-8s %s\n'

# Where things are built and installed.
BUILD := build
BIN := $(BUILD)/bin
BPF := $(BUILD)/bpf
DESTDIR ?=
PREFIX ?= /usr/local
CNI_BIN_DIR ?= /opt/cni/bin

# ------------------------------------------------------------------ packages
DEPS := libbpf-dev libelf-dev zlib1g-dev iproute2 socat iputils-ping procps openssl
BENCH_DEPS := containernetworking-plugins iperf3

.PHONY: deps bench-deps
deps: ## install the Debian packages that are missing
	$(Q)deploy/deps.sh $(DEPS)

bench-deps: deps
	$(Q)deploy/deps.sh $(BENCH_DEPS)

# -------------------------------------------------------------- kernel programs
# The compiler is the clang of the Swift toolchain: it has the bpf target.
SWIFT := $(shell command -v swift)
CLANG ?= $(firstword $(wildcard $(dir $(SWIFT))clang $(dir $(realpath $(SWIFT)))clang) clang)
ARCH := $(shell uname -m)
BPF_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(ARCH)))
# Cold blocks split into functions of their own are static functions that libbpf refuses.
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -Xclang -fno-split-cold-code -std=gnu11 -D__TARGET_ARCH_$(BPF_ARCH) \
	-Wall -Wextra -Werror -Ibpf -idirafter /usr/include/$(ARCH)-linux-gnu
BPF_PROGRAMS := $(patsubst bpf/%.bpf.c,$(BPF)/%.bpf.o,$(wildcard bpf/*.bpf.c))
BPF_TESTS := $(patsubst bpf/tests/%.bpf.c,$(BPF)/%.bpf.o,$(wildcard bpf/tests/*.bpf.c))

.PHONY: bpf
bpf: $(BPF_PROGRAMS) $(BPF_TESTS) ## compile the kernel programs

vpath %.bpf.c bpf bpf/tests
$(BPF)/%.bpf.o: %.bpf.c $(BPF)/%.bpf.d Makefile | deps
	$(say) BPF $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
	$(Q)touch $@

# Each object's headers; an object without such a list is compiled again.
BPF_HEADERS := $(BPF_PROGRAMS:.o=.d) $(BPF_TESTS:.o=.d)
$(BPF_HEADERS):
-include $(wildcard $(BPF_HEADERS))

# ----------------------------------------------------------------------- build
# A word more is a program more: it is built, installed, and a part of the image, but for the one that runs where the
# operators of a cluster are.
PRODUCTS := skein-agent skein-cni skein skein-cluster
# Another name of the agent's program, under which it is the operator.
OPERATOR := skein-operator
RELEASE := -c release --static-swift-stdlib
# Folders are named too, so that a file that was removed counts as a change.
SWIFT_INPUTS := Package.swift $(shell find Sources bpf/abi)
BENCH_INPUTS := $(shell find Tests/Bench Tests/BenchReport Tests/TestSupport)
SCALE_INPUTS := $(shell find Tests/Scale Tests/BenchReport)

.PHONY: build
build: bpf $(BIN)/.built ## build the programs (build/bin) and the kernel programs (build/bpf)

$(BIN)/.built: $(SWIFT_INPUTS) | deps
	$(Q)mkdir -p $(BIN)
	$(say) SWIFT '$(PRODUCTS) (release; minutes the first time, seconds after that)'
	$(Q)for product in $(PRODUCTS); do \
		swift build $(RELEASE) --product $$product; \
		strip -o $(BIN)/.$$product .build/release/$$product; \
		mv $(BIN)/.$$product $(BIN)/$$product; \
	done
	$(Q)ln -f $(BIN)/skein-agent $(BIN)/$(OPERATOR)
	$(Q)touch $@

# ------------------------------------------------------------------------ test
export SKEIN_BIN_DIR := $(abspath $(BIN))
export SKEIN_BPF_DIR := $(abspath $(BPF))

.PHONY: test demo demo-stop bench e2e e2e-cluster e2e-stop e2e-scale
test: build check-cni ## run every test suite (FILTER=Name for some; as root, else the kernel's are skipped)
	$(say) SWIFT 'tests (debug)'
	$(Q)swift build --build-tests
	$(Q)V=$(V) deploy/test.sh $(BUILD)/test.log $(if $(FILTER),--filter '$(FILTER)')

demo: build ## policies at work between real network namespaces (KEEP=1 leaves it running; as root)
	$(Q)KEEP=$(KEEP) deploy/demo/demo.sh

demo-stop: ## end what `make demo KEEP=1` left running
	$(Q)deploy/demo/stop.sh

e2e: image ## Skein on a real Kubernetes (MODE=tunnel or native, TOPICS='policies many' for some, KEEP=1; as root)
	$(Q)KEEP=$(KEEP) deploy/e2e/suite.sh $(if $(MODE),--mode $(MODE)) $(TOPICS)

e2e-cluster: ## a real Kubernetes of NODES=3 nodes on this machine, without a pod network (built once; as root)
	$(Q)deploy/e2e/cluster.sh up $(or $(NODES),3)

e2e-stop: ## end it
	$(Q)deploy/e2e/cluster.sh down

e2e-scale: build $(BIN)/.scale ## an agent in a cluster of 5,000 nodes and 50,000 pods (OUT=file, DURATION=90; as root)
	$(Q)SKEIN_SCALE=.build/release/skein-scale deploy/e2e/scale.sh $(if $(OUT),--out '$(OUT)') \
		$(if $(DURATION),--seconds '$(DURATION)')

$(BIN)/.scale: $(SWIFT_INPUTS) $(SCALE_INPUTS) $(BIN)/.built
	$(say) SWIFT 'skein-scale (release)'
	$(Q)swift build $(RELEASE) --product skein-scale
	$(Q)touch $@

bench: build bench-deps $(BIN)/.bench ## measure and print a table (OUT=file also writes JSON; as root)
	$(Q).build/release/skein-bench $(if $(OUT),--out '$(OUT)') $(BENCH_ARGS)

$(BIN)/.bench: $(SWIFT_INPUTS) $(BENCH_INPUTS) $(BIN)/.built
	$(say) SWIFT 'skein-bench (release)'
	$(Q)swift build $(RELEASE) --product skein-bench
	$(Q)touch $@

# ------------------------------------------------------------------------ lint
SWIFT_SOURCES := Package.swift Sources Tests deploy
C_SOURCES := $(shell find bpf Sources deploy -name '*.[ch]' -not -path 'bpf/include/*')
# Scripts that others include are read along with those.
SCRIPTS := .ci/run $(shell find deploy -name '*.sh' -perm -u+x)
CHECK_IMPORTS := $(BUILD)/lint/check-imports

.PHONY: fmt lint check-format check-imports check-size check-headers check-scripts check-chart check-cni
fmt: ## format the sources
	$(Q)swift format --in-place --parallel --recursive $(SWIFT_SOURCES)
	$(Q)! command -v clang-format >/dev/null || clang-format -i $(C_SOURCES)

lint: check-format check-imports check-size check-headers check-scripts check-chart ## all checks that need no build
	$(Q)[ ! -f $(BIN)/.built ] || $(MAKE) --no-print-directory check-cni
	$(say) LINT 'no findings'

check-format:
	$(say) CHECK 'format'
	$(Q)swift format lint --strict --parallel --recursive $(SWIFT_SOURCES)
	$(Q)if command -v clang-format >/dev/null; then clang-format --dry-run -Werror $(C_SOURCES); \
		else echo '           (no clang-format here: C is not checked)'; fi

check-imports: $(CHECK_IMPORTS) $(BUILD)/lint/package.json ## imports against declared dependencies and the layer table
	$(say) CHECK 'imports'
	$(Q)deploy/lint/selftest.sh $(CHECK_IMPORTS)
	$(Q)$(CHECK_IMPORTS) $(BUILD)/lint/package.json deploy/lint/layers.txt .

$(CHECK_IMPORTS): deploy/lint/check-imports.swift
	$(Q)mkdir -p $(@D)
	$(Q)swiftc -swift-version 6 -warnings-as-errors -O $< -o $@

$(BUILD)/lint/package.json: Package.swift
	$(Q)mkdir -p $(@D)
	$(Q)swift package dump-package >$@

check-size: ## no file grows beyond one subject
	$(say) CHECK 'sizes'
	$(Q)deploy/lint/check-size.sh

check-headers:
	$(say) CHECK 'licences'
	$(Q)deploy/lint/check-headers.sh

check-scripts:
	$(say) CHECK 'scripts'
	$(Q)for script in $$(find .ci/run deploy -name run -o -name '*.sh'); do bash -n $$script; done
	$(Q)if command -v shellcheck >/dev/null; then shellcheck -x --source-path=SCRIPTDIR $(SCRIPTS); \
		else echo '           (no shellcheck here: only the syntax is checked)'; fi

HELM ?= helm
export HELM
check-chart: # the chart against the manifests, and all versions against the agent's
	$(say) CHECK 'chart'
	$(Q)[ -n '$(VERSION)' ] && grep -qx 'version: $(VERSION)' deploy/helm/skein/Chart.yaml && \
		grep -qx 'appVersion: $(VERSION)' deploy/helm/skein/Chart.yaml && \
		! grep -h 'image:' deploy/manifests/*.yaml | grep -v ':$(VERSION)$$' || \
		{ echo 'not the version of the agent, $(VERSION)'; exit 1; }
	$(Q)if command -v $(HELM) >/dev/null; then deploy/helm/chart.sh check; \
		else echo '           (no helm here: the chart is not rendered)'; fi

check-cni: $(BIN)/.built # the binary that starts for every pod stays light
	$(say) CHECK 'skein-cni'
	$(Q)deploy/lint/check-cni.sh .build/release/skein-cni

# ----------------------------------------------------------------------- image
VERSION := $(shell sed -nE 's/.*static let version = "(.*)"/\1/p' Sources/skein-agent/SkeinAgent.swift)
IMAGE ?= localhost/skein:$(VERSION)
IMAGE_FILE := $(BUILD)/skein-image.tar

.PHONY: image
image: build ## one image of everything, for ctr, docker and podman (build/skein-image.tar; IMAGE=name:tag)
	$(Q)deploy/image/build.sh '$(IMAGE)' $(IMAGE_FILE) $(BIN) $(BPF) \
		$(filter-out skein-cluster,$(PRODUCTS)) $(OPERATOR)

.PHONY: manifests
manifests: ## deploy/manifests from the chart, deploy/helm (HELM=path)
	$(Q)deploy/helm/chart.sh render

# --------------------------------------------------------------------- install
.PHONY: install clean help
install: build ## install below $(DESTDIR)$(PREFIX), the plugin in $(DESTDIR)$(CNI_BIN_DIR)
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/skein/bpf $(DESTDIR)$(CNI_BIN_DIR)
	$(Q)install -m 755 $(addprefix $(BIN)/,$(filter-out skein-cni,$(PRODUCTS))) $(DESTDIR)$(PREFIX)/bin/
	$(Q)ln -f $(DESTDIR)$(PREFIX)/bin/skein-agent $(DESTDIR)$(PREFIX)/bin/$(OPERATOR)
	$(Q)install -m 755 $(BIN)/skein-cni $(DESTDIR)$(CNI_BIN_DIR)/
	$(Q)install -m 644 $(BPF_PROGRAMS) $(DESTDIR)$(PREFIX)/lib/skein/bpf/

clean: ## remove what was built (downloaded packages stay)
	$(Q)rm -rf $(BUILD)
	$(Q)swift package clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
