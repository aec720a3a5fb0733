#!/usr/bin/env bash
# A replica of three is replaced while clients write: failed requests, how long puts took before,
# meanwhile and afterwards, and the longest time without an acknowledged one. Every second run
# replaces the leader, the others a follower; each is a new cluster.
#
#   tests/bench/replace.sh [RUNS [CLIENTS [KEYS]]]      default: 6 16 100000 (of 256 bytes, which
#                                                       the new replica must get first)
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:-6} clients=${2:-16} keys=${3:-100000}
: "${SYNOD_BIN:=$PWD/build/bin}"
export SYNOD_BIN
port=${SYNOD_BASE_PORT:-27000}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/synod-bench.XXXXXX")
config=$scratch/run/cluster.conf
new=
clean() {
	if [[ -n $new ]]; then
		kill -KILL "$new" 2>/dev/null || true
		wait "$new" 2>/dev/null || true
	fi
	rm -rf "$scratch/g1d"
	[[ ! -f $config ]] || scripts/cluster.sh clean --dir "$scratch/run" >/dev/null
}
trap 'clean; rm -rf "$scratch"' EXIT

kvctl() {
	"$SYNOD_BIN/kvctl" --config "$config" --timeout 60s "$@"
}

# Nanoseconds since the machine was started, as in the history.
now() {
	awk '{ printf "%.0f\n", $1 * 1e9 }' /proc/uptime
}

# summary BEGIN END, of the lines "return call ok" of a history, in the order of their returns
summary() {
	awk -v begin="$1" -v end="$2" '
		$2 < begin || $2 >= end { next }
		$3 != "true" { failed++; next }
		{ print ($1 - $2) / 1000 }
		last != "" && $1 - last > gap { gap = $1 - last }
		{ last = $1 }
		END { printf "%d %.1f\n", failed, gap / 1e6 > "/dev/stderr" }' "$scratch/lines" \
			2>"$scratch/rest" |
		sort -n | awk '{ v[NR] = $1 } END { if (NR > 0) printf "%d %d %d %d ", NR, v[int((NR + 1) / 2)], v[int(NR * 0.99 + 0.99)], v[NR] }'
	cat "$scratch/rest"
}

printf '%-9s %-9s %8s %8s %8s %8s %7s %15s\n' replaced when puts 'p50/µs' 'p99/µs' 'max/µs' failed \
	'longest gap/ms'
for ((run = 0; run < runs; run++)); do
	scripts/cluster.sh up --dir "$scratch/run" --base-port "$port" --masters 1 --groups 1 \
		--replicas 3 >/dev/null
	"$SYNOD_BIN/kvbench" --config "$config" --fill --keys "$keys" --clients 64 --warmup 0s \
		--duration 100ms >/dev/null
	leader=$(kvctl -o json member list 1 | jq -r .leader_name)
	old=$leader
	((run % 2)) || old=$(printf '%s\n' g1a g1b g1c | grep -v "$leader" | head -n 1)
	address=127.0.0.1:$((port + 90))
	{
		cat "$config"
		printf '\n[node g1d]\nrole = shardkv\ngroup = 1\nlisten = %s\ndir = %s\n' \
			"$address" "$scratch/g1d"
	} >"$scratch/with_g1d.conf"
	"$SYNOD_BIN/shardkvd" --config "$scratch/with_g1d.conf" --node g1d >"$scratch/g1d.log" \
		2>&1 &
	new=$!
	"$SYNOD_BIN/kvbench" --config "$config" --keys "$keys" --clients "$clients" --warmup 500ms \
		--duration 9s \
		--history "$scratch/history" >"$scratch/bench" &
	bench=$!
	sleep 3
	from=$(now)
	kvctl member replace 1 "$old" g1d "$address" >"$scratch/replace" 2>&1 || {
		cat "$scratch/replace"
		tail -n 5 "$scratch/g1d.log"
		exit 1
	}
	until=$(now)
	wait "$bench" || true
	jq -r '[.return, .call, .ok] | map(tostring) | join(" ")' "$scratch/history" |
		sort -n >"$scratch/lines"
	start=$(awk '{ if (min == "" || $2 < min) min = $2 } END { printf "%.0f", min + 1e9 }' \
		"$scratch/lines")
	what=follower
	[[ $old != "$leader" ]] || what=leader
	while read -r when begin end; do
		read -r puts p50 p99 max failed gap < <(summary "$begin" "$end")
		printf '%-9s %-9s %8d %8d %8d %8d %7d %15s\n' "$what" "$when" "$puts" "$p50" \
			"$p99" "$max" "$failed" "$gap"
		echo "$what $when $max $failed $gap" >>"$scratch/all"
	done < <(printf '%s %s %s\n' before "$start" "$from" meanwhile "$from" "$until" afterwards \
		"$until" 9e18)
	printf '          (the replacement took %d ms)\n' $(((until - from) / 1000000))
	clean
	new=
done
awk '$2 == "meanwhile" { runs++; gaps[runs] = $5; if ($5 > most) most = $5 } { failed += $4 }
	END { printf "%d runs: %d requests failed; the longest gap meanwhile was %.1f ms\n", runs, failed, most }' "$scratch/all"
