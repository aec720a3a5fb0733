#!/usr/bin/env bash
# Primary and backup while they cannot reach each other, and while viewservers are paused, cut off,
# or all gone. faults: 42, 44
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/lib_proxy.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_proxy.sh"

# Nodes are numbered m1 g1a v1 v2 v3 pb1 pb2 pb3.
proxied=(v1 v2 v3)
route_links 'viewserver pbserver' v1-v2=4 v1-v3=5 v2-v1=3 v2-v3=5 v3-v1=3 v3-v2=4 \
	pb1-pb2=7 pb1-pb3=8 pb2-pb1=6 pb2-pb3=8 pb3-pb1=6 pb3-pb2=7
cluster up --masters 1 --groups 1 --replicas 1 --views 3 --pb 3 --set dead_pings=8

view() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json view 2>/dev/null | jq -er "$1"
}

has_pair() {
	view 'select(.primary != "" and .backup != "" and .synced) | .primary' >/dev/null
}

backup_is_not() {
	view "select(.backup != \"$1\" and .backup != \"\" and .synced) | .backup" >/dev/null
}

view_leader() {
	status_json '[.nodes[] | select(.role == "viewserver" and .up and .leader)] | max_by(.ballot | split(".")[0] | tonumber) | .name'
}

view_leader_is_not() {
	local leader
	leader=$(view_leader) && [[ $leader != "$1" ]]
}

await "a pair" has_pair
load_start --pb --clients 8

begin "the leader of the view service is paused, and then cut off: another one leads, and nobody is declared dead"
number=$(view .viewnum)
leader=$(view_leader)
cluster stop "$leader" >/dev/null
await "another leader" view_leader_is_not "$leader"
load_goes_on 100
cluster cont "$leader" >/dev/null
await "a view service" has_pair
leader=$(view_leader)
isolate "$leader"
await "another leader" view_leader_is_not "$leader"
load_goes_on 100
mend
await "a view service" has_pair
same "$(view .viewnum)" "$number" "the view"

begin "a primary that cannot reach its backup answers nobody, and goes on when it can"
primary=$(view .primary) backup=$(view .backup)
kv pb put register old
expect 0
ask "$primary" register 2000
same "$out" "OK old" "what the primary answers before"
proxy cut "$primary-$backup"
ask "$primary" register 1000
[[ $out != OK* ]] || fail "the primary without its backup answered '$out'"
same "$(view .viewnum)" "$number" "the view"
proxy mend "$primary-$backup"
load_goes_on 100
kv pb get register
expect 0 old

begin "a paused backup is replaced, and comes back as one that knows nothing"
backup=$(view .backup)
cluster stop "$backup" >/dev/null
await "another backup" backup_is_not "$backup"
load_goes_on 100
cluster cont "$backup" >/dev/null
load_goes_on 100
ask "$backup" register 1000
[[ $out != OK* ]] || fail "the old backup answered '$out'"

begin "without the view service the primary falls silent; it goes on in the same view when the service is back"
await "a pair" has_pair
number=$(view .viewnum)
primary=$(view .primary)
cluster kill v1 v2 v3 >/dev/null
silent() {
	ask "$primary" register 1000
	[[ $out != OK* ]]
}
await "the primary to fall silent" silent
cluster restart v1 v2 v3 >/dev/null
await "a pair" has_pair
load_goes_on 100
same "$(view .viewnum)" "$number" "the view"

begin "no acknowledged write is lost, none is applied twice, none overtakes another"
load_check

finish
