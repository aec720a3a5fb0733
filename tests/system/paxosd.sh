#!/usr/bin/env bash
# Agreement and the replicated log with real processes: kills, restarts of all, paused peers, memory
# that comes back, readers that follow the log meanwhile. faults: 2, 7, 9, 11, 48, 49
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --masters 1 --groups 1 --replicas 1 --paxos 3 --set agreement_bytes_max=64MiB

metric() {
	curl -sf "http://$(address "$1" http)/metrics" | sed -n "s/^$2 //p"
}

paxos_leader() {
	status_json '.nodes[] | select(.role == "paxos" and .up and .leader) | .name'
}

min_is() {
	kv paxos min --peer "$1"
	[[ $out -ge $2 ]]
}

decided_at() {
	kv paxos status "$2" --peer "$1"
	[[ $out == "decided $3" ]]
}

begin "whoever proposes first is agreed with, at every peer"
# course: 2015 paxos TestBasic
kv paxos max
expect 0 -1
kv paxos start 0 hello --wait --peer p1
expect 0 'decided hello'
for node in p2 p3; do
	await "$node to learn" decided_at "$node" 0 hello
	kv paxos start 0 other --wait --peer "$node"
	expect 0 'decided hello'
done
for seq in 7 6 5; do
	for node in p1 p2 p3; do
		kv paxos start "$seq" "$seq-$node" --peer "$node"
		expect 0 OK
	done
	kv paxos status "$seq" --wait --peer p1
	agreed=$out
	for node in p2 p3; do
		kv paxos status "$seq" --wait --peer "$node"
		expect 0 "$agreed"
	done
done
kv paxos max --peer p2
expect 0 7
kv -o json paxos status 3
expect 0
expect_json .state pending
kv paxos status 3 --wait --peer p1 --timeout 300ms
expect 4 pending

begin "a value of a megabyte is agreed on, and its memory comes back when all are done with it"
# course: 2015 paxos TestForgetMem
head -c 1000000 /dev/zero | tr '\0' 'x' >"$scratch/large"
before=$(metric p2 synod_heap_bytes)
for seq in {10..19}; do
	"$SYNOD_BIN/kvctl" --config "$config" paxos start "$seq" --wait --peer p1 \
		<"$scratch/large" >"$scratch/out"
	[[ $(wc -c <"$scratch/out") -eq 1000009 ]] ||
		fail "instance $seq is not decided: $(head -c 100 "$scratch/out")"
done
p2_holds() {
	[[ $(metric p2 synod_agreement_bytes) -gt $1 ]]
}
await "p2 to know them" p2_holds 10000000
peak=$(metric p2 synod_heap_bytes)
kv paxos "done" 19
expect 0 OK
for node in p1 p2 p3; do
	await "$node to forget" min_is "$node" 20
done
after=$(metric p2 synod_heap_bytes)
# A sanitizer's allocator does not tell.
[[ $before -eq 0 ]] || [[ $peak -gt $((before + 9000000)) &&
	$((after - before)) -lt $(((peak - before) / 2)) ]] ||
	fail "heap of p2: $before before, $peak with ten values of a megabyte, $after afterwards"
kv paxos status 12 --peer p3
expect 0 forgotten
kv paxos start 12 again --peer p2
expect 5
expect_error 'forgotten'

begin "an agreement costs as many messages as the header says"
# course: 2015 paxos TestRPCCount
requests() {
	local node sum=0
	for node in p1 p2 p3; do sum=$((sum + $(metric "$node" synod_agreement_requests_total))); \
		done
	echo "$sum"
}
first=$(requests)
for seq in {20..24}; do
	kv paxos start "$seq" value --wait --peer p1
	expect 0 'decided value'
done
count=$(($(requests) - first))
say "five agreements by one peer: $count requests between peers"
[[ $count -le $((5 * 9)) ]] || fail "five agreements took $count requests"

begin "two peers agree without the third, which learns it after its restart"
# course: 2015 paxos TestOld
cluster kill p3 >/dev/null
kv paxos start 30 without --wait --peer p2
expect 0 'decided without'
cluster restart p3 >/dev/null
await "p3 to learn" decided_at p3 30 without
kv paxos start 30 late --wait --peer p3
expect 0 'decided without'

begin "one peer alone decides nothing; a paused one holds nobody up"
# course: 2015 paxos TestPartition
cluster stop p1 p2 >/dev/null
kv paxos start 31 alone --wait --peer p3 --timeout 700ms
expect 4 pending
cluster cont p1 >/dev/null
kv paxos status 31 --wait --peer p3
expect 0 'decided alone'
cluster cont p2 >/dev/null
await "p2 to learn" decided_at p2 31 alone

begin "decisions and what is forgotten survive a kill of all"
cluster kill p1 p2 p3 >/dev/null
cluster restart p1 p2 p3 >/dev/null
for node in p1 p2 p3; do
	kv paxos status 30 --wait --peer "$node"
	expect 0 'decided without'
	kv paxos status 12 --peer "$node"
	expect 0 forgotten
	kv paxos max --peer "$node"
	expect 0 31
done

begin "the log: slots in order, batches, conditions, trimming"
kv log append one two three
expect 0 1
kv log append four --at 3
expect 2
expect_error 'next slot is 4'
kv log append four --at 4
expect 0 4
kv log read 2 2
expect 0 $'2\ttwo\n3\tthree'
kv log trim 2
expect 0 OK
kv log read 1
expect 5
expect_error 'trimmed'
kv -o json log read
expect 0
expect_json '[.first, .last, .entries[0].value] | join(" ")' '3 4 three'
kv log slot 1
expect 0 cleared
kv log slot 4 --peer "$(paxos_leader)"
expect 0 'chosen four'
kv log slot 5
expect 0 empty
head -c 2500000 /dev/zero >"$scratch/too-large"
code=0
"$SYNOD_BIN/kvctl" --config "$config" log append <"$scratch/too-large" >/dev/null 2>&1 || code=$?
same "$code" 5 "exit code for a value that is too large"

begin "readers that follow the log agree, and miss nothing, while its leader is killed"
total=120
for reader in 1 2 3; do
	helper_start "$SYNOD_BIN/kvctl" --config "$config" log tail 5 --count "$total" \
		>"$scratch/tail.$reader" 2>"$scratch/tail.$reader.err"
done
readers=("${helpers[@]: -3}")
for ((i = 1; i <= total; i++)); do
	if [[ $i -eq 40 || $i -eq 80 ]]; then
		victim=$(paxos_leader)
		cluster kill "$victim" >/dev/null
	fi
	kv log append "value $i"
	expect 0
	if [[ $i -eq 60 ]]; then
		cluster restart "$victim" >/dev/null
	fi
done
cluster restart "$victim" >/dev/null
for reader in "${readers[@]}"; do
	await "a reader to end" helper_ended "$reader"
done
for ((i = 1; i <= total; i++)); do
	printf '%d\tvalue %d\n' $((i + 4)) "$i"
done >"$scratch/expected"
for reader in 1 2 3; do
	cmp "$scratch/expected" "$scratch/tail.$reader" ||
		fail "reader $reader has seen something else: $(tail -n 3 "$scratch/tail.$reader")"
done

begin "whoever was started again with its own directory is not said to have another one"
! grep -h "another disk is bound" "$run"/p?/log || fail "that is not so"

begin "all peers show up in status, in doctor and over http"
await "all to be healthy" all_healthy
kv status
expect 0
[[ $(grep -c ' paxos ' <<<"$out") -eq 3 ]] || fail "status does not show three paxosds: $out"
[[ $(curl -sf "http://$(address p1 http)/api/v1/status" |
	jq -r '[.role, .log.last, .agreement.max] | join(" ")') == "paxos $((total + 4)) 31" ]] ||
	fail "unexpected status of p1: $(curl -s "http://$(address p1 http)/api/v1/status")"
same "$(metric p1 synod_agreement_conflicts_total)" 0 "conflicts"
kv doctor
expect 0
grep -qE '^ok +paxosds: led by p[1-3], all 3 members answer' <<<"$out" ||
	fail "doctor says nothing of the paxosds: $out"

# The bash code of docs/log.md, as it stands there.
kvctl() {
	"$SYNOD_BIN/kvctl" --config "$config" --timeout 30s "$@"
}
awk '/^```bash/ { code = 1; next } /^```/ { code = 0 } code' "$repository/docs/log.md" \
	>"$scratch/log.bash"
[[ $(grep -c '()' "$scratch/log.bash") -ge 7 ]] || fail "docs/log.md has lost its examples"
# shellcheck disable=SC1091
source "$scratch/log.bash"

begin "docs/log.md: a counter, whose checkpoint keeps the log short"
kvctl log trim "$(kvctl log read | tail -n 1 | cut -f 1)" >/dev/null
for i in {1..10}; do add "$i" >/dev/null; done
same "$(total | cut -d ' ' -f 2)" 55 "the sum"
checkpoint
add -5 >/dev/null
same "$(total | cut -d ' ' -f 2)" 50 "the sum behind the checkpoint"
same "$(kvctl log read | wc -l)" 2 "what is left of the log"

begin "docs/log.md: a lock is held by one at a time, and a holder that was given up is fenced off"
worker() {
	local token
	for _ in 1 2 3; do
		token=$(lock "worker $1")
		echo "$token in" >>"$scratch/held"
		guarded "$token" "$scratch/protected" "worker $1"
		echo "$token out" >>"$scratch/held"
		unlock "$token"
	done
}
for i in 1 2 3 4; do worker "$i" & helpers+=("$!"); done
for worker in "${helpers[@]: -4}"; do wait "$worker"; done
same "$(wc -l <"$scratch/protected")" 12 "lines that were written under the lock"
awk '$2 == "in" { if (held) exit 1; held = $1; if ($1 <= last) exit 1; last = $1 } $2 == "out" { if (held != $1) exit 1; held = 0 }' \
	"$scratch/held" || fail "two held the lock at a time, or tokens did not grow: $(cat \
	"$scratch/held")"
sleeper=$(lock sleeper)
unlock "$sleeper" # by somebody else
token=$(lock next)
guarded "$token" "$scratch/protected" next
! guarded "$sleeper" "$scratch/protected" 'too late' ||
	fail "a holder that was given up has written"
unlock "$token"
same "$(holder)" '' "the holder in the end"

finish
