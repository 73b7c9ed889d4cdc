# Two words do everything: `make run` shows it, `make test` judges it. `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test fmt bench

help: ## List these words
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build, break the demo town, resolve the incident on screen, leave a server to explore
	@scripts/run.sh

test: ## Everything that CI runs: format, lints, docs, licences, tests, and the stages with real components
	@scripts/test.sh

fmt: ## Format the sources
	@cargo fmt --all

bench: ## Measure the evidence engine
	@cargo bench --workspace
