#!/usr/bin/env bash
# Data directories of every earlier version start under this one with equal contents:
# tests/fixtures, which make.sh made.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The groups' addresses stand in the shard masters' configurations: the ports are those of the
# fixture, outside of the range that reserve_ports takes from, and one run of this test at a time
# uses them.
exec {fixture_lock}>"${TMPDIR:-/tmp}/synod-test-fixture-v1.lock"
flock "$fixture_lock"
if ! ports_free 30101 30112 || ! ports_free 31101 31112; then
	skip "the ports 30101-30112 and 31101-31112, which the fixture needs, are in use"
fi

# All that is to be compared. Not the sessions (sessions.json says how many there were): that
# version has them end an hour after their last request, by the wall clock.
compare() {
	kv -o json export
	expect 0
	cmp "$scratch/out" "$run/records" || fail "other records"
	kv log read
	expect 0
	cmp "$scratch/out" "$run/log.values" || fail "another log"
	kv paxos status 7
	expect 0 "$(<"$run/agreement")"
	kv config -o json
	expect 0 "$(<"$run/config.json")"
}

identified() {
	grep -q '^synod-identity 4' "$run/$1/identity" &&
		grep -q '^cluster_id = .*[1-9a-f]' "$run/$1/identity"
}

replicas_vote() {
	status_json 'if all(.nodes[] | select(.role == "shardkv" or .role == "shardmaster"); .up and .health == "ok" and .applied > 0)
		then "yes" else empty end' >/dev/null
}

leads() {
	[[ $(leader_of 1) == "$1" ]]
}

starts_from() {
	local version=$1 node
	nodes=(m1 m2 m3 g1a g1b g1c v1 pb1 pb2 p1 p2 p3)
	rm -rf "$run"
	mkdir -p "$run"
	tar -C "$run" -xzf "$repository/tests/fixtures/$version.tar.gz"
	sed -i "s|^dir = RUN/|dir = $run/|" "$config"
	begin "version $version: the directories start, and everything is there"
	cluster up
	compare
	for node in "${nodes[@]}"; do
		await "$node to know the cluster's id" identified "$node"
	done
	same "$(sed -n 's/^cluster_id = //p' "$run"/*/identity | sort -u |
		wc -l)" 1 "ids of one cluster"
	same "$(sed -n 's/^group_id = //p' "$run"/{m,g,v,p}[123]*/identity | sort -u |
		wc -l)" 4 "ids of four groups"

	begin "version $version: with each replica as the leader"
	for node in g1a g1b g1c; do
		kv member transfer 1 "$node"
		expect 0
		await "$node to lead" leads "$node"
		compare
	done

	begin "version $version: they take writes, and start again"
	kv append appended new
	expect 0 OK
	kv get appended
	expect 0 1,2,3,4,5,new
	kv log append new
	expect 0 21
	cluster kill "${nodes[@]}"
	cluster up
	kv get appended
	expect 0 1,2,3,4,5,new
	kv log read 20
	expect 0 $'20\tvalue 20\n21\tnew'

	begin "version $version: its members change: one is added, the leader goes, a disk is lost, and masters as well"
	local leader other
	leader=$(leader_of 1)
	other=$(printf '%s\n' g1a g1b g1c | grep -v "$leader" | head -n 1)
	tool add g1d
	tool remove "$leader"
	tool wipe "$other"
	tool add m4
	tool remove m1
	tool wipe m2
	kv -o json member list 1
	expect_json '.members | map(select(.role == "voter")) | length' 3
	expect_json ".members[] | select(.name == \"g1d\") | .number" 4
	kv -o json export
	expect 0
	cp "$scratch/out" "$scratch/exported"
	kv get appended
	expect 0 1,2,3,4,5,new

	begin "version $version: and they start again, with the members that there are now"
	cluster down >/dev/null
	cluster up
	await "all replicas" replicas_vote
	kv -o json export
	expect 0
	cmp "$scratch/out" "$scratch/exported" || fail "other records"
	mapfile -t nodes < <(sed -n 's/^\[node \(.*\)\]/\1/p' "$config")
	cluster kill "${nodes[@]}"
}

tool() {
	try "$repository/scripts/cluster.sh" "$@" --dir "$run"
	expect 0
}

for fixture in "$repository"/tests/fixtures/v*.tar.gz; do
	starts_from "$(basename "$fixture" .tar.gz)"
done

finish
