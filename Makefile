# Two words do everything: `make run` shows it, `make test` judges it. `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test crash seeds fmt bench

help: ## List these words
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build, break the demo town, resolve the incident on screen, leave a server to explore
	@scripts/run.sh

test: ## Everything that CI runs: format, lints, docs, licences, tests, and the stages with real components
	@scripts/test.sh

crash: ## kill -9 a real server a hundred times under load, then workers and their database for ten minutes
	@SENTINELL_KILLS=100 SENTINELL_CRASH_SECONDS=600 scripts/test.sh crash

seeds: ## Play ten thousand seeds of the town; SENTINELL_SEED=n replays one
	@scripts/test.sh seeds

fmt: ## Format the sources
	@cargo fmt --all

bench: ## Measure the speed table of BENCHMARKS.md, peers in the same run
	@scripts/bench/run --write
