# Every command of the project. `make help` lists them.
# Needs only Python 3.11+ (with venv) and make; the first target that runs installs the rest into .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
BENCH  := $(VENV)/.bench-ready

export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export MPLBACKEND := Agg

.DEFAULT_GOAL := help
.PHONY: help install run schema train handbook evaluate replay audit-labels drift-report bench-audit bench-train bench-models bench-scaling bench-labels bench-monitors bench-burst bench-serve ablate readme-figures serve demo-traffic backup restore archive erase-card api-key check format test audit lock clean

help: ## list the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## install the exact versions of requirements.lock into .venv

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11; say PYTHON=/path/to/python3.11"; exit 1; }
	@echo "installing the packages of requirements.lock into $(VENV): a few minutes, once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(READY)

$(BENCH): requirements-bench.lock $(READY)
	@echo "installing what the benchmarks compare with: once"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-bench.lock
	@touch $(BENCH)

run: $(READY) ## the main job on a simulated stream; leaves runs/demo/report.html   [SEED=1 DAYS=120 MODEL=laplace OUT=runs/demo]
	@$(BIN)/python -m pipelines run $(if $(SEED),--seed $(SEED)) $(if $(DAYS),--days $(DAYS)) \
	  --model $(or $(MODEL),laplace) --out "$(or $(OUT),runs/demo)"

schema: $(READY) ## guess a schema from what a file holds, to be corrected by hand   DATA=f [OUT=f.toml]
	@$(BIN)/python -m pipelines schema --data "$(DATA)" $(if $(OUT),--out "$(OUT)")

train: $(READY) ## the main job on your own file or folder   DATA=f SCHEMA=s [LABELS=f OUT=dir MODEL=laplace]
	@test -n "$(DATA)" && test -n "$(SCHEMA)" || { echo "error: say DATA=file SCHEMA=file.toml (make schema writes one)"; exit 2; }
	@$(BIN)/python -m pipelines train --data "$(DATA)" --schema "$(SCHEMA)" $(if $(LABELS),--labels "$(LABELS)") \
	  --out "$(or $(OUT),runs/train)" --model $(or $(MODEL),laplace)

handbook: $(READY) ## the Handbook's stream by its own protocol, beside its published figures   DATA=f [FOLDS=choice: earlier weeks only]
	@test -n "$(DATA)" || { echo "error: say DATA=file"; exit 2; }
	@$(BIN)/python -m pipelines handbook --data "$(DATA)" --model $(or $(MODEL),laplace) \
	  --folds $(or $(FOLDS),test)

evaluate: $(READY) ## metrics.json and report.html again, from a run's other files   RUN=dir
	@$(BIN)/python -m pipelines evaluate --run "$(or $(RUN),runs/demo)"

replay: $(READY) ## prove a run: replay its ledger and compare every byte   RUN=dir
	@$(BIN)/python -m pipelines replay --run "$(or $(RUN),runs/demo)"

audit-labels: $(READY) ## the labels of a run that look wrong, ranked, with reasons   RUN=dir [OUT=f.csv TOP=1000]
	@OMP_NUM_THREADS=1 $(BIN)/python -m pipelines audit-labels --run "$(or $(RUN),runs/demo)" $(if $(OUT),--out "$(OUT)") $(if $(TOP),--top $(TOP))

drift-report: $(READY) ## two windows of a ledger compared by Evidently   [RUN=dir | LEDGER=f REFERENCE=FROM..TO CURRENT=FROM..TO SAMPLE=20000 OUT=dir]
	@$(BIN)/python -m pipelines drift-report $(if $(LEDGER),--ledger "$(LEDGER)",--run "$(or $(RUN),runs/demo)") \
	  $(if $(REFERENCE),--reference "$(REFERENCE)") $(if $(CURRENT),--current "$(CURRENT)") $(if $(SAMPLE),--sample $(SAMPLE)) \
	  --out "$(or $(OUT),runs/drift-report)" --results results/drift-report.json

bench-audit: $(READY) ## does the label audit find planted false reports? against an oracle
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.audit

bench-train: $(BENCH) ## learning, features and replay beside river, Vowpal Wabbit, polars, pandas   [DATA=f ROUNDS=3]
	@$(BIN)/python -m benchmarks.train $(if $(DATA),--data "$(DATA)") $(if $(ROUNDS),--rounds $(ROUNDS))

bench-models: $(BENCH) ## the learners where the truth is known, beside the best possible and Vowpal Wabbit   [SEEDS=5]
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.models $(if $(SEEDS),--seeds $(SEEDS))

bench-scaling: $(READY) ## is the cost linear? a stream against one ten times as long
	@$(BIN)/python -m benchmarks.scaling

bench-labels: $(READY) ## late labels: what waiting costs, and what each strategy wins back   [SEEDS=5]
	@$(BIN)/python -m benchmarks.labels $(if $(SEEDS),--seeds $(SEEDS))

bench-monitors: $(READY) ## the monitors beside ADWIN, Page-Hinkley and Evidently on the same streams   [SEEDS=3 RUNS=50]
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.monitors $(if $(SEEDS),--seeds $(SEEDS)) $(if $(RUNS),--runs $(RUNS))

bench-burst: $(READY) ## does a burst of 50,000 reports make anybody who pays wait?   [ROUNDS=3]
	@$(BIN)/python -m benchmarks.burst $(if $(ROUNDS),--rounds $(ROUNDS))

bench-serve: $(READY) ## durable scoring over HTTP beside routes that do nothing: rates, latency, memory   [MINUTES=10 ROUNDS=5]
	@$(BIN)/python -m benchmarks.serve $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ROUNDS),--rounds $(ROUNDS))

drill: $(READY) ## the model breaks on purpose: what is found, who answers, what it costs   [SEED=1 ONLY=name]
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.drill $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only "$(ONLY)")

ablate: $(READY) ## which features, interactions and settings earn their place   [DATA=f: the Handbook's, too; MODEL=laplace SEEDS=3 EACH=1]
	@$(BIN)/python -m benchmarks.ablate --model $(or $(MODEL),laplace) $(if $(DATA),--data "$(DATA)") \
	  $(if $(SEEDS),--seeds $(SEEDS)) $(if $(EACH),--each)

readme-figures: $(READY) ## put the figures of finished runs into the README   RUNS="demo=runs/demo handbook=runs/handbook"
	@$(BIN)/python -m pipelines.readme_figures $(or $(RUNS),demo=runs/demo)

serve: $(READY) ## the scorer at 127.0.0.1:8000, its ledger under var/   [RUN=dir to go on from a run; KEYS=file; FRAUD_... variables]
	@$(if $(KEYS),FRAUD_API_KEYS_FILE="$(KEYS)",FRAUD_DEMO=$${FRAUD_DEMO:-true}) $(if $(RUN),FRAUD_START_FROM_RUN="$(RUN)") \
	  $(BIN)/python -m serving

demo-traffic: $(READY) ## simulated payments and reports for a scorer that runs with FRAUD_CLOCK=traffic   [URL= DAYS=120 SEED=1 SPEED=max CONNECTIONS=32 BATCH=1]
	@$(BIN)/python -m serving.demo_traffic $(if $(URL),--url "$(URL)") $(if $(DAYS),--days $(DAYS)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(SPEED),--speed $(SPEED)) $(if $(CONNECTIONS),--connections $(CONNECTIONS)) $(if $(BATCH),--batch $(BATCH))

backup: $(READY) ## a consistent copy of the scorer's files, also while it runs   [LEDGER=var/ledger.sqlite OUT=var/backups]
	@$(BIN)/python -m serving backup $(if $(LEDGER),--ledger "$(LEDGER)") $(if $(OUT),--out "$(OUT)")

restore: $(READY) ## a scorer's files from a backup; nothing is overwritten   BACKUP=dir [LEDGER=var/ledger.sqlite]
	@test -n "$(BACKUP)" || { echo "error: say BACKUP=dir, one that make backup left"; exit 2; }
	@$(BIN)/python -m serving restore --backup "$(BACKUP)" $(if $(LEDGER),--ledger "$(LEDGER)")

archive: $(READY) ## old frames to Parquet beside the ledger; dropped from it when no server runs   [DAYS=120 LEDGER=var/ledger.sqlite]
	@$(BIN)/python -m serving archive $(if $(DAYS),--days "$(DAYS)") $(if $(LEDGER),--ledger "$(LEDGER)")

erase-card: $(READY) ## replace a card's key by a random one everywhere; the server is stopped   CARD=number, or - to type it [LEDGER=var/ledger.sqlite]
	@test -n "$(CARD)" || { echo "error: say CARD=number, or CARD=- to read it from standard input"; exit 2; }
	@$(BIN)/python -m serving erase-card --card "$(CARD)" $(if $(LEDGER),--ledger "$(LEDGER)")

api-key: $(READY) ## make an API key and print it once   NAME=who SCOPES=score,label [DAYS=90 FILE=var/api-keys.json]
	@test -n "$(NAME)" && test -n "$(SCOPES)" || { echo "error: say NAME=who and SCOPES=score,label,read,admin"; exit 2; }
	@$(BIN)/python -m serving api-key add --name "$(NAME)" --scopes "$(SCOPES)" $(if $(DAYS),--days "$(DAYS)") $(if $(FILE),--file "$(FILE)")

check: $(READY) ## lint, format check and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(READY) ## all tests; with REQUIRE_ALL=1 a skipped test is a failure
	$(BIN)/pytest -n 2

audit: $(READY) ## known vulnerabilities of the packages in requirements.lock, where the index tells of them
	@$(BIN)/python .ci/audit

lock: ## make both lock files anew from pyproject.toml (exact versions, no addresses)
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	build/lock/bin/pip freeze --exclude-editable | LC_ALL=C sort -f > requirements.lock
	build/lock/bin/pip install --quiet --disable-pip-version-check --editable ".[dev,bench]"
	build/lock/bin/pip freeze --exclude-editable | LC_ALL=C sort -f | grep -vxFf requirements.lock > requirements-bench.lock

clean: ## remove what the commands made (not .venv)
	rm -rf runs results var build .pytest_cache .mypy_cache .ruff_cache .hypothesis
