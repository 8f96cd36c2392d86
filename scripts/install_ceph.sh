#!/bin/sh
# Ceph's S3 gateway for the tests of remotes, from the system's packages; without it those tests say that they were skipped.
set -eu
if ! command -v radosgw >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    radosgw ceph-mon ceph-osd ceph-common >/dev/null
fi
command -v radosgw >/dev/null 2>&1 || echo "no radosgw: the tests of remotes on S3 are skipped"
