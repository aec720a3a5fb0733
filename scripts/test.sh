#!/usr/bin/env bash
# Installs what the tests need (scripts/setup.sh --tests), builds everything and
# runs every fast test suite. The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

summary=${BUILD:-build}/tests/summary
rm -f "$summary"
trap 'echo "0 passed, 1 failed"; exit 130' INT TERM HUP # what was interrupted has not passed
./scripts/setup.sh --tests && make -j"$(nproc)" tests && make check
status=$?

# What did not build has not passed.
if [[ -s $summary ]]; then
	cat "$summary"
else
	echo "0 passed, 1 failed"
	[[ $status -ne 0 ]] || status=1
fi
exit "$status"
