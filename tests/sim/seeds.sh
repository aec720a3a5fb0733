#!/usr/bin/env bash
# Some seeds of the simulator: one replicated group, then whole clusters. More of them: make sim SEEDS=1..10000
set -euo pipefail

sim=${SYNOD_BIN:?}/synod-sim
jobs=$(nproc)

"$sim" --seeds "${SEEDS:-1..40}" --seconds 30 --jobs "$jobs" --keep-going
"$sim" --cluster --seeds "${SEEDS:-1..15}" --seconds 30 --jobs "$jobs" --keep-going
# The same seed is the same run.
"$sim" --seeds 1..3 --seconds 10 --check-repeat
"$sim" --cluster --seeds 1..2 --seconds 10 --check-repeat
