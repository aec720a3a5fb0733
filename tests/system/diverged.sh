#!/usr/bin/env bash
# A value changes in the memory of one replica: its group finds it, and the replica gets the state
# of another one. (faults: 82)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --groups 1 --set log_cache_bytes=1MiB --set state_hash_interval_ms=500

# A number in a node's metrics: metric NODE NAME
metric() {
	curl -sf "http://$(address "$1" http)/metrics" |
		awk -v name="$2" '$1 == name { print $2; found = 1 } END { exit !found }'
}

metric_is() {
	[[ $(metric "$1" "$2") == "$3" ]]
}

logged() {
	grep -aq "event=$2" "$run/$1/log"
}

leads() {
	[[ $(leader_of 1) == "$1" ]]
}

nodes=(g1a g1b g1c)

# Every replica's state has been compared at a slot after SLOT: compared SLOT
compared() {
	local node
	for node in "${nodes[@]}"; do
		[[ $(metric "$node" synod_state_hash_slot) -gt $1 ]] || return
	done
}

applied() {
	status_json '[.nodes[] | select(.group == 1) | .applied] | max'
}

# What is to be found stands nowhere but in the state: a log cache full of other things has come
# since.
canary=canary-$RANDOM$RANDOM$RANDOM
begin "replicas compare their states, and find them equal"
kv put victim "$canary"
expect 0
awk 'BEGIN { value = sprintf("%4000s", ""); for (i = 0; i < 1500; i++) printf "record/%05d\t%s%d\n", i, value, i }' >"$scratch/records"
kv import "$scratch/records"
expect 0
before=$(applied)
await "a comparison" compared "$before"
for node in "${nodes[@]}"; do
	same "$(metric "$node" synod_state_diverged_total)" 0 "divergences of $node"
done

begin "a value changes in a follower: it is found, and the shard is named"
leader=$(leader_of 1)
for node in "${nodes[@]}"; do
	[[ $node == "$leader" ]] || victim=$node
done
try "$tools/flip" "$(pid_of "$victim")" "$canary"
[[ $status -ne 2 ]] || skip "the memory of another process may not be touched here: $err"
expect 0
await "$victim to be found" metric_is "$victim" synod_state_diverged_total 1
shard=$(grep -a event=state_diverged "$run/$victim/log" | grep -o 'parts="[^"]*"')
[[ $shard =~ ^parts=\"shard\ [0-9]+\"$ ]] || fail "not one shard is named: $shard"
grep -aq "event=peer_diverged.*$shard" "$run/$leader/log" || fail "$leader does not name $shard"
kv doctor
grep -q "$victim has had another state" <<<"$out" || fail "doctor says nothing of $victim: $out"

begin "it has the right state again, and may lead"
await "$victim to have a state" caught_up "$victim"
kv member transfer 1 "$victim"
expect 0
await "$victim to lead" leads "$victim"
kv get victim
expect 0 "$canary"
before=$(applied)
await "a comparison" compared "$before"

begin "a value changes in the leader: it leads no longer, and the others are right"
try "$tools/flip" "$(pid_of "$victim")" "$canary"
expect 0
await "$victim to be found" metric_is "$victim" synod_state_diverged_total 2
await "another leader" kv get victim
expect 0 "$canary"
await "$victim to have a state" caught_up "$victim"
before=$(applied)
await "a comparison" compared "$before"
for node in "${nodes[@]}"; do
	[[ $node == "$victim" ]] ||
		same "$(metric "$node" synod_state_diverged_total)" 0 "divergences of $node"
	kv_timeout=5s kv status
	expect 0
done
kv put victim again
expect 0

finish
