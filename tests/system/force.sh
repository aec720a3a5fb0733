#!/usr/bin/env bash
# A group has lost its majority: kvctl member force makes it go on from one replica, and those who
# were lost never serve again, whoever of the others they meet when they come back. (faults: 110)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A node of which nothing is expected but that it ends: turned_away NODE PATTERN, which its log has
# then.
turned_away() {
	local code=0
	"$SYNOD_BIN/shardkvd" --config "$config" --node "$1" >"$scratch/$1.again" 2>&1 &
	helpers+=("$!")
	await "$1 to end" helper_ended "$!"
	wait "$!" || code=$?
	grep -qE -- "$2" "$scratch/$1.again" ||
		fail "$1 ended with $code, and said: $(<"$scratch/$1.again")"
}

# The directory of a node as it was when it was lost.
put_back() {
	rm -rf "${run:?}/$1"
	cp -a "$scratch/lost/$1" "$run/$1"
}

voters() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json member list 1 2>/dev/null |
		jq -r '[.members[] | select(.role == "voter") | .name] | join(" ")'
}

generation() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json member list 1 2>/dev/null | jq -r .generation
}

said() {
	grep -qE -- "$2" "$scratch/$1.again"
}

cluster up --groups 1 --views 3 --paxos 3 >/dev/null
put_some before

begin "while a majority answers, nothing is forced"
kv member force 1 --from g1a --yes
expect 5
expect_error 'answer'
kv member force 1 --yes
expect 64
kv member force 1 --from nobody --yes
expect 5
expect_error 'no member'
kv member list 1 --yes
expect 64
kv member force masters --from m1 --yes
expect 5
same "$(generation)" 0 "the generation"

begin "a majority is lost: the group refuses"
kv member transfer 1 g1b
expect 0
put_some later
await "g1a to have everything" caught_up g1a
cluster kill g1b g1c
mkdir "$scratch/lost"
cp -a "$run/g1b" "$run/g1c" "$scratch/lost"
kv_timeout=1s kv put key/before/01 again
[[ $status -eq 3 || $status -eq 4 ]] || fail "a put returned $status"

begin "force tells what may be lost, and wants it confirmed"
kv member force 1 --from g1a
expect 64
expect_error 'kept: everything up to slot'
expect_error 'lost: every write that the others have acknowledged without this replica'
expect_error 'turned away: g1c, replica 3 at '
expect_error '--yes'
kv -o json member list 1
expect_json '.generation' 0
kv member force 1 --from g1b --yes
[[ $status -ne 0 ]] || fail "a group was forced from a node that does not run"

begin "while the shard masters do not answer nothing is decided, and it is said that it may be later"
cluster stop m1 m2 m3
kv member force 1 --from g1a --yes
expect 4
expect_error 'not known whether the shard masters have recorded it, or will'
expect_error 'start none of the others before'
cluster cont m1 m2 m3

begin "the group goes on from it, with everything that it had"
kv -o json member force 1 --from g1a --yes
expect 0
expect_json '.ok, .generation' $'true\n1'
same "$(voters)" g1a "the voters"
same "$(generation)" 1 "the generation"
all_there
put_some forced
all_there
kv member force 1 --from g1a --yes
expect 0 OK
expect_error 'already'
same "$(generation)" 1 "the generation"

begin "it goes on so after it was killed"
cluster kill g1a
cluster restart g1a
all_there
same "$(generation)" 1 "the generation"

begin "those who were lost come back, and are turned away: by the group"
turned_away g1b 'event=superseded .*newest=1'
turned_away g1b 'group 1 had lost its majority, and was made to go on without node g1b, as generation 1'

begin "by the shard masters, when nobody of the group answers"
put_back g1b
cluster stop g1a
turned_away g1b 'event=superseded .*told_by="?the shard masters'
turned_away g1c 'event=superseded .*told_by="?the shard masters'

begin "when nobody answers at all they wait, as many as they are, and serve nothing"
put_back g1b
put_back g1c
cluster stop m1 m2 m3
declare -A waiting
for node in g1b g1c; do
	"$SYNOD_BIN/shardkvd" --config "$config" --node "$node" >"$scratch/$node.again" 2>&1 &
	helpers+=("$!")
	waiting[$node]=$!
done
await "g1b to wait" said g1b 'event=generation_waits'
await "g1c to wait" said g1c 'event=generation_waits'
kv status -o json
expect_json '.nodes[] | select(.name == "g1b") | .health' 'waits for the shard masters'
! said g1b 'event=leader_elected' || fail "g1b leads"
! said g1c 'event=leader_elected' || fail "g1c leads"
cluster cont m1 m2 m3
await "g1b to end" helper_ended "${waiting[g1b]}"
await "g1c to end" helper_ended "${waiting[g1c]}"
said g1b 'event=superseded' || fail "g1b said: $(<"$scratch/g1b.again")"
cluster cont g1a
all_there

begin "others are added: those nodes, with empty directories"
for node in g1b g1c; do
	rm -rf "${run:?}/$node"
	mkdir "$run/$node"
	kv member add 1 "$node" --no-wait
	expect 0
	cluster restart "$node"
	kv member add 1 "$node"
	expect 0
done
same "$(voters)" 'g1a g1b g1c' "the voters"
all_there

begin "the group stands the loss of the one that it went on from"
await "all to be well" all_healthy
kv member transfer 1 g1c
expect 0
cluster kill g1a
rm -rf "${run:?}/g1a"
mkdir "$run/g1a"
all_there
put_some last
cluster restart g1a
await "all nodes to vote" all_vote
all_there
same "$(generation)" 1 "the generation"

begin "groups that nobody keeps a generation of are not forced, and say why"
cluster kill m2 m3 v2 v3 p2 p3
kv member force masters --from m1 --yes
expect 5
expect_error 'nobody keeps theirs'
kv member force views --from v1 --yes
expect 5
expect_error 'nobody keeps the generation of the view service'
kv member force paxos --from p1 --yes
expect 5
expect_error 'paxosds cannot be forced'

finish
