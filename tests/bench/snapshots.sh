#!/usr/bin/env bash
# What snapshots cost those who put meanwhile.
#
#   tests/bench/snapshots.sh [KEYS [SECONDS [CLIENTS]]]      default: 1000000 60 256
#
# A group of three replicas on this machine, filled with KEYS keys of 256 bytes; kvbench puts for so
# many seconds. What the leader has applied is read ten times a second, and each tenth counts as one
# of a snapshot's if any replica was taking one all that time, by its log, and as one between if
# none was. Also the longest that a request took (of all of them), the longest time in which nothing
# was applied at all, and how often two replicas took theirs at once.
set -euo pipefail
cd "$(dirname "$0")/../.."
keys=${1:-1000000} seconds=${2:-60} clients=${3:-256}
: "${SYNOD_BIN:=$PWD/build/bin}"
export SYNOD_BIN
scratch=$(mktemp -d "${TMPDIR:-/tmp}/synod-bench.XXXXXX")
run=$scratch/run
config=$run/cluster.conf
tidy() {
	scripts/cluster.sh clean --dir "$run" >/dev/null || true
	rm -rf "$scratch"
}
trap tidy EXIT

die() {
	echo "snapshots: $*" >&2
	exit 1
}

for tool in curl jq; do
	command -v "$tool" >/dev/null || die "there is no $tool"
done
scripts/cluster.sh up --dir "$run" --base-port "${SYNOD_BASE_PORT:-30000}" --masters 1 --groups 1 --replicas 3 \
	--engine memory >/dev/null
"$SYNOD_BIN/kvbench" --config "$config" --fill --keys "$keys" --value-size 256 --clients 256 --duration 1s >/dev/null
leader=$("$SYNOD_BIN/kvctl" --config "$config" status -o json |
	jq -er '.nodes[] | select(.up and .leader and .group == 1) | .name')
http=$(sed -n "/^\[node $leader\]/,/^\[node/s/^http = //p" "$config" | head -n 1)

"$SYNOD_BIN/kvbench" --config "$config" --keys "$keys" --value-size 256 --clients "$clients" --warmup 3s \
	--duration "${seconds}s" -o json >"$scratch/load.json" &
load=$!
sleep 3
begin=$(date +%s.%N)
end=$(awk -v a="$begin" -v s="$seconds" 'BEGIN { print a + s - 1 }')
while awk -v a="$(date +%s.%N)" -v b="$end" 'BEGIN { exit !(a < b) }'; do
	printf '%s %s\n' "$(date +%s.%N)" "$(curl -sf --max-time 5 "http://$http/metrics" |
		awk '$1 == "synod_server_commands_applied_total" { printf "%.0f", $2 }')"
	sleep 0.08
done >"$scratch/samples"
wait "$load" || die "some requests failed"

# Of each replica: when it began a snapshot, and when that was in place.
for node in g1a g1b g1c; do
	sed -nE 's/.* time=([^ ]*) .* event=(snapshot_started|snapshot_in_place) .*/\2 \1/p' "$run/$node/log" |
		while read -r event time; do
			printf '%s %s %s\n' "$(date -d "$time" +%s.%N)" "$event" "$node"
		done
done | sort -n >"$scratch/events"

longest=$(jq '[.. | .max_us? // empty] | max' "$scratch/load.json")
awk -v longest="$longest" -v keys="$keys" -v clients="$clients" -v begin="$begin" -v end="$end" '
	FILENAME ~ /events$/ {
		at[n++] = $1
		what[n - 1] = $2
		node[n - 1] = $3
		next
	}
	# Replicas that take one at the time t.
	function taking(t, i, count, takes) {
		delete takes
		for (i = 0; i < n && at[i] <= t; i++) takes[node[i]] = what[i] == "snapshot_started"
		count = 0
		for (i in takes) count += takes[i]
		return count
	}
	function changes(a, b, i) {
		for (i = 0; i < n; i++) if (at[i] > a && at[i] <= b) return 1
		return 0
	}
	last != "" && $2 != "" {
		puts = $2 - applied
		length_s = $1 - last
		if (puts == 0 && length_s > still) still = length_s
		if (!changes(last, $1)) {
			t = taking(last)
			if (t > 0) {
				during += puts
				during_s += length_s
			} else {
				between += puts
				between_s += length_s
			}
			if (t > most) most = t
		}
	}
	$2 != "" { last = $1; applied = $2 }
	END {
		for (i = 0; i < n; i++) whole += what[i] == "snapshot_in_place" && at[i] > begin && at[i] < end
		if (during_s == 0 || between_s == 0) { print "no snapshot, or nothing else, in that time"; exit 1 }
		printf "%d keys, %d clients: puts/s during a snapshot %.0f (%.1f s), between %.0f (%.1f s): %.2f; ",
			keys, clients, during / during_s, during_s, between / between_s, between_s,
			(during / during_s) / (between / between_s)
		printf "longest request %.0f ms; longest tenth without a put %.0f ms; snapshots %d, at once at most %d\n",
			longest / 1000, still * 1000, whole, most
	}' "$scratch/events" "$scratch/samples"
