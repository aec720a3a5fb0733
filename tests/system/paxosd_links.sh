#!/usr/bin/env bash
# Agreement and the replicated log while peers are cut off from each other, deaf, or paused. faults:
# 7, 8, 44
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/lib_proxy.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_proxy.sh"

# Nodes are numbered m1 g1a p1 p2 p3.
proxied=(p1 p2 p3)
route_links paxosd p1-p2=4 p1-p3=5 p2-p1=3 p2-p3=5 p3-p1=3 p3-p2=4
cluster up --masters 1 --groups 1 --replicas 1 --paxos 3

paxos_leader() {
	status_json '[.nodes[] | select(.role == "paxos" and .up and .leader)] | max_by(.ballot | split(".")[0] | tonumber) | .name'
}

leader_is_not() {
	local leader
	leader=$(paxos_leader) && [[ $leader != "$1" ]]
}

decided_at() {
	kv paxos status "$2" --peer "$1"
	[[ $out == "decided $3" ]]
}

chosen_at() {
	kv log slot "$2" --peer "$1"
	[[ $out == "chosen $3" ]]
}

begin "peers that are cut off decide nothing, and learn when the cut is mended"
# course: 2015 paxos TestPartition
isolate p1
kv paxos start 0 minority --peer p1
expect 0 OK
kv paxos start 0 majority --wait --peer p2
expect 0 'decided majority'
await "p3 to learn" decided_at p3 0 majority
kv paxos status 0 --peer p1
expect 0 pending
proxy cut '*'
kv paxos start 1 nobody --wait --peer p3 --timeout 500ms
expect 4 pending
mend
await "p1 to learn" decided_at p1 0 majority
for node in p1 p2 p3; do await "$node to learn" decided_at "$node" 1 nobody; done

begin "a deaf peer learns by proposing, and not before"
# course: 2015 paxos TestDeaf
deafen p1
kv paxos start 2 two --wait --peer p2
expect 0 'decided two'
await "p3 to learn" decided_at p3 2 two
kv paxos status 2 --peer p1
expect 0 pending
kv paxos start 2 one --wait --peer p1
expect 0 'decided two'
mend

begin "a leader of the log that is cut off acknowledges nothing, and has what the others have afterwards"
kv log append before
expect 0 1
leader=$(paxos_leader)
isolate "$leader"
await "another leader" leader_is_not "$leader"
kv log append meanwhile
expect 0 2
kv log slot 2 --peer "$leader"
expect 0 empty
mend
for node in p1 p2 p3; do await "slot 2 at $node" chosen_at "$node" 2 meanwhile; done

begin "a leader of the log that is paused is replaced, and readers miss nothing"
helper_start "$SYNOD_BIN/kvctl" --config "$config" log tail 1 --count 6 >"$scratch/tail" \
	2>"$scratch/tail.err"
reader=$helper
await "a leader" paxos_leader
leader=$(paxos_leader)
cluster stop "$leader" >/dev/null
for i in 3 4 5 6; do
	kv log append "value $i"
	expect 0 "$i"
done
cluster cont "$leader" >/dev/null
await "the reader to end" helper_ended "$reader"
same "$(cut -f 1 "$scratch/tail" | tr '\n' ' ')" "1 2 3 4 5 6 " "the slots that the reader has seen"
for node in p1 p2 p3; do await "slot 6 at $node" chosen_at "$node" 6 'value 6'; done

finish
