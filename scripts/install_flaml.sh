#!/bin/sh
# FLAML in an environment of its own, for the benchmark of AutoML. Tests do not need it.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x .venv/peers/flaml/bin/flaml-is-there ]; then
  .venv/bin/python -m venv .venv/peers/flaml
  .venv/bin/uv pip install -q --python .venv/peers/flaml/bin/python "flaml[automl]==2.7.0" pyarrow
  ln -sf python .venv/peers/flaml/bin/flaml-is-there
fi
