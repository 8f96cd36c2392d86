#!/bin/sh
# Airflow in an environment of its own, for `airflow dags test` of what `mulle export pipeline` writes.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x .venv/peers/airflow/bin/airflow ]; then
  .venv/bin/python -m venv .venv/peers/airflow
  .venv/bin/uv pip install -q --python .venv/peers/airflow/bin/python apache-airflow==3.3.2
fi
