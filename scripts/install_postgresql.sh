#!/bin/sh
# PostgreSQL for the tests of SQL sources, from the system's packages; without it those tests say that they were skipped.
set -eu
there() { for each in /usr/lib/postgresql/*/bin/postgres; do [ -x "$each" ] && return 0; done; return 1; }
if ! there && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  # the package would start a cluster of its own, which nobody asked for
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
there || echo "no PostgreSQL below /usr/lib/postgresql: tests that need one are skipped"
