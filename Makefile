# Needs Python 3.11, make and a package registry; everything else is put into .venv.

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# Recursive on purpose: the shell runs only where a target needs it.
PYTHON ?= $(shell for p in python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BROKEN := $(VENV)/.incomplete

.PHONY: help setup run test browser fuzz faults-local faults-cloud load mutants audit accuracy bench lint format lock clean synth deploy-check combinations deploy smoke teardown source-events secrets requirements images-check wheel-check pack-facts

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | column -t -s "$$(printf '\t')" 2>/dev/null \
	|| grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST)

setup: $(READY) ## .venv with every pinned package and the talent-frames command

# uv installs in a quarter of pip's time. It reads none of pip's configuration, so what pip would use is handed to it;
# where it still fails (a proxy or an index only pip knows how to reach) pip does the same, slower.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 found; give one as PYTHON=/path/to/python3.11" >&2; exit 2; }
	@if [ -e $(BROKEN) ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "making $(VENV)"; "$(PYTHON)" -m venv --clear $(VENV); fi
	@touch $(BROKEN)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt \
	|| echo "no uv here, going on with pip"
	@index="$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)}"; \
	extra="$${PIP_EXTRA_INDEX_URL:-$$($(BIN)/python -m pip config get global.extra-index-url 2>/dev/null || true)}"; \
	links="$${PIP_FIND_LINKS:-$$($(BIN)/python -m pip config get global.find-links 2>/dev/null || true)}"; \
	export UV_INDEX_STRATEGY=unsafe-best-match UV_NO_PROGRESS=1; \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; \
	[ -z "$$extra" ] || export UV_INDEX="$${UV_INDEX:-$$(echo $$extra)}"; \
	[ -z "$$links" ] || export UV_FIND_LINKS="$${UV_FIND_LINKS:-$$(echo $$links | tr ' ' ',')}"; \
	install() { "$$@" --no-deps --require-hashes -r requirements.lock && "$$@" --no-deps -e .; }; \
	install $(BIN)/uv pip install --quiet --python $(BIN)/python \
	|| { echo "uv could not install, trying pip"; install $(BIN)/python -m pip install --quiet --disable-pip-version-check; }
	@rm $(BROKEN)
	@touch $@

run: setup ## find the people of VIDEO=path (a demo clip without it); ARGS="..." adds options
	@$(if $(VIDEO),$(BIN)/talent-frames run "$(VIDEO)" $(ARGS),$(BIN)/talent-frames demo $(ARGS))

test: lint ## ruff, mypy and the whole test suite in JOBS (2) processes; COV=1 shows how much of the code it ran
	@$(BIN)/python -m pytest --numprocesses $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder $(if $(COV),--cov --cov-report=term:skip-covered)

# Pages are tested in a browser; without it those tests are skipped and say so.
browser: ## what the tests of pages need: Debian's chromium where it is missing (apt-get), axe-core (npm)
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null || { echo "make: install Chromium as the command chromium" >&2; exit 2; }; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; $$sudo apt-get install -y --no-install-recommends chromium; }
	@test -e node_modules/axe-core/axe.min.js || npm install --no-package-lock --no-audit --no-fund --loglevel=error

fuzz: setup ## read N damaged files (1000) under limits of time and memory; SEED=7 for others, KEEP=folder keeps those that end wrongly
	@$(BIN)/python -m tests.fuzz --count $(or $(N),1000) --seed $(or $(SEED),1) $(if $(KEEP),--keep "$(KEEP)")

faults-local: setup ## N schedules of faults (200) through local runs, and how they ended; stopped, it goes on; SEED=7 for others, ARGS="--only 12" for one
	@$(BIN)/python -m tests.faults local --count $(or $(N),200) --seed $(or $(SEED),1) $(ARGS)

faults-cloud: setup ## the same through the pipeline in an emulated account
	@$(BIN)/python -m tests.faults cloud --count $(or $(N),200) --seed $(or $(SEED),1) $(ARGS)

load: setup ## 50 videos at once through an emulated account, 300 chunks in one warm worker; VIDEOS=, CHUNKS=, ARGS="chunks" for one of them
	@$(BIN)/python -m tests.load $(if $(VIDEOS),--videos $(VIDEOS)) $(if $(CHUNKS),--chunks $(CHUNKS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

mutants: setup ## switch each feature of detect, cluster and shots off and see a test go red (a quarter of an hour); ARGS="--only static_gops" for some
	@$(BIN)/python -m tests.switched_off $(ARGS)

audit: setup ## known vulnerabilities and licences of the pinned packages, and their bill of materials into out/sbom.json
	@$(BIN)/python -m benchmarks.audit $(ARGS)

accuracy: setup ## measure people in real film, then who is who, best frames, scenes and names; writes docs/accuracy.md. ARGS=real does one part
	@$(BIN)/python -m benchmarks.accuracy $(ARGS)

bench: setup ## measure beside the usual way and the limits; writes docs/performance.md. ARGS="--kinds gop250 --seconds 180" does one clip
	@$(BIN)/python -m benchmarks.bench $(ARGS)

lint: setup ## ruff and mypy alone
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup ## let ruff put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup ## write requirements.lock anew from pyproject.toml, with the sha256 of every file
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --extra dev --group models --group make --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --generate-hashes pyproject.toml -o requirements.lock

# The cloud; docs/deploy.md. CONTEXT="-c gpu=true" sets options, infra/settings.py lists them; STAGE=dev takes those of
# settings/dev.json. APPROVE=never deploys without asking, OUTPUTS=file.json writes the stack's outputs there.

CDK := node_modules/.bin/cdk
CONTEXT ?=
STAGE ?=
APPROVE ?=
OUTPUTS ?=
CHOSEN = $(if $(STAGE),-c settings_file=settings/$(STAGE).json) $(CONTEXT)

$(CDK): package.json
	@command -v npm >/dev/null || { echo "make: npm not found; install Node 22 or newer" >&2; exit 2; }
	@npm install --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

synth: setup $(CDK) ## write the CloudFormation template to cdk.out; CONTEXT="-c name=value" sets options
	@$(CDK) synth --quiet --no-notices $(CHOSEN)
	@ls -1 cdk.out/*.template.json

deploy-check: synth ## linters and tests of the template, and whether the account's quotas suffice; changes nothing
	@$(BIN)/cfn-lint cdk.out/*.template.json
	@$(BIN)/python -m infra.asl cdk.out/*.template.json > cdk.out/pipeline.asl.json
	@node_modules/.bin/asl-validator --json-path cdk.out/pipeline.asl.json
	@$(BIN)/python -m pytest -q tests/infra
	@$(BIN)/python -m infra.account $(CHOSEN)

combinations: setup $(CDK) ## synthesize ten kinds of deployment, of several regions, and lint each (minutes)
	@$(BIN)/python -m infra.combinations $(ARGS)

deploy: setup $(CDK) ## deploy to the AWS account of the environment's credentials; needs Docker
	@test -t 0 -o -n "$(APPROVE)" || { echo "make: nobody is here to be asked: add APPROVE=never to deploy without" >&2; exit 2; }
	@$(CDK) deploy --no-notices $(if $(APPROVE),--require-approval $(APPROVE) --progress events) \
		$(if $(OUTPUTS),--outputs-file $(OUTPUTS)) $(CHOSEN)

smoke: setup ## after a deployment: a video of known people goes in, what comes out is looked at; ARGS="--stack NAME"
	@$(BIN)/python -m infra.smoke $(if $(OUTPUTS),--outputs $(OUTPUTS)) $(ARGS)

teardown: setup $(CDK) ## empty what holds intermediate data, delete the stack, say what is kept
	@$(BIN)/python -m infra.teardown $(ARGS)

source-events: setup ## let the bucket you already have, BUCKET=name, tell EventBridge of uploads
	@$(BIN)/python -m infra.source_events "$(BUCKET)"

secrets: setup ## let webhook and database use their secrets as Secrets Manager holds them now
	@$(BIN)/python -m infra.secrets $(ARGS)

requirements: setup ## write lambdas/*/requirements*.txt anew, pinned for Python 3.12 on both architectures
	@$(BIN)/python -m infra.requirements compile

wheel-check: setup ## build the wheel and run the demo from it alone, in clean environments of Python 3.11, 3.12 and 3.13 (minutes)
	@$(BIN)/python -m benchmarks.wheel_check $(ARGS)

images-check: setup ## try the images' install steps without Docker (minutes)
	@$(BIN)/python -m infra.requirements check

pack-facts: setup ## write infra/pack_facts.json anew
	@$(BIN)/python -m infra.pack_facts

clean: ## remove .venv, caches and out/
	rm -rf $(VENV) node_modules cdk.out out build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
