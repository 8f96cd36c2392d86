#!/bin/sh
# Podman with runc for the tests of steps in images, from the system's packages; without them those tests are skipped.
set -eu
there() { command -v podman >/dev/null 2>&1 && command -v runc >/dev/null 2>&1; }
if ! there && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends podman runc >/dev/null
fi
there || echo "no podman with runc: tests of steps in images are skipped"
