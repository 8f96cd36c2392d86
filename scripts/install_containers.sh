#!/bin/sh
# Podman with runc, and what makes a small root file system, for the tests of steps in images; from the system's packages.
set -eu
if ! { command -v podman && command -v runc && command -v fuse-overlayfs; } >/dev/null 2>&1 \
  && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends podman runc fuse-overlayfs >/dev/null
fi
command -v podman >/dev/null 2>&1 || echo "no podman: tests of steps in images are skipped"
