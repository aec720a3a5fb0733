#!/usr/bin/env bash
# Leaders that answer reads by a lease (read_lease_ms) sleep, are cut off, hand over and die.
# (faults: 43, 44, 49)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/system/lib_proxy.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib_proxy.sh"

proxy_cluster up --set read_lease_ms=150
load_start --clients 4
history=$scratch/history.jsonl
helper_start "$SYNOD_BIN/kvbench" --config "$config" --workload mixed --history "$history" \
	--rate 300 --clients 16 \
	--keys 40 --timeout 1s --warmup 0 --duration 30m --key-prefix seen >"$scratch/kvbench.out" \
	2>&1
bench=$helper
await "reads" test -s "$history"

begin "a leader that slept while it was replaced does not answer from the past"
for round in 1 2; do
	leader_sleeps "$round"
done

begin "an isolated leader answers no read once another one has acknowledged a write"
leader=$(leader_of 1)
kv put register before
expect 0
isolate "$leader"
await "another leader" another_leader "$leader"
(
	"$SYNOD_BIN/kvctl" --config "$config" --timeout 30s put register after && echo "done"
) >"$scratch/put.out" 2>&1 &
put=$!
asked=0
# Until the put has ended the leader may answer, as long as its lease holds, but never with what is
# not written yet.
until [[ -s $scratch/put.out ]]; do
	ask "$leader" register 500
	[[ $out != "OK after" ]] || fail "the isolated leader answered '$out'"
	asked=$((asked + 1))
	[[ $asked -lt 200 ]] || fail "the put does not end"
done
wait "$put"
grep -q "done" "$scratch/put.out" || fail "the put failed: $(<"$scratch/put.out")"
ask "$leader" register 500
[[ $out != OK* ]] || fail "the isolated leader answered '$out' after the others went on"
mend
await "$leader to catch up" caught_up "$leader"

begin "leadership is handed over without waiting for the lease, and the leader is killed"
for round in 1 2 3; do
	leader=$(leader_of 1)
	kv member transfer 1 "$(others_than "$leader" | head -n 1)"
	expect 0
	await "another leader" another_leader "$leader"
	load_goes_on 50
	leader=$(leader_of 1)
	cluster kill "$leader"
	await "another leader" another_leader "$leader"
	load_goes_on 50
	cluster restart "$leader"
	await "$leader to catch up" caught_up "$leader"
done

begin "what clients have seen has an order"
load_check
kill -TERM "$bench"
wait "$bench" || true
try "$SYNOD_BIN/kvcheck" "$history"
expect 0

finish
