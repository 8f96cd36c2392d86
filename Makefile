# Two commands do everything on a fresh machine: `make demo` and `make test`. The rest are their parts.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test setup check soak bench ui clean format lock

demo: setup
	$(BIN)/mulle demo

test: setup check
	sh scripts/install_browser.sh
	sh scripts/install_postgresql.sh
	sh scripts/install_dvc.sh
	sh scripts/install_ceph.sh
	sh scripts/install_r.sh
	sh scripts/install_containers.sh
	sh scripts/install_kfp.sh
	sh scripts/install_airflow.sh
	$(BIN)/pytest -n 2 --dist loadgroup

setup: $(VENV)/.ready src/mulle/web/static/vendor/.ready

check: setup
	$(BIN)/ruff format --check src tests examples benchmarks scripts
	$(BIN)/ruff check src tests examples benchmarks scripts
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format src tests examples benchmarks scripts
	$(BIN)/ruff check --fix src tests examples benchmarks scripts

soak: setup
	MULLE_SOAK=1 $(BIN)/pytest -n 2 --dist load --timeout 0 -m soak $(ONLY)

bench: setup
	$(BIN)/python -m benchmarks

ui: $(VENV)/.ready
	rm -f src/mulle/web/static/vendor/.ready
	$(MAKE) src/mulle/web/static/vendor/.ready

lock: $(VENV)/.ready
	$(BIN)/uv pip compile -q pyproject.toml --all-extras --group dev --generate-hashes --no-header --no-annotate \
	  --universal --no-emit-index-url --no-emit-find-links -o requirements.lock

clean:
	rm -rf $(VENV) .demo build dist src/mulle/web/static/vendor

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r scripts/installer.lock
	$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	-$(BIN)/python -m compileall -qq -j 0 -x site-packages/ray/ $(VENV)/lib src
	touch $@

src/mulle/web/static/vendor/.ready: ui/package.json ui/package-lock.json scripts/build_ui.py | $(VENV)/.ready
	$(BIN)/python scripts/build_ui.py
	touch $@
