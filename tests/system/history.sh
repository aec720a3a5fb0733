#!/usr/bin/env bash
# What clients see while leaders die and freeze has an order (linearizability), and a history that
# has none is found out. (faults: 43, 44, 46, 49, 50)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

workloads=(mixed append cas txn)
declare -A bench

history() {
	echo "$scratch/$1.jsonl"
}

# One load generator for each kind of operation. Few keys, so that clients meet; a short deadline,
# so that outcomes are unknown.
benches_start() {
	local workload
	for workload in "${workloads[@]}"; do
		helper_start "$SYNOD_BIN/kvbench" --config "$config" --workload "$workload" \
			--history "$(history "$workload")" \
			--rate 300 --clients 16 --keys 60 --timeout 1s --warmup 0 --duration 30m \
			--seed "$RANDOM" \
			>"$scratch/$workload.out" 2>&1
		bench[$workload]=$helper
	done
}

lines() {
	wc -l <"$(history "$1")"
}

beyond() {
	! helper_ended "${bench[$1]}" || fail "kvbench has ended: $(<"$scratch/$1.out")"
	[[ $(lines "$1") -ge $2 ]]
}

# Waits until each load has got on.
benches_go_on() {
	local workload
	for workload in "${workloads[@]}"; do
		await "$workload to go on" beyond "$workload" $(($(lines "$workload") + $1))
	done
}

benches_end() {
	local workload code
	for workload in "${workloads[@]}"; do
		kill -TERM "${bench[$workload]}"
		code=0
		wait "${bench[$workload]}" || code=$?
		# 1 says that some operations failed, which they may.
		[[ $code -le 1 ]] || fail "kvbench $workload ended with $code: $(<"$scratch/$workload.out")"
	done
}

another_leader() {
	local leader
	leader=$(leader_of "$1") && [[ $leader != "$2" ]]
}

unknown_outcomes() {
	grep -q '"ok":null' "$scratch"/*.jsonl
}

check_history() {
	try "$SYNOD_BIN/kvcheck" --txn --html "$scratch/violation.html" "$@"
}

cluster up
begin "loads of four kinds run, and write what they see"
benches_start
benches_go_on 200

for group in 1 2; do
	leader=$(leader_of $group)
	begin "the leader of group $group ($leader) is killed and comes back"
	cluster kill "$leader"
	await "another leader of group $group" another_leader $group "$leader"
	benches_go_on 200
	cluster restart "$leader"
	await "$leader to catch up" caught_up "$leader"

	leader=$(leader_of $group)
	begin "the leader of group $group ($leader) freezes, and wakes up as if nothing had happened"
	cluster stop "$leader"
	await "another leader of group $group" another_leader $group "$leader"
	benches_go_on 200
	cluster cont "$leader"
	benches_go_on 200
done

begin "a whole group freezes, and does what nobody waits for any more when it wakes up"
for node in g1a g1b g1c; do
	cluster stop "$node"
done
await "an unknown outcome" unknown_outcomes
for node in g1a g1b g1c; do
	cluster cont "$node"
done
await "all nodes to catch up" all_healthy
benches_go_on 200

begin "a whole group dies and comes back"
for node in g1a g1b g1c; do
	cluster kill "$node"
done
for node in g1a g1b g1c; do
	cluster restart "$node"
done
await "all nodes to catch up" all_healthy
benches_go_on 200

begin "some of the reads are confirmed by their readers (src/replication/call/confirm.h)"
unconfirmed=0
for node in g1a g1b g1c g2a g2b g2c; do
	counted=$(curl -sf "http://$(address $node http)/metrics" |
		sed -n 's/^synod_server_reads_unconfirmed_total //p')
	unconfirmed=$((unconfirmed + counted))
done
say "$unconfirmed reads"
((unconfirmed > 0)) || fail "all of them were confirmed by a leader"
benches_end

for workload in "${workloads[@]}"; do
	begin "what the clients of $workload have seen has an order"
	check_history "$(history "$workload")"
	say "$workload: $out"
	expect 0
	[[ $out == linearizable:* ]] || fail "kvcheck printed '$out'"
done

begin "all of it together has one, too"
files=()
for workload in "${workloads[@]}"; do
	files+=("$(history "$workload")")
done
check_history "${files[@]}"
expect 0

# Makes one read stale: it sees what was put first on its key, long after it was replaced.
make_stale() {
	jq -cs 'map(select(.op == "put" and .ok)) as $puts
		| (last(to_entries[] | select(.value.op == "get" and .value.ok
			and .value.result != null and .value.version > 3))) as $read
		| (first($puts[] | select(.key == $read.value.key))) as $old
		| .[$read.key].result = $old.value | .[$read.key] |= del(.version) | .[]' "$1"
}

begin "a stale read is found, explained, and drawn"
make_stale "$(history mixed)" >"$scratch/stale.jsonl"
check_history "$scratch/stale.jsonl"
expect 1
grep -q 'not linearizable' <<<"$out" || fail "no explanation: $out"
grep -q 'does not fit' <<<"$out" || fail "no timeline: $out"
grep -q '<html' "$scratch/violation.html" || fail "no page"

begin "a write that is lost from the history is missed"
jq -cs 'map(select(.op == "get" and .ok and .result != null)) as $reads | ($reads | length / 2 | floor) as $middle
	| $reads[$middle] as $read | .[] | select((.op == "put" and .value == $read.result) | not)' \
	"$(history mixed)" >"$scratch/lost.jsonl"
check_history "$scratch/lost.jsonl"
expect 1

begin "a transaction that sees half of another is found"
jq -cs '(last(to_entries[] | select(.value.ok and .value.ops[0].op == "get" and .value.ops[0].result != null
		and .value.ops[0].version > 2 and .value.ops[1].version > 2))) as $read
	| (first(.[] | select(.ok and .ops[0].op == "put" and .ops[0].key == $read.value.ops[0].key))) as $old
	| .[$read.key].ops[0].result = $old.ops[0].value | .[$read.key].ops[0] |= del(.version) | .[]' \
	"$(history txn)" >"$scratch/half.jsonl"
check_history "$scratch/half.jsonl"
expect 1

begin "an append that is done twice is found"
jq -cs '(last(to_entries[] | select(.value.op == "append" and .value.ok and .value.version > 2))) as $append
	| .[$append.key].result = $append.value.result + $append.value.value | .[]' "$(history \
		append)" >"$scratch/twice.jsonl"
check_history "$scratch/twice.jsonl"
expect 1

begin "a history that cannot be read is refused, with the place"
{ head -n 3 "$(history mixed)" &&
	echo '{"op":"put","key":"k","ok":true}'; } >"$scratch/broken.jsonl"
check_history "$scratch/broken.jsonl"
expect 64
expect_error 'broken.jsonl:4: '

begin "a check that may not take long says that it has not decided"
try "$SYNOD_BIN/kvcheck" --max-steps 1 "$(history mixed)"
expect 3

finish
