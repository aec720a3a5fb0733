#!/usr/bin/env bash
# Causal traces of whole simulated clusters: vector clocks that an independent reader finds right,
# whatever the nemesis did; and a run that is the same with and without a trace.
set -euo pipefail

sim=${SYNOD_BIN:?}/synod-sim
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
trace=$(mktemp "${TMPDIR:-/tmp}/synod-shiviz.XXXXXX")
trap 'rm -f "$trace"' EXIT

hash_of() {
	"$sim" "$@" 2>/dev/null | sed -n 's/.*hash=\([0-9a-f]*\).*/\1/p'
}

for kind in --seed=1 --seed=2 --cluster --paxosd --pb; do
	arguments=("$kind" --seconds 3)
	without=$(hash_of "${arguments[@]}")
	with=$(hash_of "${arguments[@]}" --shiviz "$trace")
	if [[ -z $without || $with != "$without" ]]; then
		echo "$kind: hash $with with a trace, $without without"
		exit 1
	fi
	judged=$(awk -f "$tests/causal.awk" "$trace") || { echo "$kind: $judged"; exit 1; }
	echo "$kind: $judged"
	# Everybody is traced: nobody receives what nobody has sent.
	[[ $judged == *' lonely=0' && $judged =~ received=[1-9][0-9][0-9] ]] || exit 1
done
if "$sim" --seeds 1..2 --shiviz "$trace" 2>/dev/null; then
	echo "--shiviz took two seeds"
	exit 1
fi
