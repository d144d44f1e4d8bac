# What there is to do, each target explained by `make help`.

TARGET  := x86_64-unknown-linux-musl
DIST    ?= target/$(TARGET)/dist
LAB     := cargo run --quiet --locked --package tests --bin railhead-lab --

PREFIX  ?= /usr/local
CNI_BIN ?= /opt/cni/bin
ETC     ?= /etc
# Empty: what is in DIST already is installed.
BUILD   ?= build
UNITS   := railhead.service railhead-boot.service

.PHONY: help setup build demo shell test test-fast test-vm test-deb bench lint audit install uninstall deb

help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## Bring what is missing: packages, the guest's kernel, the musl target, cnitool (as root; what needs it calls it)
	@tests/setup.sh

build: setup ## Build what is shipped: static binaries of profile dist
	cargo build --locked --config .cargo/dist.toml --target-dir target --target $(TARGET) --profile dist --package daemon --package cni
	@ls -l $(DIST)/railhead $(DIST)/railhead-cni

demo: setup ## Show in a VM with SR-IOV what railhead does, from policy to pods
	@$(LAB) demo

shell: setup ## Open a shell in that VM, with everything installed; exit powers it off
	@$(LAB) shell

test: lint ## Run all that .ci/run runs: lint, pure tests, namespace tests, VM tests
	cargo test --locked --workspace --no-fail-fast

test-fast: ## Run the tests that need no VM
	RAILHEAD_SKIP_VM=1 cargo test --locked --workspace --no-fail-fast

test-vm: setup ## Run the tests in the VM; FILTER=words leaves those whose name contains it
	@$(LAB) test $(FILTER)

bench: ## Measure, each figure beside its floor or another program (as root); FILTER=words, OUTPUT=json
	@$(LAB) bench $(if $(OUTPUT),-o $(OUTPUT)) $(FILTER)

lint: setup ## Check format, lints, the arrows between the packages, the dependencies and the units
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --no-deps --quiet
	tests/arrows.sh
	@tests/setup.sh cargo-deny
	target/lab/bin/cargo-deny check licenses sources bans
	tests/units.sh

audit: ## Check the dependencies: licences, sources, versions, and what is known against them (needs the RustSec database)
	@tests/setup.sh cargo-deny
	target/lab/bin/cargo-deny check

deb: build ## Make a Debian package of it in target/debian
	@tests/setup.sh cargo-deb
	packaging/deb.sh dist target/debian

test-deb: build ## Install, upgrade, remove and purge that package, over this machine's files and not in them (as root)
	@tests/setup.sh cargo-deb
	tests/deb.sh

# Programs are put beside their place and renamed into it: what runs goes on with the old one, and a
# power cut leaves the old one or the new one.
install: $(BUILD) ## Install on this machine, or upgrade it while it works; PREFIX, CNI_BIN, ETC and DESTDIR say where
	install -D -m 755 $(DIST)/railhead $(DESTDIR)$(PREFIX)/bin/.railhead.new
	mv -f $(DESTDIR)$(PREFIX)/bin/.railhead.new $(DESTDIR)$(PREFIX)/bin/railhead
	install -d $(DESTDIR)$(CNI_BIN)
	$(DIST)/railhead-cni install $(DESTDIR)$(CNI_BIN)
	install -d $(DESTDIR)$(ETC)/systemd/system
	for unit in $(UNITS); do \
		sed 's#/usr/bin/#$(PREFIX)/bin/#' systemd/$$unit >$(DESTDIR)$(ETC)/systemd/system/.$$unit && \
		mv -f $(DESTDIR)$(ETC)/systemd/system/.$$unit $(DESTDIR)$(ETC)/systemd/system/$$unit || exit 1; \
	done
	install -D -m 644 systemd/tmpfiles.d/railhead.conf $(DESTDIR)$(ETC)/tmpfiles.d/railhead.conf
	install -D -m 644 systemd/railhead.rules $(DESTDIR)$(ETC)/udev/rules.d/10-railhead.rules
	install -D -m 644 systemd/railhead.network $(DESTDIR)$(ETC)/systemd/network/00-railhead.network
	install -D -m 644 examples/railhead.yaml $(DESTDIR)$(ETC)/railhead/railhead.yaml.example
	@echo "Installed. To start: systemd-tmpfiles --create && systemctl daemon-reload && systemctl enable --now railhead-boot railhead"
	@echo "After an upgrade: systemctl daemon-reload && systemctl restart railhead"

uninstall: ## Take away what install put there; settings, objects and what /var/lib/railhead holds stay
	if [ -e $(DESTDIR)$(CNI_BIN)/railhead-cni ]; then \
		$(DESTDIR)$(CNI_BIN)/railhead-cni uninstall $(if $(DESTDIR),--force) $(DESTDIR)$(CNI_BIN) || true; \
	fi
	rm -f $(DESTDIR)$(PREFIX)/bin/railhead
	rm -f $(addprefix $(DESTDIR)$(ETC)/systemd/system/,$(UNITS)) $(DESTDIR)$(ETC)/tmpfiles.d/railhead.conf
	rm -f $(DESTDIR)$(ETC)/udev/rules.d/10-railhead.rules $(DESTDIR)$(ETC)/systemd/network/00-railhead.network
	rm -f $(DESTDIR)$(ETC)/railhead/railhead.yaml.example
