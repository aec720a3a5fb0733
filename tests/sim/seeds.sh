#!/usr/bin/env bash
# Some seeds of the simulator: replicated groups, damage beyond what can be recovered from, whole
# clusters, paxosds, primary and backup. More of them: make sim SEEDS=1..10000. Under sanitizers
# there are fewer, since each costs ten times as much.
set -euo pipefail

sim=${SYNOD_BIN:?}/synod-sim
groups=${SEEDS:-1..1000}
beyond=${SEEDS:-1..100}
clusters=${SEEDS:-1..150}
paxosds=${SEEDS:-1..200}
pairs=${SEEDS:-1..250}
if [[ -z ${SEEDS-} ]] && grep -qa __asan_init "$sim"; then
	groups=1..24
	beyond=1..6
	clusters=1..6
	paxosds=1..6
	pairs=1..8
fi

"$sim" --seeds "$groups" --keep-going --quiet
"$sim" --beyond --seeds "$beyond" --keep-going --quiet
"$sim" --cluster --seeds "$clusters" --seconds 30 --keep-going --quiet
"$sim" --paxosd --seeds "$paxosds" --seconds 20 --keep-going --quiet
"$sim" --pb --seeds "$pairs" --seconds 30 --keep-going --quiet
# The same seed is the same run.
"$sim" --seeds 1..3 --seconds 10 --check-repeat --quiet
"$sim" --cluster --seeds 1..2 --seconds 10 --check-repeat --quiet
"$sim" --pb --seeds 1..2 --seconds 10 --check-repeat --quiet
