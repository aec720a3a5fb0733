#!/usr/bin/env bash
# Disks that are lost, with real processes: a replica whose directory is gone comes back with an
# empty one and has no vote before it has everything; nothing that was acknowledged is lost, whoever
# else is down or behind. (faults: 38)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

append() {
	"$SYNOD_BIN/kvctl" --config "$config" --timeout 60s append "$1" "$2" >/dev/null ||
		fail "append of $2: exit code $?"
}

# Items FIRST to LAST, each with a semicolon behind it.
items() {
	seq -s ';' "$1" "$2" | sed 's/$/;/'
}

# Each replica of a group of three is the leader once, and shows the same: replicas_agree GROUP
# NODE…
replicas_agree() {
	local group=$1 node
	shift
	for node in "$@"; do
		await "$node to lead" led_by "$group" "$node"
		kv export
		expect 0
		sort "$scratch/out" >"$scratch/state.$node"
		cmp "$scratch/state.$1" "$scratch/state.$node" ||
			fail "$node has something else than $1"
	done
}

led_by() {
	"$SYNOD_BIN/kvctl" --config "$config" member transfer "$1" "$2" >/dev/null 2>&1 &&
		[[ $(leader_of "$1") == "$2" ]]
}

# --- groups of three ---

cluster up --masters 1 --groups 5 --replicas 3 >/dev/null
await "all nodes" all_vote
declare -A key_of
for group in 1 2 3 4 5; do
	mapfile -t keys < <(keys_of "$group" key)
	key_of[$group]=${keys[0]}
done

begin "each replica of three loses its disk in turn, and all data is there"
# course: 2015 diskv Test5OneLostDisk — It comes back within seconds, with everything.
for ((i = 0; i < 100; i++)); do printf 'record/%03d\tvalue %d\n' "$i" "$i"; done >"$scratch/records"
kv import "$scratch/records"
expect 0
for node in g1a g1b g1c; do
	began=$SECONDS
	try cluster wipe "$node"
	expect 0
	grep -q "$node has everything, and votes again" <<<"$out" || fail "it said: $out"
	say "$node was back after about $((SECONDS - began)) s"
	append "${key_of[1]}" "$node;"
	kv export --prefix record/
	expect 0 "$(cat "$scratch/records")"
done
kv get "${key_of[1]}"
expect 0 'g1a;g1b;g1c;'
for group in 1 2 3 4 5; do
	kv put "${key_of[$group]}" ''
	expect 0
done

begin "fifty times an append races a kill, of which every other one takes the disk along"
# course: 2015 diskv Test5Simultaneous — Five groups at once, ten rounds each, so that it does not
# take a minute.
letters=(a b c)
for ((round = 0; round < 10; round++)); do
	victims=() appends=()
	for group in 1 2 3 4 5; do
		victims+=("g$group${letters[(round + group) % 3]}")
		append "${key_of[$group]}" "$round;" &
		appends+=("$!")
	done
	cluster kill "${victims[@]}" >/dev/null
	if ((round % 2 == 1)); then
		for node in "${victims[@]}"; do rm -rf "${run:?}/$node"; done
	fi
	cluster restart "${victims[@]}" >/dev/null
	wait "${appends[@]}" || fail "an append of round $round"
	await "all nodes to vote again" all_vote
done
for group in 1 2 3 4 5; do
	kv get "${key_of[$group]}"
	expect 0 "$(items 0 9)"
done

begin "appends race three kills and three kills with the disk: each is there once, in order, and all replicas are equal"
# course: 2015 diskv Test5ConcurrentCrashReliable — Clients do not notice.
load_start --clients 6
for ((round = 0; round < 6; round++)); do
	node=g2${letters[round % 3]}
	if ((round < 3)); then
		cluster kill "$node" >/dev/null
		load_goes_on 20
		cluster restart "$node" >/dev/null
		await "$node to count again" all_vote
	else
		cluster wipe "$node" >/dev/null
	fi
	load_goes_on 50
done
load_check
replicas_agree 2 g2a g2b g2c
cluster clean >/dev/null

# --- groups of five ---

cluster up --masters 1 --groups 1 --replicas 5 >/dev/null
await "all nodes" all_vote
begin "with one replica of five down throughout, the others lose their disks in turn"
# course: 2015 diskv Test5OneLostOneDown — There is a majority at any time.
kv put log ''
cluster kill g1a
number=0
for node in g1b g1c g1d g1e; do
	append log "$((number++));"
	try cluster wipe "$node"
	expect 0
	append log "$((number++));"
	kv get log
	expect 0 "$(items 0 $((number - 1)))"
done
cluster restart g1a
await "g1a to catch up" all_vote

begin "wipe is refused when that would cost the majority, naming who is missing"
cluster kill g1a g1d
try cluster wipe g1b
expect 1
expect_error 'group 1 cannot spare g1b: it lacks g1a \(down\), g1d \(down\)'
append log "$((number++));"
cluster restart g1a g1d
await "all nodes" all_vote

begin "two that missed a hundred appends come back together with one that has lost its disk: nothing is forgotten"
# course: 2015 diskv Test5RejoinMix3 — An append finds the complete value.
kv put value ''
cluster kill g1b g1c
for ((i = 0; i < 100; i++)); do append value "$i;"; done
cluster kill g1a
rm -rf "${run:?}/g1a"
cluster restart g1b g1c g1a &
restart=$!
append value "100;"
kv get value
expect 0 "$(items 0 100)"
wait "$restart"
await "all nodes" all_vote
kv get value
expect 0 "$(items 0 100)"

begin "one that is behind and two without their disks answer nothing, until the others are back with everything"
# course: 2015 diskv Test5RejoinMix1 — Those who have lost their disks do not make up a majority.
kv put value ''
cluster kill g1a
for ((i = 0; i < 100; i++)); do append value "$i;"; done
cluster kill g1b g1c g1d g1e
rm -rf "${run:?}/g1b" "${run:?}/g1c"
cluster restart g1a g1b g1c
for ((i = 0; i < 3; i++)); do
	kv_timeout=1s kv get value
	expect 3 ''
	kv_timeout=1s kv put value "nobody has acknowledged this"
	[[ $status -eq 3 || $status -eq 4 ]] || fail "a put was answered: $status $out"
	kv_timeout=1s kv member transfer 1 g1a
	[[ $status -ne 0 ]] || fail "a replica leads without a majority"
done
cluster restart g1d g1e
await "all nodes" all_vote
kv get value
[[ $out == "$(items 0 99)" || $out == "nobody has acknowledged this" ]] ||
	fail "the value is '$out'"
finish
