#!/usr/bin/env bash
# View service, primary and backup as real processes: killed, stopped, paused, restarted and cut off
# while clients write.
# faults: 42, 44, 49, 50
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/lib_proxy.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_proxy.sh"

view() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json view 2>/dev/null | jq -er "$1"
}

# NODE says over http who is who, and is right.
shows_view() {
	[[ $(curl -sf "http://$(address "$1" http)/api/v1/status" |
		jq -r .view.primary,.view.backup) == "$(view .primary,.backup)" ]]
}

# The view has a primary and a backup that holds the state, neither of them NODE.
pair_without() {
	view "select(.primary != \"\" and .backup != \"\" and .synced and .primary != \"$1\" and .backup != \"$1\") | .primary" >/dev/null
}

# The primary is another one than NODE, and serves.
primary_is_not() {
	view "select(.primary != \"$1\" and .primary != \"\" and .acknowledged) | .primary" \
		>/dev/null
}

has_pair() {
	pair_without ''
}

in_view() {
	view "select(.servers | any(.name == \"$1\" and .alive)) | .viewnum" >/dev/null
}

pb() {
	kv pb "$@"
}

# Nodes are numbered m1 g1a g1b g1c v1 v2 v3 pb1 …: a proxy stands between pb1 and the viewservers.
route_links pbserver pb1-v1=5 pb1-v2=6 pb1-v3=7
# A little more patience than by default, for machines that are busy with other tests.
cluster up --masters 1 --groups 1 --replicas 3 --views 3 --pb 3 --set dead_pings=8

begin "the commands do what they say, with the exit codes of the others"
await "a pair" has_pair
pb put city Berlin
expect 0 OK
pb get city
expect 0 Berlin
pb append city ' West'
expect 0 OK
pb cas city 'Berlin West' Bonn
expect 0 OK
pb cas city 'Berlin West' Paris
expect 2
pb cas --absent city Paris
expect 2
pb get city
expect 0 Bonn
pb incr visits 5
expect 0 5
pb del city
expect 0 1
pb get city
expect 1
pb put '' x
expect 64
pb get --prefix a
expect 64
pb bogus
expect 64
kv view
expect 0
grep -qE '^view [0-9]+: primary pb[1-3], backup pb[1-3]' <<<"$out" || fail "it said: $out"
kv -o json view
expect_json '[.servers[].alive] | all' true
expect_json '.history[0].viewnum == .viewnum' true
kv status
expect 0
grep -qE '^pb[1-3] +pbserver .* primary ' <<<"$out" || fail "it said: $out"
kv doctor
expect 0
grep -qE '^ok +view [0-9]+: primary pb[1-3], backup pb[1-3]' <<<"$out" || fail "it said: $out"
for node in v1 pb1; do await "the view in the status of $node" shows_view "$node"; done

begin "clients go on when the primary is killed, and when it comes back, empty, as a backup or idle"
# course: 2015 pbservice TestBasicFail
load_start --pb --clients 8
primary=$(view .primary)
cluster kill "$primary"
await "another primary" primary_is_not "$primary"
load_goes_on 200
cluster restart "$primary"
await "$primary to be there" in_view "$primary"
await "a pair" has_pair
load_goes_on 100
[[ $(view .primary) != "$primary" ]] || fail "$primary came back as primary"

begin "they go on when the backup is killed, and when a viewserver, the leader, is"
backup=$(view .backup)
cluster kill "$backup"
await "another backup" pair_without "$backup"
load_goes_on 200
cluster restart "$backup"
leader=$(status_json '.nodes[] | select(.role == "viewserver" and .leader) | .name')
number=$(view .viewnum)
cluster kill "$leader"
load_goes_on 200
cluster restart "$leader"
await "the view service" has_pair
# Nobody was declared dead for it.
same "$(view .viewnum)" "$number" "the view after the loss of the view service's leader"

begin "a paused primary is replaced, and answers nothing old when it goes on"
primary=$(view .primary)
pb put register old
expect 0
cluster stop "$primary"
await "another primary" primary_is_not "$primary"
pb put register new
expect 0
load_goes_on 200
cluster cont "$primary"
ask "$primary" register 2000
[[ $out != OK* ]] || fail "the old primary answered '$out'"
load_goes_on 100

begin "a primary that is told to stop hands over at once"
await "a pair" has_pair
primary=$(view .primary)
cluster restart "$primary"
await "another primary" primary_is_not "$primary"
load_goes_on 100

begin "a primary that is cut off from the view service serves nothing"
# course: 2015 pbservice TestPartition1
for attempt in 1 2 3 4 5 6; do
	await "a pair" has_pair
	[[ $(view .primary) != pb1 ]] || break
	cluster restart "$(view .primary)"
	await "pb1 to be there" in_view pb1
done
same "$(view .primary)" pb1 "the primary (after $attempt attempts)"
pb put register old
expect 0
ask pb1 register 2000
same "$out" "OK old" "what the primary answers before"
proxy cut 'pb1-v*'
await "another primary" primary_is_not pb1
pb put register new
expect 0
ask pb1 register 2000
[[ $out != OK* ]] || fail "the primary that is cut off answered '$out'"
load_goes_on 200
proxy mend 'pb1-v*'
await "pb1 to be there" in_view pb1
load_goes_on 100

begin "no acknowledged write is lost, none is applied twice, none overtakes another"
load_check

begin "the view service is not asked for every operation"
# course: 2015 pbservice TestBasicFail
pings() {
	curl -s "http://$(address "$1" http)/metrics" |
		awk '/^synod_rpc_frames_received_total/ && /peer="client"/ && !/hello|status/ {sum += $2} END {print sum + 0}'
}
before=$(($(pings v1) + $(pings v2) + $(pings v3)))
"$SYNOD_BIN/kvbench" --config "$config" --pb --workload put --clients 16 --duration 500ms \
	--warmup 100ms --keys 1000 -o json >"$scratch/pb.json"
[[ $(jq .ops "$scratch/pb.json") -gt 100 ]] || fail "hardly any operation: $(<"$scratch/pb.json")"
after=$(($(pings v1) + $(pings v2) + $(pings v3)))
[[ $((after - before)) -le 20 ]] || fail "clients asked the viewservers $((after - before)) times"

begin "primary and backup take no less than a group of three replicas, in the same run (reported, not asserted)"
for workload in put get; do
	group=$("$SYNOD_BIN/kvbench" --config "$config" --workload $workload --clients 64 \
		--duration 500ms --warmup 100ms --keys 10000 -o json |
		jq .ops_per_s)
	pair=$("$SYNOD_BIN/kvbench" --config "$config" --pb --workload $workload --clients 64 \
		--duration 500ms --warmup 100ms --keys 10000 -o json |
		jq .ops_per_s)
	say "$workload/s: primary and backup $pair, Paxos group of three $group"
done

begin "when primary and backup are both killed nobody serves, until an operator gives the state up"
# course: 2015 pbservice TestBasicFail
await "a pair" has_pair
cluster kill "$(view .primary)" "$(view .backup)"
for node in pb1 pb2 pb3; do
	[[ -f $run/$node/pid ]] || cluster restart $node
done
kv_timeout=2s pb get register
expect 3
expect_error 'see kvctl view'
kv view
grep -qE '^view .* \(the primary is gone' <<<"$out" || fail "it said: $out"
kv view reset
expect 0
kv view reset
expect 5
await "a pair" has_pair
pb get register
expect 1
pb put register again
expect 0 OK

begin "after a stop of everything the view service remembers, and the store begins anew"
number=$(view .viewnum)
cluster down
cluster up
[[ $(view .viewnum) -gt $number ]] || fail "the view is $(view .viewnum) after $number"
pb put register once_more
expect 0 OK
cluster up --pb 2 2>/dev/null && fail "another number of servers was taken"

finish
