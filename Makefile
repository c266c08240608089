# Everything a developer or a CI machine runs. `make demo` and `make test` install what they need
# (Debian packages, with sudo where the caller is not root); nothing else has to be prepared.

PREFIX ?= /usr/local

.PHONY: help demo build test ci fmt-check clippy doc deny bench install clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: ## install what is needed, build dhow, build testdata/hello with it and run it
	@scripts/packages build
	@scripts/demo

build: ## the release binary: one static executable, target/dhow
	@scripts/build-release

test: ## install what the tests need and run them all
	@scripts/packages build test
	@scripts/test

ci: fmt-check clippy doc deny ## what CI runs: format, lints, documentation, licences, every test
	@scripts/packages build test
	@DHOW_TEST_NO_SKIP=1 scripts/test

fmt-check:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

deny:
	@scripts/deny

bench: ## side by side with docker, buildah, podman and crun, as a table
	@scripts/packages build bench
	@scripts/build-release
	@bench/run

install: ## the release binary into $(PREFIX)/bin
	@scripts/build-release
	install -D -m 755 target/dhow $(DESTDIR)$(PREFIX)/bin/dhow

clean: ## remove what was built
	cargo clean
