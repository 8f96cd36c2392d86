#!/bin/sh
# DVC in an environment of its own, for the tests of the doors from and to it, and git-lfs from the system's packages.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x .venv/peers/dvc/bin/dvc ]; then
  .venv/bin/python -m venv .venv/peers/dvc
  .venv/bin/uv pip install -q --python .venv/peers/dvc/bin/python dvc==3.67.1
fi
if ! command -v git-lfs >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq git-lfs >/dev/null
fi
command -v git-lfs >/dev/null 2>&1 || echo "no git-lfs: its tests use a stored repository only"
