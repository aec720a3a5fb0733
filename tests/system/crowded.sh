#!/usr/bin/env bash
# A daemon among too many strangers, with few descriptors, or with a log that nobody reads: it
# serves all the same. (faults: 97)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

begin "with too few descriptors for the least that it needs, a node says so and does not start"
(
	ulimit -n 30
	cluster up --masters 1 --groups 1
) >"$scratch/up" 2>&1 && fail "it started with 30 descriptors: $(<"$scratch/up")"
grep -rqE "may have 30 open files, and needs [0-9]+ at least" "$run" "$scratch/up" ||
	fail "no node says what it needs: $(<"$scratch/up")"
cluster down >/dev/null 2>&1 || true
rm -rf "$run"

begin "with 80 descriptors, 300 strangers who have said hello and stay keep nobody out, and the log and its snapshots go on"
(
	ulimit -n 80
	cluster up --masters 1 --groups 1 --set snapshot_log_bytes=1MiB >/dev/null
)
kv put key value
expect 0
crowds=()
for node in g1a g1b g1c; do
	helper_start "$tools/rude" "$(address $node listen)" demo crowd 600 >"$scratch/crowd.$node"
	crowds+=("$helper")
done
for node in g1a g1b g1c; do
	await "a crowd at $node" grep -q crowded "$scratch/crowd.$node"
done
head -c 300000 /dev/zero | tr '\0' x >"$scratch/value"
for round in $(seq 30); do
	kv put "key$((round % 3))" "value$round"
	expect 0
	"$SYNOD_BIN/kvctl" --config "$config" --timeout 30s put big <"$scratch/value" >/dev/null ||
		fail "put $round"
done
await "snapshots" grep -q snapshot_in_place "$run/g1a/log" "$run/g1b/log" "$run/g1c/log"
kv get key1
expect 0 value28

begin "a follower that starts among them finds its leader, and the leader's end is noticed as ever"
find_leader() {
	leader=$(leader_of 1)
}
await "status to get through the crowd" find_leader
for node in g1a g1b g1c; do
	[[ $node == "$leader" ]] || follower=$node
done
cluster restart "$follower" >/dev/null
await "the follower to catch up" caught_up "$follower"
cluster kill "$leader" >/dev/null
kv put key after
expect 0
cluster restart "$leader" >/dev/null
await "the former leader to catch up" caught_up "$leader"
for crowd in "${crowds[@]}"; do
	kill -TERM "$crowd"
done
kv get key
expect 0 after

begin "a log that nobody reads stops nobody; when it is read, it says how many lines are missing"
cluster kill g1a >/dev/null
mkfifo "$scratch/pipe"
exec 8<>"$scratch/pipe"
(timeout 1 cat /dev/zero || true) |
	(timeout 1 dd of=/proc/self/fd/8 oflag=nonblock bs=4096 status=none || true)
helper_start "$SYNOD_BIN/shardkvd" --config "$config" --node g1a --log-level debug 2>&8 >/dev/null
await "g1a" caught_up g1a
kv put key "while nobody reads"
expect 0
lost() {
	curl -s "http://$(address g1a http)/metrics" |
		grep -qE '^synod_log_lines_dropped_total [1-9]'
}
await "lines that are dropped" lost
timeout "$deadline_s" grep -qam 1 "event=log_lines_dropped lines=" <&8 ||
	fail "nothing tells of dropped lines"
kill -TERM "$helper"
exec 8>&-
await "the end of g1a" helper_ended "$helper"

finish
