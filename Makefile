# Everything below runs from a bare checkout: the environment is made in .venv, nothing outside it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test bench confirm torture clean

demo: $(INSTALLED)
	$(BIN)/snakemake --cores all

# One thread: many small operations are slower, and not the same to the last bit, on several. Files go to workers whole.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

bench: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks

# Other videos and other networks than those that settings were chosen on; one and a half to three hours. $(1): config and name, $(2): more.
confirm_run = $(BIN)/snakemake --cores all --configfile config/$(1).yaml config/confirm.yaml --config run=confirm_$(1) $(2)
OTHER_SEEDS = 'data={seed: 7000}' 'seeds=[700,701,702]'  # config/confirm.yaml says why

confirm: $(INSTALLED)
	$(call confirm_run,which_motion,$(OTHER_SEEDS))
	$(call confirm_run,static_evidence,$(OTHER_SEEDS))
	$(call confirm_run,first_actor)
	$(call confirm_run,second_actor,'relevance={compare_with: confirm_first_actor}')
	$(BIN)/python -m benchmarks.confirm

torture: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.torture

.PHONY: .venv
.venv: $(INSTALLED)

# The stamp comes last: an install that was cut short goes on where it stopped.
$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "voxplain needs Python 3.11 or newer, and '$(PYTHON)' is not: make PYTHON=/path/to/python3.11"; \
		exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .
	touch $@

# Removes what the targets above made, but no results of other runs.
clean:
	rm -rf .venv .snakemake .pytest_cache .hypothesis build src/*.egg-info results/demo results/bench results/torture
	find src tests benchmarks workflow -name __pycache__ -prune -exec rm -rf {} +
