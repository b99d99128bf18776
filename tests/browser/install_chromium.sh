#!/bin/sh
# Chromium for the browser tests. Installed on Debian and Ubuntu by root; elsewhere the tests are skipped, with this reason.
set -eu
if command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Chromium for the browser tests ..."
  if apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null 2>&1; then
    exit 0
  fi
fi
echo "No Chromium: the browser tests will be skipped. Install it with 'sudo apt-get install chromium' and run again."
