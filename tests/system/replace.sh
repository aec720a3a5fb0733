#!/usr/bin/env bash
# All three replicas of a group are replaced, one after the other, while clients write and read: not
# one request fails, and what was acknowledged is on machines none of which was there when it was
# written. (faults: 37, 39, 40)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A node that waits to be added, and knows those that were added before it: join NODE PORT
join() {
	{
		cat "${joined:-$config}"
		printf '\n[node %s]\nrole = shardkv\ngroup = 1\nlisten = 127.0.0.1:%d\ndir = %s\n' \
			"$1" "$2" "$run/$1"
	} >"$scratch/with_$1.conf"
	joined=$scratch/with_$1.conf
	mkdir -p "$run/$1"
	helper_start "$SYNOD_BIN/shardkvd" --config "$scratch/with_$1.conf" --node "$1" \
		>"$run/$1/log" 2>&1
}

cluster up --groups 1 >/dev/null
put_some first
load_start --clients 8

number=0
for new in g1x g1y g1z; do
	number=$((number + 1))
	leader=$(leader_of 1)
	# The one that leads is the second to go.
	old=$("$SYNOD_BIN/kvctl" --config "$config" -o json member list 1 |
		jq -r --arg leader "$leader" '[.members[].name | select(test("g1[abc]") and . != $leader)] + [$leader] | .[0]')
	if ((number == 2)) && [[ $leader == g1[abc] ]]; then old=$leader; fi
	begin "$new takes the place of $old, while $leader leads"
	join "$new" $((base_port + 60 + number))
	kv member replace 1 "$old" "$new" "127.0.0.1:$((base_port + 60 + number))"
	expect 0 OK
	await "$old to end" helper_ended "$(pid_of "$old")"
	load_goes_on 100
done

begin "nothing has failed meanwhile, and nothing is missing"
load_check
grep -q 'unknown=0 not_applied=0 violations=0' "$scratch/load.out" ||
	fail "requests have failed: $(<"$scratch/load.out")"
all_there
kv -o json member list 1
expect_json '[.members[].name] | sort | join(" ")' 'g1x g1y g1z'
finish
