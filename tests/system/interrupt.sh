#!/usr/bin/env bash
# Starts that fail or are interrupted: what was started is stopped, and what was written decides
# nothing about the next start. Clusters that meet on one machine leave each other alone.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/lib_interrupt.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_interrupt.sh"

tool() {
	try "$repository/scripts/cluster.sh" "$@" --dir "$run"
}

small_cluster=(--masters 1 --groups 1 --replicas 3 "${small[@]}")
never=(--set election_timeout_ms=60000) # elections take so long that it does not serve in time

begin "a port that is taken is reported with who has it; nothing is written; the advice is good"
run=$scratch/first config=$run/cluster.conf
cluster up --masters 1 --groups 1 --replicas 1
first=$config
run=$scratch/second config=$run/cluster.conf
tool up --base-port "$base_port" "${small_cluster[@]}"
expect 1
expect_error "127.0.0.1:$((base_port + 1)), which is for m1, is in use by process $(<"$scratch/first/m1/pid"), which is m1"
expect_error "of the cluster of $first"
[[ ! -e $run ]] || fail "left: $(ls -A "$run")"
advised=$(sed -nE 's/.*--base-port ([0-9]+).*/\1/p' <<<"$err")
[[ $advised -gt 1024 && $advised -lt 31700 ]] || fail "it advises base port '$advised'"
tool up --base-port $((base_port + 50)) "${small_cluster[@]}"
expect 0

begin "two clusters of one machine do not disturb each other"
"$SYNOD_BIN/kvctl" --config "$first" put key first
"$SYNOD_BIN/kvctl" --config "$config" put key second
tool down
expect 0
try "$SYNOD_BIN/kvctl" --config "$first" get key
expect 0 first
tool up
expect 0
"$repository/scripts/cluster.sh" down --dir "$scratch/first"
kv get key
expect 0 second

begin "up with options that contradict the cluster is refused, naming both"
tool up --masters 3 --groups 2 --base-port 7000 --set shards=1024 --set wal_segment_bytes=8MiB
expect 1
expect_error '1 shard master, not 3'
expect_error '1 group, not 2'
expect_error "base port $((base_port + 50)), not 7000"
expect_error 'no shards in .*1024'
expect_error 'wal_segment_bytes = 4MiB, not 8MiB'
tool up "${small_cluster[@]}" --base-port $((base_port + 50))
expect 0
tool clean
expect 0

begin "a copy of a cluster's directory, and one that was moved, do not use the other's data"
run=$scratch/first config=$run/cluster.conf
cp -r "$run" "$scratch/copy"
try "$repository/scripts/cluster.sh" up --dir "$scratch/copy"
expect 1
expect_error "$scratch/copy seems to be a copy"
nothing_runs || fail "started: $(nodes_running)"
rm -r "$scratch/copy"
mv "$run" "$scratch/moved"
try "$repository/scripts/cluster.sh" up --dir "$scratch/moved"
expect 1
expect_error 'Move it back'
[[ ! -e $run ]] || fail "made: $run"
mv "$scratch/moved" "$run"
tool up
expect 0
kv get key
expect 0 first
tool clean

begin "a first start that fails leaves nothing that decides about the next"
run=$scratch/run config=$run/cluster.conf
tool up --base-port "$base_port" "${small_cluster[@]}" --set election_timeout_ms=1
expect 1
expect_error 'election_timeout_ms'
expect_error "$run/failed"
[[ ! -e $config && -s $run/failed/m1/log ]] || fail "it left: $(find "$run")"
nothing_runs || fail "left running: $(nodes_running)"
tool up --base-port $((base_port + 20)) "${small_cluster[@]}"
expect 0
same "$(address m1 listen)" "127.0.0.1:$((base_port + 21))" "the first node's address"
[[ ! -e $run/failed ]] || fail "$run/failed is still there"
tool clean

begin "one that does not serve in time, too"
tool up --base-port "$base_port" "${small_cluster[@]}" "${never[@]}" --timeout 1
expect 1
expect_error 'does not serve'
[[ ! -e $config ]] || fail "it left its configuration"
nothing_runs || fail "left running: $(nodes_running)"
tool clean
expect 0
[[ ! -e $run ]] || fail "clean has left: $(find "$run")"

for signal in INT TERM HUP; do
	begin "SIG$signal during the first start stops what was started, and says so"
	in_terminal "$repository/scripts/cluster.sh" up --dir "$run" --base-port "$base_port" \
		"${small_cluster[@]}" "${never[@]}"
	await "the nodes" all_started 4
	if [[ $signal == INT ]]; then kill -INT -- "-$helper"; else kill "-$signal" "$helper"; fi
	ended
	expect 130
	expect_error 'interrupted: stopping'
	[[ ! -e $config ]] || fail "it left its configuration"
	nothing_runs || fail "left running: $(nodes_running)"
done

begin "a start that was killed is seen by the next, which begins anew"
in_terminal "$repository/scripts/cluster.sh" up --dir "$run" --base-port "$base_port" \
	"${small_cluster[@]}" "${never[@]}"
await "the nodes" all_started 4
kill -KILL "$helper"
ended
! nothing_runs || fail "the nodes have ended with it"
tool up --base-port $((base_port + 20)) "${small_cluster[@]}"
expect 0
grep -q 'broken off' <<<"$out" || fail "it said: $out"
same "$(nodes_running | wc -l)" 4 "nodes"
same "$(address m1 listen)" "127.0.0.1:$((base_port + 21))" "the first node's address"
tool clean

begin "so does down"
in_terminal "$repository/scripts/cluster.sh" up --dir "$run" --base-port "$base_port" \
	"${small_cluster[@]}" "${never[@]}"
await "the nodes" all_started 4
rm "$run/g1a/pid" # as if it had been killed before it noted that
kill -KILL "$helper"
ended
tool down
expect 0
nothing_runs || fail "left running: $(nodes_running)"
[[ ! -e $config ]] || fail "it left its configuration"
tool clean

begin "an interrupted start of a cluster that has served keeps its data"
tool up --base-port "$base_port" "${small_cluster[@]}"
expect 0
kv put key value
expect 0
tool down
in_terminal env SYNOD_ELECTION_TIMEOUT_MS=60000 "$repository/scripts/cluster.sh" up --dir "$run"
await "the nodes" all_started 8
tool down
expect 1
expect_error "process $helper.*at work"
kill -INT -- "-$helper"
ended
expect 130
nothing_runs || fail "left running: $(nodes_running)"
tool up
expect 0
kv get key
expect 0 value

begin "a process that looks like a node of this cluster, and is not, is left alone"
if unshare -m true 2>/dev/null; then
	cluster kill g1c
	# The same path is another cluster's there, as in a container.
	cp -r "$run" "$scratch/container"
	sed -i "s/^listen = 127.0.0.1:$((base_port + 4))/listen = 127.0.0.1:$((base_port + 30))/
		s/^http = 127.0.0.1:$((base_port + 1004))/http = 127.0.0.1:$((base_port + 1030))/" \
			"$scratch/container/cluster.conf"
	unshare -m --propagation private bash -c "mount --bind \"\$1/container\" \"\$1/run\" &&
		exec \"\$SYNOD_BIN/shardkvd\" --config \"\$1/run/cluster.conf\" --node g1c" \
		stranger "$scratch" >"$scratch/stranger" 2>&1 &
	stranger=$!
	helpers+=("$stranger")
	await "the stranger" grep -q event=started "$scratch/stranger"
	tool kill g1c
	expect 1
	# Its number in our pid file, of a process that we started before.
	echo "$stranger" >"$run/g1c/pid"
	echo "$stranger 1@$(</proc/sys/kernel/random/boot_id)" >"$run/g1c/started"
	tool kill g1c
	expect 1
	cluster down
	! helper_ended "$stranger" || fail "the stranger was ended"
	kill -KILL "$stranger"
fi
tool clean

finish
