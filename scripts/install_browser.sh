#!/bin/sh
# Chromium for the tests of the pages, from the system's packages; without it those tests say that they were skipped.
set -eu
if [ ! -x /usr/bin/chromium ] && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
fi
[ -x /usr/bin/chromium ] || echo "no Chromium at /usr/bin/chromium: tests marked 'browser' are skipped"
