#!/usr/bin/env bash
# Without a majority nothing is acknowledged, the exit code says what is certain, and others are
# served. (faults: 50)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up
kv_timeout=1s

mapfile -t first < <(keys_of 1 first)
mapfile -t second < <(keys_of 2 second)
same "${#first[@]} ${#second[@]}" "4 4" "keys found for both groups"

begin "the keys are where the hash says"
kv put "${first[0]}" before
expect 0
kv put "${second[0]}" before
expect 0
same "$(status_json '[.nodes[] | select(.role == "shardkv" and .leader) | .keys] | join(" ")')" \
	"1 1" "keys of the groups"

begin "a group without a majority acknowledges nothing: certainly not applied, or unknown"
leader=$(leader_of 1)
for node in g1a g1b g1c; do
	[[ $node == "$leader" ]] || cluster kill $node
done
codes=()
for key in "${first[@]}"; do
	kv put "$key" during
	[[ $status -eq 3 || $status -eq 4 ]] ||
		fail "put without a majority returned $status: $out $err"
	codes+=("$status")
done
kv get "${first[0]}"
expect 3 ''

begin "the other group serves as before"
kv put "${second[0]}" during
expect 0
kv get "${second[0]}"
expect 0 during

begin "with the majority back, what was certainly not applied is not there"
for node in g1a g1b g1c; do
	[[ $node == "$leader" ]] || cluster restart $node
done
await "all nodes" all_healthy
kv_timeout=30s
for number in 0 1 2 3; do
	kv get "${first[number]}"
	say "put returned ${codes[number]}; get returned $status: $out"
	if [[ ${codes[number]} -eq 3 && $number -eq 0 ]]; then
		expect 0 before
	elif [[ ${codes[number]} -eq 3 ]]; then
		expect 1
	else
		[[ $status -eq 1 || $out == before || $out == during ]] ||
			fail "get returned $status: $out"
	fi
done
kv put "${first[1]}" after
expect 0

begin "without any replica of a group nothing is sent, so it is certain"
cluster kill g1a g1b g1c
kv_timeout=1s
kv put "${first[2]}" nobody
expect 3
cluster restart g1a g1b g1c
await "all nodes" all_healthy

begin "without a majority of the shard masters, known clients are served, new configurations are not made"
load_start --clients 4
cluster kill m1 m2
load_goes_on 200
kv move 0 2
[[ $status -eq 3 || $status -eq 4 ]] || fail "move returned $status: $out $err"
cluster restart m1 m2
load_check

finish
