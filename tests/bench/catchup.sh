#!/usr/bin/env bash
# How fast a wiped replica gets back what it has lost, while its group is under load, and what that
# costs the load.
#
#   tests/bench/catchup.sh [ROUNDS [KEYS [CLIENTS]]]      default: 5 1000000 64
#
# A group of three replicas on this machine, filled with KEYS keys of 256 bytes. kvbench puts all
# the time. In each round the puts of some quiet seconds are counted; then a follower is killed, its
# directory emptied, and it is started again; and the puts are counted until its disk is bound in
# place of the one that was lost. What it has fetched by then, the snapshot's file and what its log
# took, divided by the time from its start, is the rate.
#
# The rate is said beside that of the simplest thing that moves as much on this machine now: a copy
# of the snapshot's file, synced. Ratios are those of one round, the quiet seconds before and after
# it; the figures are the medians of the rounds. What the replica and the leader have waited for a
# processor says how much of that is due to others on this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-5} keys=${2:-1000000} clients=${3:-64}
quiet_s=${QUIET_S:-5} # of each round
target_rate=50 target_puts=0.7
: "${SYNOD_BIN:=$PWD/build/bin}"
export SYNOD_BIN
scratch=$(mktemp -d "${TMPDIR:-/tmp}/synod-bench.XXXXXX")
run=$scratch/run
config=$run/cluster.conf
load=
tidy() {
	[[ -z $load ]] || kill "$load" 2>/dev/null || true
	if [[ -n ${KEEP:-} ]]; then
		scripts/cluster.sh down --dir "$run" >/dev/null || true
		echo "kept: $scratch"
		return
	fi
	scripts/cluster.sh clean --dir "$run" >/dev/null || true
	rm -rf "$scratch"
}
trap tidy EXIT

die() {
	echo "catchup: $*" >&2
	exit 1
}

now() {
	date +%s.%N
}

# A counter of a node: metric NODE NAME
metric() {
	local http
	http=$(sed -n "/^\[node $1\]/,/^\[node/s/^http = //p" "$config" | head -n 1)
	curl -sf --max-time 5 "http://$http/metrics" |
		awk -v name="$2" '$1 == name { value = $2; found = 1 } END { if (found) printf "%.0f\n", value; exit !found }'
}

leader() {
	"$SYNOD_BIN/kvctl" --config "$config" status -o json 2>/dev/null |
		jq -er '.nodes[] | select(.up and .leader and .group == 1) | .name' || true
}

# Seconds of processor time that a process has used: cpu_s PID
cpu_s() {
	awk -v tick="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); print ($12 + $13) / tick }' \
		"/proc/$1/stat"
}

# Seconds that the threads of a process have waited for a processor, while others had it: wait_s PID
wait_s() {
	cat /proc/"$1"/task/*/schedstat | awk '{ sum += $2 } END { printf "%.2f", sum / 1e9 }'
}

# An event of a node's log that came after its line LINE: event_since NODE LINE PATTERN
event_since() {
	tail -n +"$(($2 + 1))" "$run/$1/log" | grep -m 1 -E "$3" || true
}

# The rate of a plain copy of a node's snapshot, in MB/s: copy_rate NODE
copy_rate() {
	local begin end
	# While it is open it stays, also if a newer one takes its place meanwhile.
	until exec {snapshot}<"$(find "$run/$1" -name 'snapshot-????????????????' |
		head -n 1)"; do sleep 0.1; done 2>/dev/null
	begin=$(now)
	dd of="$scratch/copy" bs=256K conv=fsync status=none <&"$snapshot"
	end=$(now)
	exec {snapshot}<&-
	per_second "$(stat -c %s "$scratch/copy")" "$begin" "$end" |
		awk '{ printf "%.1f", $1 / 1e6 }'
	rm -f "$scratch/copy"
}

puts_applied() {
	metric "$1" synod_server_commands_applied_total
}

# Puts a second over some quiet time.
quiet_rate() {
	local applied begin
	applied=$(puts_applied "$1") begin=$(now)
	sleep "$quiet_s"
	per_second "$(($(puts_applied "$1") - applied))" "$begin" "$(now)"
}

per_second() {
	awk -v n="$1" -v a="$2" -v b="$3" 'BEGIN { print n / (b - a) }'
}

one_round() {
	local lead follower applied begin end line log_line pid before after busy bytes wal copy \
		deadline cpu waited lead_pid lead_waited tries
	lead=$(leader)
	for follower in g1a g1b g1c; do [[ $follower == "$lead" ]] || break; done
	before=$(quiet_rate "$lead")

	scripts/cluster.sh kill --dir "$run" "$follower" >/dev/null
	find "$run/$follower" -mindepth 1 -maxdepth 1 ! -name log ! -name pid -exec rm -rf {} +
	line=$(wc -l <"$run/$lead/log") log_line=$(wc -l <"$run/$follower/log")
	lead_pid=$(cat "$run/$lead/pid") lead_waited=$(wait_s "$lead_pid")
	# The one that was killed may need a moment to give up its memory and its port.
	for ((tries = 1; ; tries++)); do
		applied=$(puts_applied "$lead") begin=$(now)
		! scripts/cluster.sh restart --dir "$run" "$follower" >/dev/null \
			2>"$scratch/restart" || break
		[[ $tries -lt 20 ]] || die "$(cat "$scratch/restart")"
		sleep 0.2
	done
	pid=$(cat "$run/$follower/pid")
	deadline=$((SECONDS + 300))
	until [[ -n $(event_since "$lead" "$line" "event=member_bound") ]]; do
		[[ $SECONDS -lt $deadline ]] || die "$follower was not bound within 300 s"
		sleep 0.05
	done
	end=$(now)
	busy=$(per_second "$(($(puts_applied "$lead") - applied))" "$begin" "$end")
	wal=$(metric "$follower" synod_disk_wal_write_bytes_total)
	bytes=$(event_since "$follower" "$log_line" "event=snapshot_in_place" |
		sed -nE 's/.* bytes=([0-9]+).*/\1/p')
	cpu=$(cpu_s "$pid") waited=$(wait_s "$pid") lead_waited=$(awk -v a="$lead_waited" -v \
		b="$(wait_s "$lead_pid")" 'BEGIN { print b - a }')
	sleep 2
	after=$(quiet_rate "$lead")
	copy=$(copy_rate "$lead")
	awk -v bytes="${bytes:-0}" -v wal="$wal" -v a="$begin" -v b="$end" -v before="$before" -v \
		after="$after" -v busy="$busy" \
		-v copy="$copy" -v cpu="$cpu" -v waited="$waited" -v lead_waited="$lead_waited" \
		'BEGIN {
		quiet = (before + after) / 2
		printf "%.1f %.1f %.2f %.1f %.0f %.0f %.2f %.2f %.1f %.1f %.1f\n", bytes / 1e6, wal / 1e6, b - a, (bytes + wal) / (b - a) / 1e6,
			quiet, busy, busy / quiet, cpu, copy, waited, lead_waited }' |
				tee -a "$scratch/rounds" |
		awk '{ printf "  %s MB of snapshot, %s MB of log, %s s: %s MB/s (a copy %s); %s puts/s quiet, %s meanwhile: %s; %s s of processor time, %s s waited for it (the leader: %s)\n",
			$1, $2, $3, $4, $9, $5, $6, $7, $8, $10, $11 }'
}

# The median of a column of the rounds: median COLUMN
median() {
	awk -v column="$1" '{ print $column }' "$scratch/rounds" | sort -g |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

for tool in curl jq; do
	command -v "$tool" >/dev/null || die "there is no $tool"
done
scripts/cluster.sh up --dir "$run" --base-port "${SYNOD_BASE_PORT:-30000}" --masters 1 --groups 1 \
	--replicas 3 --engine memory >/dev/null
"$SYNOD_BIN/kvbench" --config "$config" --fill --keys "$keys" --value-size 256 --clients 256 \
	--duration 1s >/dev/null
"$SYNOD_BIN/kvbench" --config "$config" --keys "$keys" --value-size 256 --clients "$clients" \
	--duration 1000m >/dev/null 2>&1 &
load=$!
for ((round = 1; round <= rounds; round++)); do
	one_round
	sleep 5 # what the copy has left to the disk
done

rate=$(median 4) ratio=$(median 7)
echo
echo "| keys | snapshot and log, MB | until bound, s | MB/s | of a plain copy's | puts/s quiet | puts/s meanwhile | of the quiet ones |"
echo "|---:|---:|---:|---:|---:|---:|---:|---:|"
awk -v keys="$keys" -v snapshot="$(median 1)" -v log_mb="$(median 2)" -v s="$(median 3)" -v \
	rate="$rate" -v copy="$(median 9)" \
	-v quiet="$(median 5)" -v busy="$(median 6)" -v ratio="$ratio" 'BEGIN {
	printf "| %d | %.0f + %.0f | %.1f | %.1f | %.2f× | %d | %d | %.2f× |\n", keys, snapshot, log_mb, s, rate, rate / copy, quiet, busy, ratio }'
echo
awk -v rate="$rate" -v ratio="$ratio" -v want_rate="$target_rate" -v want_ratio="$target_puts" \
	'BEGIN {
	printf "rate: %.1f MB/s, target %d: %s\n", rate, want_rate, (rate >= want_rate ? "reached" : sprintf("%.2f of it", rate / want_rate))
	printf "puts meanwhile: %.2f of the quiet ones, target %.1f: %s\n", ratio, want_ratio,
		(ratio >= want_ratio ? "reached" : sprintf("%.2f of it", ratio / want_ratio)) }'
