#!/usr/bin/env bash
# Strangers whose commands bear ids that nobody gave them, or that others have, and numbers that do
# not follow; at a group of the store, at primary and backup, and at the log. None of it shuts an
# honest client out, or has its appends land twice or not at all. faults: 94
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Strangers ask one node, once: a busy machine must not look like a lost leader.
cluster up --masters 1 --groups 1 --views 1 --pb 2 --paxos 3 --set sessions_max=64 \
	--set election_timeout_ms=1000 --set dead_pings=30

# The primary has the pings of a backup.
has_pair() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json view 2>/dev/null |
		jq -e '.primary != "" and .backup != "" and .synced' >/dev/null
}
await "a pair" has_pair
kv put key value
expect 0
kv pb put key value
expect 0
kv log append value
expect 0

leader=$(leader_of 1)
primary=$("$SYNOD_BIN/kvctl" --config "$config" -o json view | jq -r .primary)
log_leader=$(status_json '.nodes[] | select(.role == "paxos" and .up and .leader) | .name')

# stray NODE COMMAND…: the answers, one a line, are in out
stray() {
	local node=$1
	shift
	try "$tools/stray" "$(address "$node" listen)" demo "$@"
	expect 0
}

# An id from the registrar of the service: registered NODE COMMAND
registered() {
	stray "$1" "$2"
	[[ $out == registered\ * ]] || fail "$1 answered '$out' to $2"
	id=${out#registered }
}

slots() {
	status_json ".nodes[] | select(.name == \"$1\") | .chosen"
}

# same_lines TEXT…: what the last stray heard, line by line
heard() {
	same "$out" "$(printf '%s\n' "$@")" "answers"
}

begin "ids that nobody was given are refused, and nothing of it is logged"
for node in "$leader" "$primary"; do
	registrar=m1
	[[ $node == "$leader" ]] || registrar=v1
	registered $registrar register
	before=$(slots "$node")
	stray "$node" "append $((id + 1)) 1 1 stray x" "append $((id + 1000)) 1 1 stray x" \
		"append 9223372036854775808 1 1 stray x" \
		"append 18446744073709551615 1 1 stray x" "flood $((id + 1)) 3000 stray" \
		"flood 9223372036854775000 3000 stray"
	heard SESSION_EXPIRED SESSION_EXPIRED SESSION_EXPIRED SESSION_EXPIRED \
		"3000 SESSION_EXPIRED" "3000 SESSION_EXPIRED"
	# But for what the leader learns of the registrar.
	[[ $(slots "$node") -lt $((before + 10)) ]] || fail "$node has logged commands of strays"
done
kv get stray
expect 1
kv pb get stray
expect 1
registered "$log_leader" log-register
stray "$log_leader" "log $((id + 1)) 1 1 x" "log 9223372036854775808 1 1 x" \
	"log 18446744073709551615 1 1 x"
heard SESSION_EXPIRED SESSION_EXPIRED SESSION_EXPIRED
kv log read
expect 0 $'1\tvalue'

begin "an id in two hands: each sequence stands for one command, and its reply is that one's"
for node in "$leader" "$primary"; do
	registrar=m1
	[[ $node == "$leader" ]] || registrar=v1
	registered $registrar register
	stray "$node" "append $id 1 1 twice/$node a" "append $id 1 1 twice/$node a" \
		"append $id 1 1 twice/$node b" \
		"append $id 2 1 twice/$node b" "append $id 1 1 twice/$node a" \
		"append $id 3 3 twice/$node c" \
		"append $id 2 1 twice/$node b" "append $id 2 2 twice/$node b" \
		"append $id 1 1 twice/$node a" \
		"append $id 9 9 twice/$node d" "append $id 8 8 twice/$node e" \
		"append $id 4 3 twice/$node f"
	heard "OK a" "OK a" SEQUENCE_REUSED "OK ab" "OK a" "OK abc" SEQUENCE_REUSED \
		SEQUENCE_REUSED SEQUENCE_REUSED "OK abcd" \
		SEQUENCE_REUSED SEQUENCE_REUSED
done
registered "$log_leader" log-register
stray "$log_leader" "log $id 1 1 a" "log $id 1 1 a" "log $id 1 1 b" "log $id 2 2 b" "log $id 1 1 a"
heard OK OK SEQUENCE_REUSED OK SEQUENCE_REUSED

begin "numbers that do not follow are refused"
for node in "$leader" "$primary"; do
	registrar=m1
	[[ $node == "$leader" ]] || registrar=v1
	registered $registrar register
	stray "$node" "append $id 1 2 odd/$node x" "append $id 4194306 1 odd/$node x" \
		"append $id 9223372036854775808 9223372036854775808 odd/$node x" \
		"append $id 18446744073709551615 18446744073709551615 odd/$node x" \
		"append $id 0 0 odd/$node x" "append $id 0 1 odd/$node x"
	heard BAD_REQUEST SESSION_EXPIRED SESSION_EXPIRED SESSION_EXPIRED BAD_REQUEST BAD_REQUEST
	# Whose id it is has lost nothing by it.
	stray "$node" "append $id 1 1 odd/$node a"
	heard "OK a"
done

begin "an evicted client's commands are refused, old ones and new ones, and it can register anew"
registered m1 register
evicted=$id
stray "$leader" "append $evicted 1 1 evicted a" "append $evicted 2 2 evicted b"
heard "OK a" "OK ab"
commands=()
for ((i = 0; i < 80; i++)); do
	registered m1 register
	commands+=("append $id 1 1 others x" "append $id 2 2 others x")
done
stray "$leader" "${commands[@]}" "append $evicted 2 2 evicted b" "append $evicted 3 3 evicted c" \
	"append $evicted 1 1 evicted a"
tail -n 3 <<<"$out" >"$scratch/last"
same "$(paste -sd ' ' "$scratch/last")" "SESSION_EXPIRED SESSION_EXPIRED SESSION_EXPIRED" \
	"answers to who was evicted"
registered m1 register
stray "$leader" "append $id 1 1 evicted c"
heard "OK abc"

begin "a storm of numbers with everybody's ids, while honest clients append: each of theirs lands once"
for service in shards pb; do
	node=$leader registrar=m1 arguments=()
	[[ $service == shards ]] || node=$primary registrar=v1 arguments=(--pb)
	load_start --prefix "honest/$service" --clients 8 "${arguments[@]}"
	for ((round = 0; round < 5; round++)); do
		registered $registrar register
		stray "$node" "storm 2000 $((id + 8)) storm/$service"
		say "$service: $out"
		load_goes_on 20
	done
	load_check
done

begin "nobody is shut out"
kv append last a
expect 0
kv pb put last a
expect 0
kv log append last
expect 0

finish
