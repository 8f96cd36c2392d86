#!/bin/sh
# Other workflow engines, each in an environment of its own, for `python -m benchmarks engines`. No test needs them.
set -eu
cd "$(dirname "$0")/.."
install() {
  [ -e ".venv/peers/$1/.ready" ] && return
  .venv/bin/python -m venv ".venv/peers/$1"
  name=$1
  shift
  .venv/bin/uv pip install -q --python ".venv/peers/$name/bin/python" "$@"
  touch ".venv/peers/$name/.ready"
}
install redun 'redun==0.44.*'
install hamilton 'sf-hamilton==1.90.*'
install prefect 'prefect==3.8.*' 'fastapi==0.139.*' # newer ones lack what it calls
install metaflow 'metaflow==2.19.*'
