#!/usr/bin/env bash
# The tables and the picture in docs/ are those that scripts/bench.sh makes of docs/performance.json: nobody has
# improved a figure by hand.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! command -v python3 >/dev/null; then
	echo "SKIPPED: there is no python3"
	echo "0 passed, 0 failed"
	exit 0
fi
if ! scripts/bench.sh --render docs/performance.json --check; then
	echo "docs/performance.md or docs/performance.svg differs from docs/performance.json;" \
		"'scripts/bench.sh --render docs/performance.json --docs' writes them anew"
	exit 1
fi
