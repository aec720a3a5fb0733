#!/usr/bin/env bash
# Paxosds whose directories are removed: each takes part in the agreement again, by itself;
# everything that was decided and appended is still there, and never another value. faults: 38
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --masters 1 --groups 1 --replicas 1 --paxos 3

decided_at() {
	kv paxos status "$2" --peer "$1"
	[[ $out == "decided $3" ]]
}

metric() {
	curl -sf "http://$(address "$1" http)/metrics" | sed -n "s/^$2 //p"
}

takes_part() {
	[[ $(metric "$1" synod_agreement_takes_part) == 1 &&
		$(metric "$1" synod_agreement_told_by) -ge ${2:-0} ]]
}

min_is() {
	kv paxos min --peer "$1"
	[[ $out -ge $2 ]]
}

# Its machine fails, with its disk, and comes back with an empty one.
wipe() {
	cluster kill "$1" >/dev/null
	rm -rf "${run:?}/$1"
	cluster restart "$1" >/dev/null
}

begin "before: instances that are decided, or forgotten, and a log"
for seq in 0 1 2 3 4 5; do
	kv paxos start "$seq" "value $seq" --wait --peer p1
	expect 0 "decided value $seq"
done
for node in p1 p2 p3; do
	await "$node to learn" decided_at "$node" 5 "value 5"
	kv paxos "done" 1 --peer "$node"
	expect 0 OK
done
for node in p1 p2 p3; do await "$node to forget" min_is "$node" 2; done
kv log append one two
expect 0 1

for node in p1 p2 p3; do
	begin "$node loses its directory, and takes part again"
	wipe "$node"
	await "$node to be told by both others" takes_part "$node" 2
	grep -q 'event=agreement_inside .*binding=1 ' "$run/$node/log" ||
		fail "$node does not say that it is inside: $(tail -n 5 "$run/$node/log")"
	await "status to say that all is well" all_healthy
	for seq in 2 3 4 5; do
		kv paxos status "$seq" --wait --peer "$node"
		expect 0 "decided value $seq"
		kv paxos start "$seq" other --wait --peer "$node"
		expect 0 "decided value $seq"
	done
	kv paxos status 0 --peer "$node"
	expect 0 forgotten
	kv paxos start 1 again --peer "$node"
	expect 5
	expect_error forgotten
	kv log read 1
	expect 0 $'1\tone\n2\ttwo'
done

begin "with a new disk and one other, the third down, instances are decided; old holes as well"
cluster kill p2 >/dev/null
for seq in 6 7 8 100 50 51 52; do
	kv paxos start "$seq" "late $seq" --wait --peer p3
	expect 0 "decided late $seq"
done
cluster restart p2 >/dev/null
for seq in 6 100 50; do await "p2 to learn" decided_at p2 "$seq" "late $seq"; done

begin "a second loss of the same peer, with one of the others down: it waits, and decides nothing, until that one is back"
cluster kill p1 >/dev/null
wipe p3
await "p3 to know that it has lost its directory" grep -q 'event=directory_lost' "$run/p3/log"
kv paxos start 200 alone --peer p3 --timeout 1s
[[ $status -ne 0 ]] || fail "p3 has begun an instance: $out"
kv status
[[ $status -ne 0 ]] || fail "all is well, says status: $out"
grep -qE '^p3 .*(does not vote|does not take part)' <<<"$out" ||
	fail "status does not say what p3 lacks: $out"
kv paxos status 100 --peer p2
expect 0 "decided late 100"
kv paxos start 200 two --peer p2
expect 0 OK
kv paxos status 200 --wait --peer p2 --timeout 500ms
expect 4 pending
cluster restart p1 >/dev/null
await "p3 to be told" takes_part p3 2
for node in p1 p2 p3; do
	kv paxos status 200 --wait --peer "$node"
	expect 0 'decided two'
	kv paxos status 52 --wait --peer "$node"
	expect 0 'decided late 52'
done

begin "a restart of all: nobody enters once more"
cluster kill p1 p2 p3 >/dev/null
cluster restart p1 p2 p3 >/dev/null
for node in p1 p2 p3; do
	await "$node to take part" takes_part "$node"
	kv paxos start 201 again --wait --peer "$node"
	expect 0 'decided again'
done
kv doctor
expect 0

finish
