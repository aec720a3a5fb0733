#!/usr/bin/env bash
# Members that come and go, with real processes and under load: one is added, one removed, one
# replaced that never comes back, all restarted; nothing is lost, and no request fails for good.
# (faults: 39)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ports=20

# A section for a node that is new: section NODE ROLE [GROUP]
section() {
	ports=$((ports + 1))
	{
		printf '\n[node %s]\nrole = %s\n' "$1" "$2"
		[[ $# -lt 3 ]] || printf 'group = %s\n' "$3"
		printf 'listen = 127.0.0.1:%d\nhttp = 127.0.0.1:%d\ndir = %s\n' \
			$((base_port + ports)) $((base_port + 1000 + ports)) "$run/$1"
	} >>"$config"
}

without_section() {
	awk -v name="[node $1]" '/^\[/ { skip = $0 == name } !skip' "$config" >"$scratch/conf"
	cp "$scratch/conf" "$config"
}

member_names() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json member list "$1" |
		jq -r '[.members[] | .name] | join(" ")'
}

votes() {
	status_json ".nodes[] | select(.name == \"$1\") | select(.up and .health == \"ok\") | .name" >/dev/null
}

member() {
	try "$SYNOD_BIN/kvctl" --config "$config" --timeout 60s member "$@"
	expect 0
}

# Starts a node as a child of this script; its process id is in `child`.
own_child() {
	local program
	program=$(sed -n "/^\[node $1\]/,/^\[/s/^role = //p" "$config" |
		sed 's/shardkv/shardkvd/; s/shardmaster/shardmasterd/')
	mkdir -p "$run/$1"
	"$SYNOD_BIN/$program" --config "${2:-$config}" --node "$1" 2>>"$run/$1/log" &
	child=$!
	helpers+=("$child")
}

# It ends by itself, and says that it has been removed: ends_as_removed NODE PID
ends_as_removed() {
	local code=0
	await "$1 to end" helper_ended "$2"
	wait "$2" || code=$?
	[[ $code -eq 0 ]] || fail "$1 has ended with $code"
	grep -q 'event=removed ' "$run/$1/log" || fail "$1 does not say why it has ended"
	grep -q '^removed = yes$' "$run/$1/identity" || fail "$1 has not noted that it is removed"
}

cluster up --masters 3 --groups 1 --views 3
load_start --clients 4 --timeout-ms 60000

begin "a node that nobody has added waits, and serves nobody"
section g1d shardkv 1
cluster restart g1d
await "g1d to say so" grep -q "event=joining .*kvctl member add 1 g1d $(address g1d listen)" \
	"$run/g1d/log"
try "$tools/ask" "$(address g1d listen)" demo key 5000
expect 0 NOT_LEADER
[[ ! -e $run/g1d/log-0000000000000001 ]] || fail "it has a log, and no group"
http_code() {
	curl -s -o "$scratch/body" -w '%{http_code}' "http://$(address g1d http)$1"
}
same "$(http_code /readyz) $(http_code /livez) $(http_code /get/key)" "503 200 503" \
	"/readyz, /livez and a key"
http_code /api/v1/status >/dev/null
same "$(jq -r .state "$scratch/body")" joining "its state"
load_goes_on 20

begin "it is added under load, and votes"
member add 1 g1d
same "$(member_names 1)" "g1a g1b g1c g1d" "the members"
await "g1d to vote" votes g1d
g1d_is_ready() {
	[[ $(http_code /readyz) == 200 ]]
}
await "g1d to be ready" g1d_is_ready
grep -q 'event=member_of replica=4 ' "$run/g1d/log" ||
	fail "it was not welcomed: $(cat "$run/g1d/log")"
load_goes_on 50

begin "one that is killed at every moment of its way into the group arrives all the same"
section g1e shardkv 1
member --no-wait add 1 g1e
for moment in listening joining member_of link_up started snapshot member_promoted; do
	own_child g1e
	timeout 5 bash -c "until grep -q 'event=$moment' '$run/g1e/log'; do sleep 0.01; done" ||
		true
	kill -KILL "$child"
	wait "$child" 2>/dev/null || true
	mv "$run/g1e/log" "$run/g1e/log.$moment"
done
cluster restart g1e
await "g1e to vote" votes g1e
same "$(grep -c '^member = ' "$run/g1e/identity")" 5 "members that it has noted"
load_goes_on 50

begin "a member is removed: it says so, ends, and does not start again"
cluster kill g1b
own_child g1b
await "g1b to vote" votes g1b
member remove 1 g1b
ends_as_removed g1b "$child"
same "$(member_names 1)" "g1a g1c g1d g1e" "the members"
try timeout "$deadline_s" "$SYNOD_BIN/shardkvd" --config "$config" --node g1b
expect 1
expect_error "group 1 has removed node g1b, which was its replica 2: take \[node g1b\] out of .*; or, if .*kvctl member add 1 g1b"
load_goes_on 50

begin "one that is killed for good is replaced"
cluster kill g1c
section g1f shardkv 1
cluster restart g1f
member replace 1 g1c g1f
same "$(member_names 1)" "g1a g1d g1e g1f" "the members"
await "g1f to vote" votes g1f
load_goes_on 50

begin "the leader removes itself"
leader=$(leader_of 1)
member remove 1 "$leader"
await "$leader to end" grep -q 'event=stopped' "$run/$leader/log"
grep -q '^removed = yes$' "$run/$leader/identity" || fail "$leader has not noted that it is removed"
load_goes_on 50

begin "all are restarted, with a file that has only those who stay, in another order"
for node in g1b g1c "$leader"; do without_section "$node"; done
first=$(sed -n 's/^\[node \(g1.\)\]$/\1/p' "$config" | head -n 1)
awk -v name="[node $first]" '/^\[/ { on = $0 == name } on' "$config" >"$scratch/last"
without_section "$first"
cat "$scratch/last" >>"$config"
read -ra stay < <(member_names 1)
numbers=$(grep -h '^member = ' "$run/${stay[0]}/identity" | cut -d ' ' -f 3,4 | sort)
cluster restart "${stay[@]}"
for node in "${stay[@]}"; do await "$node to vote" votes "$node"; done
same "$(grep -h '^member = ' "$run/${stay[0]}/identity" | cut -d ' ' -f 3,4 |
	sort)" "$numbers" "numbers and names"
load_goes_on 50

begin "one that was away while the others changed asks them first: it follows, or learns that it is removed"
cluster kill "${stay[0]}"
section g1g shardkv 1
cluster restart g1g
member replace 1 "${stay[1]}" g1g
await "g1g to vote" votes g1g
without_section "${stay[1]}"
cluster restart "${stay[0]}"
await "${stay[0]} to vote" votes "${stay[0]}"
grep -q 'event=member_of .*g1g' "$run/${stay[0]}/log" || fail "it has not asked"
load_goes_on 50
cluster kill "${stay[2]}"
member remove 1 "${stay[2]}"
own_child "${stay[2]}"
ends_as_removed "${stay[2]}" "$child"
load_check

begin "nothing is lost, and every member has all of it"
read -ra stay < <(member_names 1)
for node in "${stay[@]}"; do
	member transfer 1 "$node"
	kv export
	expect 0
	sort "$scratch/out" >"$scratch/state.$node"
	[[ -s $scratch/state.$node ]] || fail "$node shows nothing"
	cmp "$scratch/state.${stay[0]}" "$scratch/state.$node" ||
		fail "$node has something else than ${stay[0]}"
done

begin "the shard masters and the view service likewise"
for role in masters:shardmaster:m views:viewserver:v; do
	IFS=: read -r group kind letter <<<"$role"
	section "${letter}4" "$kind"
	cluster restart "${letter}4"
	await "${letter}4 to say so" grep -q "event=joining .*kvctl member add $group ${letter}4 " \
		"$run/${letter}4/log"
	member add "$group" "${letter}4"
	await "${letter}4 to vote" votes "${letter}4"
	member remove "$group" "${letter}1"
	await "${letter}1 to end" grep -q 'event=stopped' "$run/${letter}1/log"
	without_section "${letter}1"
done
kv put after everything
expect 0 OK
kv shards
expect 0
cluster restart m2 m3 m4 v2 v3 v4
for node in m2 m3 m4 v2 v3 v4; do await "$node to vote" votes $node; done
kv get after
expect 0 everything

finish
