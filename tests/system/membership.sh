#!/usr/bin/env bash
# Members of groups come and go, with real processes: kvctl member, and scripts/cluster.sh add and
# remove; clients, and what kvctl shows, follow. (faults: 39, 40)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/lib_interrupt.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_interrupt.sh"

tool() {
	try "$repository/scripts/cluster.sh" "$@" --dir "$run"
}

# The names of a group's voters, by its own list: voters GID
voters() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json member list "$1" 2>/dev/null |
		jq -r '[.members[] | select(.role == "voter") | .name] | join(" ")'
}

voters_are() {
	[[ $(voters "$1") == "$2" ]]
}

# The addresses by which the shard masters know a group: known_addresses GID
known_addresses() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json config 2>/dev/null |
		jq -r ".groups[] | select(.gid == $1) | .members | sort | join(\" \")"
}

addresses_are() {
	[[ $(known_addresses "$1") == "$2" ]]
}

addresses_of() {
	local node
	for node in "$@"; do address "$node" listen; done | sort | paste -sd ' '
}

cluster up --groups 1 --views 3 >/dev/null
kv put key value
expect 0

begin "member list shows what the group knows"
kv member list 1
expect 0
grep -qE "^ *2 +g1b +$(address g1b listen) +voter +(up|leader) +0 " <<<"$out" ||
	fail "it printed: $out"
kv -o json member list 1
expect_json '[.members[] | .number, .name, .role] | join(" ")' '1 g1a voter 2 g1b voter 3 g1c voter'
expect_json '[.members[] | select(.leader)] | length' 1
expect_json '.members | all(.up and .lag == 0)' true
kv -o json member list masters
expect_json '[.members[].name] | join(" ")' 'm1 m2 m3'
kv -o json member list views
expect_json '[.members[].name] | join(" ")' 'v1 v2 v3'

begin "mistakes are told apart, and nothing is changed"
kv member add 1
expect 64
kv member add nobody g1d 127.0.0.1:1
expect 64
kv member add 1 g1d
expect 64
expect_error 'HOST:PORT'
kv member add 1 g1d nowhere
expect 64
for name in 'a=b' '[x]' '#y' 'a,b' '' '-x' $'g\x01' 'gé' 'a b'; do
	kv member add 1 -- "$name" 127.0.0.1:1
	expect 64
	expect_error 'is no name of a node: 1 to 63 letters'
done
kv member add 1 g1d 0.0.0.0:7000
expect 64
expect_error '0.0.0.0:7000 stands for all addresses of a machine'
kv member add 1 g1d "$(address m1 listen)"
expect 5
expect_error "at $(address m1 listen) is m1, not g1d"
kv member add 1 g1b 127.0.0.1:1
expect 64
expect_error "g1b listens at $(address g1b listen)"
kv member add 1 m1
expect 64
expect_error 'shardmaster'
kv member add 1 g1d "$(address g1a listen)"
expect 5
expect_error 'g1a, is already at'
kv member add 9 g9a 127.0.0.1:1
expect 5
expect_error 'no such group'
kv member remove 1 nobody
expect 5
expect_error 'group 1 has no member "nobody": its members are g1a, g1b, g1c'
kv member promote 1 nobody
expect 5
kv member replace 1 nobody g1d 127.0.0.1:1
expect 5
kv member replace 1 g1a g1b
expect 5
expect_error 'g1b is member 2 already, a voter: to have it in the place of g1a, remove g1a'
kv member list 1 --no-wait
expect 64
kv member transfer 1 nobody
expect 64
kv member add paxos p4 127.0.0.1:1
expect 64
kv member add 1 g1b
expect 0 OK
expect_error 'already'
voters_are 1 'g1a g1b g1c' || fail "the voters are $(voters 1)"

begin "who does not run becomes a learner, which is waited for as long as one wants; it can be taken back"
kv_timeout=1s kv member add 1 g1x 127.0.0.1:$((base_port + 98))
expect 4
expect_error "g1x does not answer at 127.0.0.1:$((base_port + 98)) yet"
expect_error 'g1x has not been heard'
kv -o json member list 1
expect_json '.members[] | select(.name == "g1x") | .role, .waits_for' \
	$'learner\ng1x has not been heard'
kv member add 1 g1x 127.0.0.1:$((base_port + 98)) --no-wait
expect 0 OK
kv member promote 1 g1x
expect 5
expect_error 'g1x has not been heard'
kv member remove 1 g1x
expect 0 OK
voters_are 1 'g1a g1b g1c' || fail "the voters are $(voters 1)"

begin "add starts a replica more, and returns when it votes; the shard masters learn its address, and clients notice nothing"
load_start --clients 4
tool add g1d
expect 0
grep -q 'g1d belongs to group 1' <<<"$out" || fail "it said: $out"
same "$(voters 1)" 'g1a g1b g1c g1d' "the voters"
await "the shard masters to know it" addresses_are 1 "$(addresses_of g1a g1b g1c g1d)"
tool add g1d
expect 0
kv status -o json
expect_json '.nodes[] | select(.name == "g1d") | .health' ok

begin "remove takes one away, also the leader: the process ends, the section goes, the directory stays"
leader=$(leader_of 1)
before=$(pid_of "$leader")
tool remove "$leader"
expect 0
helper_ended "$before" || fail "$leader still runs"
grep -q "event=removed" "$run/$leader/log" || fail "$leader does not say that it was removed"
! grep -q "^\[node $leader\]" "$config" || fail "the section of $leader is still there"
[[ -s $run/$leader/identity ]] || fail "the directory of $leader is gone"
mapfile -t rest < <(sed -n "s/^\[node \(g1.\)\]/\1/p" "$config")
await "the shard masters to know it" addresses_are 1 "$(addresses_of "${rest[@]}")"
load_goes_on 50
tool remove "$leader"
expect 64

begin "one that was removed is added anew, with an empty directory, as another member"
tool add "$leader"
expect 0
grep -q "is now $run/$leader.removed-1" <<<"$out" || fail "it said: $out"
kv -o json member list 1
expect_json ".members[] | select(.name == \"$leader\") | .number > 4" true
load_goes_on 50

begin "kvctl member replace: the new one takes the place of the old one, which may be dead"
tool remove g1d
expect 0
dead=g1b
[[ $(leader_of 1) != g1b ]] || dead=g1c
cluster kill "$dead"
{
	cat "$config"
	printf '\n[node g1e]\nrole = shardkv\ngroup = 1\nlisten = 127.0.0.1:%d\ndir = %s\n' \
		$((base_port + 60)) "$run/g1e"
} >"$scratch/with_g1e.conf"
"$SYNOD_BIN/shardkvd" --config "$scratch/with_g1e.conf" --node g1e >"$scratch/g1e.log" 2>&1 &
g1e=$!
helpers+=("$g1e")
kv -o json member replace 1 "$dead" g1e 127.0.0.1:$((base_port + 60))
expect 0
expect_json '.ok, .role' $'true\nvoter'
expect_error "takes the place of $dead"
[[ " $(voters 1) " == *" g1e "* && " $(voters 1) " != *" $dead "* ]] ||
	fail "the voters are $(voters 1)"
kv member replace 1 "$dead" g1e 127.0.0.1:$((base_port + 60))
expect 0 OK
load_goes_on 50

begin "kvctl shows members that its cluster.conf does not have yet"
await "the shard masters to know it" grep -q "127.0.0.1:$((base_port + 60))" <(known_addresses 1)
kv status -o json
expect_json '.nodes[] | select(.name == "g1e") | .up' true
load_check
begin "of who is no member any more, remove only takes the section out"
# From now on cluster.conf has the new one.
sed -n '/^\[node g1e\]/,$p' "$scratch/with_g1e.conf" >>"$config"
tool remove "$dead"
expect 0
! grep -q "^\[node $dead\]" "$config" || fail "the section of $dead is still there"

begin "what those who stay could not carry is refused, naming who is missing"
alive=$(voters 1 | tr ' ' '\n' | grep -v g1e | head -n 1)
others=$(voters 1 | tr ' ' '\n' | grep -v -e g1e -e "$alive")
kv member transfer 1 g1e
expect 0
cluster kill "$alive"
is_down() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json member list 1 |
		jq -e ".members[] | select(.name == \"$1\") | .up | not" >/dev/null
}
await "the leader to miss it" is_down "$alive"
kv_timeout=5s kv member remove 1 "$others"
expect 5
expect_error "$alive"
cluster restart "$alive"

begin "the shard masters and the viewservers change members, too"
tool add m4
expect 0
tool remove m1
expect 0
same "$(voters masters)" 'm2 m3 m4' "the masters"
tool add v4
expect 0
same "$(voters views)" 'v1 v2 v3 v4' "the viewservers"
kv config
expect 0

begin "a whole group is added, which takes shards, and removed"
tool add g2 --replicas 2
expect 0
same "$(voters 2)" 'g2a g2b' "the voters of group 2"
kv -o json config
expect_json '[.groups[].gid] | join(" ")' '1 2'
tool remove g2
expect 0
kv -o json config
expect_json '[.groups[].gid] | join(" ")' '1'
[[ -s $run/g2a/identity ]] || fail "the directory of g2a is gone"
kv get key
expect 0 value

begin "a removal that was interrupted when the nodes had been stopped is finished by the next"
tool add g3 --replicas 1
expect 0
kv leave 3
expect 0
cluster kill g3a
tool remove g3
expect 0
! grep -q '^\[node g3a\]' "$config" || fail "the section of g3a is still there"

begin "an add that is interrupted is finished by the next"
in_terminal "$repository/scripts/cluster.sh" add g1f --dir "$run"
await "its section" grep -q '^\[node g1f\]' "$config"
kill -INT -- "-$helper"
ended
[[ $status -ne 0 ]] || say "it was done already"
tool add g1f
expect 0
[[ " $(voters 1) " == *" g1f "* ]] || fail "the voters are $(voters 1)"

begin "mistakes of add and remove"
tool add
expect 64
tool add nobody
expect 64
tool add g7b
expect 1
expect_error "add g7"
tool remove nobody
expect 64
tool remove g7
expect 64
tool remove p1
expect 64

begin "one that waits to be added is no member that still runs: its removal is done at once"
{
	cat "$config"
	printf '\n[node g1w]\nrole = shardkv\ngroup = 1\nlisten = 127.0.0.1:%d\ndir = %s\n' \
		$((base_port + 90)) "$scratch/g1w"
} >"$scratch/with_g1w.conf"
helper_start "$SYNOD_BIN/shardkvd" --config "$scratch/with_g1w.conf" --node g1w \
	>"$scratch/g1w.log" 2>&1
waiting=$helper
await "it to wait" grep -q event=joining "$scratch/g1w.log"
kill -STOP "$waiting"
kv member add 1 g1w 127.0.0.1:$((base_port + 90)) --no-wait
expect 0 OK
"$SYNOD_BIN/kvctl" --config "$config" --timeout 30s member remove 1 g1w >"$scratch/removed" 2>&1 &
removal=$!
gone() { [[ $("$SYNOD_BIN/kvctl" --config "$config" -o json member list 1 |
	jq '[.members[] | select(.name == "g1w")] | length') == 0 ]]; }
await "it to be removed" gone
kill -CONT "$waiting"
wait "$removal" || fail "$(<"$scratch/removed")"
! grep -q 'still runs: stop it' "$scratch/removed" || fail "$(<"$scratch/removed")"
kill -KILL "$waiting"

begin "all of it is there after a restart"
kill -KILL "$g1e"
cluster down >/dev/null
cluster up >/dev/null
await "all nodes" all_vote
kv get key
expect 0 value
cluster clean >/dev/null
[[ ! -e $run ]] || fail "left over: $(ls "$run")"

finish
