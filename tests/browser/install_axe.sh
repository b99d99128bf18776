#!/bin/sh
# axe-core for the accessibility tests, at the version that package-lock.json pins; without it they are skipped, with this reason.
set -eu
cd "$(dirname "$0")"
if [ -f node_modules/axe-core/axe.min.js ] && [ node_modules/.package-lock.json -nt package-lock.json ]; then
  exit 0
fi
if command -v npm >/dev/null 2>&1 && npm ci --silent --no-audit --no-fund --fetch-retries=1; then
  exit 0
fi
echo "No axe-core: the accessibility tests will be skipped. Install Node.js with npm and run again."
