#!/usr/bin/env bash
# Causal traces of real daemons: what --trace FILE writes, what kvctl trace --merge makes of it, and
# the way of one request.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Every node writes a trace of its own.
cluster up --groups 1 --views 3 --pb 2 --paxos 3
cluster down >/dev/null
sed -i -E "s|^\[node (.*)\]|&\ntrace = $scratch/\1.trace|" "$config"
cluster up
traces=("$scratch"/*.trace)

merged() {
	kv trace --merge "$@"
	expect 0
	expect_error 'events of [0-9]+ hosts'
	cp "$scratch/out" "$scratch/merged"
	try awk -f "$repository/tests/causal.awk" "$scratch/merged"
	expect 0
	say "$out"
}

begin "every daemon and kvctl write a trace; together they are in causal order"
kv --trace "$scratch/client1.trace" put city Berlin
expect 0 OK
kv --trace "$scratch/client2.trace" get city
expect 0 Berlin
kv pb put city Paris
expect 0 OK
kv paxos start 1 value --wait
expect 0
kv log append value
expect 0
same "${#traces[@]}" 14 "every node has a trace"
merged "$scratch"/*.trace
[[ $out == hosts=16\ * ]] || fail "not all hosts are there: $out"
grep -qE '^send command .*to=g1.' "$scratch/merged" || fail "no command of kvctl"
for event in 'receive pb_forward' 'receive agreement ' 'receive view_ping' 'receive accept ' \
	'sync slot' \
	'chosen slot'; do
	grep -q "^$event" "$scratch/merged" || fail "no '$event'"
done

begin "whoever reads only some of the traces is told of messages without a sender"
kv trace --merge "$scratch/g1a.trace"
expect 0
expect_error '[1-9][0-9]* messages received whose sending is in none'

begin "a trace goes on after kill -9 and restart, and still agrees with the others"
leader=$(leader_of 1)
before=$(wc -l <"$scratch/$leader.trace")
cluster kill "$leader" >/dev/null
kv put city London
expect 0 OK
cluster restart "$leader" >/dev/null
await "the killed leader" caught_up "$leader"
[[ $(wc -l <"$scratch/$leader.trace") -gt $before ]] || fail "the trace has not grown"
same "$(grep -c '^start' "$scratch/$leader.trace")" 2 "lives in the trace of $leader"
merged "$scratch"/*.trace

begin "a file that is no trace, or twice the same, is refused with the place"
printf 'hello\nworld\n' >"$scratch/wrong"
kv trace --merge "$scratch/wrong"
expect 64 ''
expect_error "$scratch/wrong:1: expected HOST"
kv trace --merge "$scratch/g1a.trace" "$scratch/g1a.trace"
expect 64 ''
expect_error 'sent twice.*the same trace was given twice'
kv trace --merge
expect 64 ''
kv trace
expect 64 ''

begin "two processes do not write one trace"
try "$SYNOD_BIN/shardkvd" --config "$config" --node g1a --dir "$scratch/other" \
	--listen "127.0.0.1:$((base_port + 90))"
expect 1
expect_error 'g1a.trace: another process writes it'

# The events of the last command, a line each.
events() {
	jq -r '.events[] | .node + " " + .event' <<<"$out"
}
# comes_before FIRST SECOND: in the last command's events.
comes_before() {
	local first second
	first=$(events | grep -nE -m1 -- "$1" | cut -d: -f1) || fail "no '$1' in: $out"
	second=$(events | grep -nE -m1 -- "$2" | cut -d: -f1) || fail "no '$2' in: $out"
	[[ $first -lt $second ]] || fail "'$1' does not come before '$2': $out"
}

begin "kvctl trace shows the way of a write, from the client through a quorum of disks and back"
await "a healthy cluster" all_healthy
kv -o json trace city --put Rome --shiviz "$scratch/write.shiviz"
expect 0
leader=$(leader_of 1)
comes_before "^client send command to" "^$leader receive command from client"
comes_before "^$leader receive command from client" "^$leader propose"
for other in g1a g1b g1c; do
	[[ $other != "$leader" ]] || continue
	comes_before "^$leader propose" "^$leader send accept to $other"
	comes_before "^$leader send accept to $other" "^$other receive accept from $leader"
	comes_before "^$other receive accept from $leader" "^$other write"
	comes_before "^$other write" "^$other sync"
	comes_before "^$leader chosen" "^$other apply"
done
comes_before "sync" "^$leader chosen"
comes_before "^$leader chosen" "^$leader apply"
comes_before "^$leader apply" "^$leader send command reply to client"
comes_before "^$leader send command reply to client" "^client receive command reply from $leader"
try awk -f "$repository/tests/causal.awk" "$scratch/write.shiviz"
expect 0
[[ $out == *lonely=0 ]] || fail "messages without a sender: $out"
kv get city
expect 0 Rome

begin "… and of a read, which changes nothing and writes no log"
kv -o json trace city
expect 0
comes_before "^client send query to" "^$leader read$"
comes_before "send accepted to $leader" "^$leader confirm"
comes_before "^$leader confirm" "^$leader send query reply to client"
! events | grep -qE ' (write|sync|propose)$' || fail "a read was written down: $out"
kv get city
expect 0 Rome
kv trace no-such-key
expect 0
kv get no-such-key
expect 1

begin "as a table, and as JSON with clocks and causes"
kv trace city
expect 0
same "$(head -n 1 <<<"$out" |
	tr -s ' ')" 'LINE NODE EVENT SLOT BALLOT CAUSE LAMPORT HLC' "the titles"
[[ $(sed -n 2p <<<"$out") =~ ^\ +1\ +client\ +send\ query\ to\ g1 ]] || fail "first line: $out"
kv -o json trace city
expect 0
expect_json '.op' get
expect_json '.events[0].node' client
expect_json '.events[1].cause' 1
expect_json '.events[1].clock.client' 1
expect_json '.events | length > 8' true

begin "with a follower down the way goes through the other"
follower=$(status_json "[.nodes[] | select(.group == 1 and (.leader | not)) | .name][0]")
cluster kill "$follower" >/dev/null
kv -o json trace city --put Madrid
expect 0
! events | grep -q "^$follower " || fail "a dead node has told something: $out"
comes_before "^client send command" "^client receive command reply"
finish
