#!/bin/sh
# Kubeflow Pipelines' SDK in an environment of its own: its local runner runs what `mulle export pipeline` writes. The
# runner calls pip, so the environment has one.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x .venv/peers/kfp/bin/kfp ]; then
  .venv/bin/python -m venv .venv/peers/kfp
  .venv/bin/uv pip install -q --python .venv/peers/kfp/bin/python kfp==2.17.0
fi
