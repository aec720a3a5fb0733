#!/usr/bin/env bash
# Groups join and leave, shards move as long as they are empty; nothing that was stored is lost.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --groups 3 --replicas 1 --masters 3 --set shards=16

# The number of shards of each group, in ascending order of groups.
counts() {
	"$SYNOD_BIN/kvctl" --config "$config" shards -o json |
		jq -r '[.shards | group_by(.)[] | length] | join(" ")'
}

owner_of() {
	"$SYNOD_BIN/kvctl" --config "$config" shards -o json | jq -r ".shards[$1]"
}

export_equals_records() {
	kv export --prefix record/
	expect 0 "$(<"$scratch/records")"
}

begin "shards are spread evenly, and a group that leaves hands over its empty ones"
same "$(counts)" "6 5 5" "shards of groups 1, 2, 3"
kv leave 3
expect 0
same "$(counts)" "8 8" "shards of groups 1, 2"
kv leave 3
expect 5
expect_error 'no such group'

begin "a group joins with its share"
kv join 3 "$(address g3a listen)"
expect 0
same "$(counts | tr ' ' '\n' | sort -n | tail -n 1)" 6 "most shards of a group"
kv join 3 "$(address g3a listen)"
expect 5
expect_error 'already exists'
kv join 0 "$(address g3a listen)"
[[ $status -eq 5 || $status -eq 64 ]] || fail "joining group 0 returned $status"

begin "an empty shard moves, and moves back with a rebalance"
owner=$(owner_of 0)
target=$((owner % 3 + 1))
kv move 0 $target
expect 0
same "$(owner_of 0)" $target "owner of shard 0"
kv move 0 9
expect 5
expect_error 'no such group'
kv move 16 1
[[ $status -eq 5 || $status -eq 64 ]] || fail "moving a shard that is none returned $status"
kv rebalance
expect 0
same "$(counts | tr ' ' '\n' | sort -n | tr '\n' ' ')" "5 5 6 " "numbers of shards"

begin "older configurations can be asked for"
kv config 1 -o json
expect 0
expect_json '.groups | length' 1
kv config 999
expect 1

begin "a shard that holds data stays where it is"
for number in {100..299}; do
	printf 'record/%d\tvalue %d\n' "$number" "$number"
done >"$scratch/records"
kv import "$scratch/records"
expect 0
kv shards -o json
shards=$out
for group in 1 2 3; do
	kv leave $group
	expect 5
	expect_error 'hold'
done
owner=$(owner_of 0)
kv move 0 $((owner % 3 + 1))
expect 5
expect_error 'hold'
kv shards -o json
expect 0 "$shards"
export_equals_records

begin "all of that survives a restart of everything"
cluster kill m1 m2 m3 g1a g2a g3a
cluster up
kv shards -o json
expect 0 "$shards"
export_equals_records
kv leave 1
expect 5

finish
