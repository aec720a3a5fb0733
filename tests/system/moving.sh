#!/usr/bin/env bash
# Members move to other addresses, one by one and all at once: whoever was not told finds them, and
# the group's list, the shard masters and clients follow. (faults: 39, 40)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Where the list of a group says that a member is: listed GROUP NODE
listed() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json member list "$1" 2>/dev/null |
		jq -r ".members[] | select(.name == \"$2\") | .address"
}

listed_is() {
	[[ $(listed "$1" "$2") == "$3" ]]
}

known_addresses() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json config 2>/dev/null |
		jq -r '.groups[] | select(.gid == 1) | .members | sort | join(" ")'
}

masters_know() {
	[[ $(known_addresses) == "$(for node in g1a g1b g1c; do address "$node" listen; done |
		sort | paste -sd ' ')" ]]
}

# Its section, in place: set_port NODE PORT [FILE]
set_port() {
	sed -i "/^\[node $1\]/,/^\[node/s/^listen = .*/listen = 127.0.0.1:$2/" "${3:-$config}"
}

# Its process ends, and begins again at another port: move NODE PORT
move() {
	cluster kill "$1"
	set_port "$1" "$2"
	cluster restart "$1"
}

cluster up --groups 1 --set reconnect_max_ms=200ms >/dev/null
kv put key value
expect 0
load_start --clients 4
cp "$config" "$scratch/old.conf"

begin "a follower is started elsewhere: nobody else was told, and everybody finds it"
follower=g1b
[[ $(leader_of 1) != g1b ]] || follower=g1c
move "$follower" $((base_port + 71))
await "the list to say where it is" listed_is 1 "$follower" "127.0.0.1:$((base_port + 71))"
await "the shard masters to know it" masters_know
await "it to catch up" caught_up "$follower"
load_goes_on 50
grep -q 'event=member_moved' "$run"/*/log || fail "nobody says that it has moved"

begin "the leader is started elsewhere, and so is the third one"
leader=$(leader_of 1)
move "$leader" $((base_port + 72))
await "the list to say where it is" listed_is 1 "$leader" "127.0.0.1:$((base_port + 72))"
load_goes_on 50
third=$(for node in g1a g1b g1c; do echo "$node"; done | grep -v -e "$follower" -e "$leader")
await "it to catch up" caught_up "$leader"
move "$third" $((base_port + 73))
await "the list to say where it is" listed_is 1 "$third" "127.0.0.1:$((base_port + 73))"
await "the shard masters to know all" masters_know
await "all to vote" all_vote
load_goes_on 50

begin "one that is started with an old file, in which the others are where they were, finds them; the list is not changed back"
before=$(for node in g1a g1b g1c; do listed 1 "$node"; done)
cluster kill "$follower"
set_port "$follower" $((base_port + 71)) "$scratch/old.conf"
cp "$config" "$scratch/new.conf"
cp "$scratch/old.conf" "$config"
cluster restart "$follower"
cp "$scratch/new.conf" "$config"
await "it to catch up" caught_up "$follower"
kv member transfer 1 "$follower"
expect 0
load_goes_on 50
same "$(for node in g1a g1b g1c; do listed 1 "$node"; done)" "$before" "the list"
load_check

begin "all of a group, and a shard master, are started elsewhere at the same time"
cluster down >/dev/null
port=80
for node in g1a g1b g1c m2; do
	port=$((port + 1))
	set_port "$node" $((base_port + port))
done
cluster up >/dev/null
await "all to vote" all_vote
for node in g1a g1b g1c; do
	await "the list to say where $node is" listed_is 1 "$node" "$(address "$node" listen)"
done
await "the list of the masters" listed_is masters m2 "$(address m2 listen)"
await "the shard masters to know all" masters_know
kv get key
expect 0 value

begin "a whole network moves, whose groups have never told that one of them has"
cluster clean >/dev/null
cluster up --groups 1 >/dev/null
kv put key value
expect 0
cluster down >/dev/null
port=60
for node in g1a g1b g1c m1 m2 m3; do
	port=$((port + 1))
	set_port "$node" $((base_port + port))
done
cluster up >/dev/null
await "the shard masters to know all" masters_know
kv get key
expect 0 value
await "the list of the masters" listed_is masters m1 "$(address m1 listen)"

begin "a member that was removed is added again elsewhere, while the others have a file that says where it was"
gone=g1b
[[ $(leader_of 1) != g1b ]] || gone=g1c
old=$(address "$gone" listen)
kv member remove 1 "$gone"
expect 0
cluster kill "$gone" >/dev/null 2>&1 || true
rm -rf "${run:?}/$gone"
set_port "$gone" $((base_port + 91))
cluster restart "$gone"
kv member add 1 "$gone" "127.0.0.1:$((base_port + 91))"
expect 0
kv -o json member list 1
expect_json ".members[] | select(.name == \"$gone\") | .role, .number > 3" $'voter\ntrue'
[[ $(listed 1 "$gone") != "$old" ]] || fail "it is still said to be at $old"
await "it to catch up" caught_up "$gone"
await "the shard masters to know it" masters_know
kv get key
expect 0 value
finish
