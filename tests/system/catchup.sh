#!/usr/bin/env bash
# A replica that was away for longer than the log reaches back catches up from a snapshot. (faults:
# 9, 28, 35)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --groups 1 --set snapshot_log_bytes=1MiB --set log_cache_bytes=1MiB

# The oldest slot in a node's log; and how far it has applied: of NODE FIELD
of() {
	status_json ".nodes[] | select(.name == \"$1\") | .$2"
}

# The log of the leader begins behind what the lagging replica has: it needs a snapshot.
log_trimmed() {
	local first
	first=$(of "$(leader_of 1)" log_first) && [[ $first -gt $lagging_at ]]
}

leads() {
	[[ $(leader_of 1) == "$1" ]]
}

# About 8 MB, several times over, so that each time there is more to forget in the log.
# shellcheck disable=SC2016 # $ belongs to awk
awk 'BEGIN {
	for (i = 0; i < 2000; i++) {
		value = i
		while (length(value) < 4000)
			value = value "-" i
		printf "record/%05d\t%s\n", i, value
	}
}' >"$scratch/records"

begin "the log is cut when a snapshot covers it, while a replica is away"
for node in g1a g1b g1c; do
	[[ $node == "$(leader_of 1)" ]] || lagging=$node
done
kv put before x
expect 0
await "$lagging to catch up" caught_up "$lagging"
lagging_at=$(of "$lagging" applied)
cluster kill "$lagging"
for _ in 1 2 3; do
	kv import "$scratch/records"
	expect 0
done
await "the log to be cut behind slot $lagging_at" log_trimmed

begin "the replica catches up all the same"
cluster restart "$lagging"
await "$lagging to catch up" caught_up "$lagging"
same "$(of "$lagging" keys)" 2001 "keys at $lagging"
[[ $(of "$lagging" snapshot) -gt $lagging_at ]] || fail "$lagging has no newer snapshot"

begin "it has everything: as the leader it serves every record"
kv member transfer 1 "$lagging"
expect 0
await "$lagging to lead" leads "$lagging"
kv export --prefix record/
expect 0
cmp "$scratch/out" "$scratch/records" || fail "the records differ"

begin "so does every replica that starts from its own snapshot"
nodes=(g1a g1b g1c)
cluster kill "${nodes[@]}"
cluster up
kv export --prefix record/
expect 0
cmp "$scratch/out" "$scratch/records" || fail "the records differ"

begin "the log stays bounded"
for node in "${nodes[@]}"; do
	[[ $(of "$node" disk_bytes) -lt $((100 << 20)) ]] ||
		fail "$node takes $(of "$node" disk_bytes) bytes for 8 MB of data"
done

finish
