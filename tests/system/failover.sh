#!/usr/bin/env bash
# Nodes die, freeze and come back while clients write. (faults: 43, 44, 46, 49, 50)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up

# The replicas of a group hold the same number of keys.
replicas_agree() {
	status_json 'if [.nodes[] | select(.role == "shardkv")] | group_by(.group)
		| all(.[]; [.[].keys] | unique | length == 1)
		then "yes" else empty end' >/dev/null
}

# A group has a leader other than NODE: another_leader GROUP NODE
another_leader() {
	local leader
	leader=$(leader_of "$1") && [[ $leader != "$2" ]]
}

load_start --clients 8

for group in 1 2 0; do
	leader=$(leader_of $group)
	begin "clients go on when the leader of group $group ($leader) is killed, and when it is back"
	cluster kill "$leader"
	await "another leader of group $group" another_leader $group "$leader"
	load_goes_on 100
	cluster restart "$leader"
	await "$leader to catch up" caught_up "$leader"
	load_goes_on 100
done

begin "a follower that is killed is not missed, and catches up"
for node in g1a g1b g1c; do
	[[ $node == "$(leader_of 1)" ]] || follower=$node
done
cluster kill "$follower"
load_goes_on 200
cluster restart "$follower"
await "$follower to catch up" caught_up "$follower"

begin "a leader that is frozen is replaced, and follows when it goes on"
for group in 1 2; do
	leader=$(leader_of $group)
	cluster stop "$leader"
	await "another leader of group $group" another_leader $group "$leader"
	load_goes_on 100
	cluster cont "$leader"
	await "$leader to catch up" caught_up "$leader"
	load_goes_on 100
done

begin "both groups lose their leaders at once"
first=$(leader_of 1) second=$(leader_of 2)
cluster kill "$first" "$second"
await "another leader of group 1" another_leader 1 "$first"
await "another leader of group 2" another_leader 2 "$second"
load_goes_on 200
cluster restart "$first" "$second"
await "$first to catch up" caught_up "$first"
await "$second to catch up" caught_up "$second"
load_goes_on 100

begin "leadership is handed over on request"
leader=$(leader_of 1)
for node in g1a g1b g1c; do
	[[ $node == "$leader" ]] || target=$node
done
kv member transfer 1 "$target"
expect 0
await "$target to lead" another_leader 1 "$leader"
load_goes_on 100

begin "no acknowledged write is lost, none is applied twice, none overtakes another"
load_check

begin "the same for clients that give up sooner than a leader is replaced"
load_start --clients 4 --timeout-ms 100 --prefix hasty
for group in 1 2 1; do
	leader=$(leader_of $group)
	cluster kill "$leader"
	await "another leader of group $group" another_leader $group "$leader"
	load_goes_on 50
	cluster restart "$leader"
	await "$leader to catch up" caught_up "$leader"
done
load_check

begin "all replicas end with the same keys"
await "all nodes to catch up" all_healthy
await "equal replicas" replicas_agree

finish
