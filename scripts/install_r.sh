#!/bin/sh
# R for the tests of command steps, from the system's packages; without it those tests say that they were skipped.
set -eu
if ! command -v Rscript >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends r-base-core >/dev/null
fi
command -v Rscript >/dev/null 2>&1 || echo "no Rscript: tests that need R are skipped"
