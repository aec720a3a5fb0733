#!/usr/bin/env bash
# Primary and backup against a Paxos group of three replicas, on the same machine, in turns:
# operations a second of each run, the ratio of the medians, and the processor time that an
# operation costs the servers together.
#
#   tests/bench/pb.sh [RUNS [CLIENTS [DURATION]]]      default: 5 64 2s
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:-5} clients=${2:-64} duration=${3:-2s}
: "${SYNOD_BIN:=$PWD/build/bin}"
export SYNOD_BIN
scratch=$(mktemp -d "${TMPDIR:-/tmp}/synod-bench.XXXXXX")
trap 'scripts/cluster.sh clean --dir "$scratch/run" >/dev/null; rm -rf "$scratch"' EXIT

scripts/cluster.sh up --dir "$scratch/run" --base-port "${SYNOD_BASE_PORT:-27000}" --masters 1 \
	--groups 1 --replicas 3 --views 3 --pb 3

# measure OUTPUT WORKLOAD [OPTION]
measure() {
	"$SYNOD_BIN/kvbench" --config "$scratch/run/cluster.conf" --workload "$2" \
		--clients "$clients" --duration "$duration" \
		--warmup 300ms --keys 10000 -o json "${@:3}" >>"$1"
}

for workload in put get; do
	rm -f "$scratch"/{group,pair}
	for ((run = 0; run < runs; run++)); do
		measure "$scratch/group" "$workload"
		measure "$scratch/pair" "$workload" --pb
	done
	jq -rn --arg workload "$workload" --slurpfile group "$scratch/group" --slurpfile pair \
		"$scratch/pair" '
		def rates: map(.ops_per_s | round);
		def median: sort | .[length / 2 | floor];
		def cost: map([.daemons[].cpu_us_per_op // 0] | add) | median * 100 | round / 100;
		"\($workload)/s, group: \($group | rates | join(" "))",
		"\($workload)/s, pair:  \($pair | rates | join(" "))",
		"\($workload): the pair does \(($pair | rates | median) / ($group | rates | median) * 100 | round / 100) times as much (medians);"
			+ " µs of processor time an operation: pair \($pair | cost), group \($group | cost)"'
done
