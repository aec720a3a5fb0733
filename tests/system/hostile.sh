#!/usr/bin/env bash
# Strangers, garbage and clients that do not behave: they are cut off, and nobody else notices.
# (faults: 25, 69, 70, 74)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --set frame_timeout_ms=1000 --set hello_timeout_ms=1000 --set write_timeout_ms=1000
kv put key value
expect 0
before=$(for node in m1 m2 m3 g1a g1b g1c g2a g2b g2c; do pid_of $node; done)
leader=$(leader_of 1)

# Others are served while a helper is at work: serves_while HELPER
serves_while() {
	local count=0
	until helper_ended "$1" && [[ $count -gt 0 ]]; do
		kv put other "$count"
		expect 0
		kv get other
		expect 0 "$count"
		count=$((count + 1))
	done
}

# One rude client against a node; others are served meanwhile: rude NODE MODE
rude() {
	local code=0
	helper_start "$tools/rude" "$(address "$1" listen)" demo "$2" "$deadline_s" >"$scratch/rude"
	serves_while "$helper"
	wait "$helper" || code=$?
	[[ $code -eq 0 ]] || fail "$1 and $2: exit code $code, $(<"$scratch/rude")"
	say "$1: $2: $(tr '\n' ' ' <"$scratch/rude")"
}

begin "bytes that are no protocol end the connection, and nothing else"
for node in "$leader" m1; do
	for mode in garbage oversized-hello oversized checksum; do
		rude "$node" $mode
	done
done

begin "a request that cannot be decoded is refused"
rude "$leader" malformed

# faults: 96
begin "an answer that nobody asked for ends the connection"
rude "$leader" reply
rude m1 reply

begin "messages as of members, with numbers beyond the possible, are refused"
for node in m1 m2 m3 g1a g1b g1c; do
	rude $node forged
done
kv put key value
expect 0

begin "who connects and says nothing is cut off"
rude "$leader" silent

begin "who sends a byte a second is cut off"
rude "$leader" slow

begin "who never reads the answers is cut off"
rude "$leader" never-read
rude m1 never-read

begin "another cluster's name, or another protocol, is refused with the reason"
rude g1a wrong-cluster
grep -q "demo" "$scratch/rude" || fail "the refusal does not name the cluster: $(<"$scratch/rude")"
rude g1a wrong-version
sed 's/^name = demo/name = another/' "$config" >"$scratch/another.conf"
try "$SYNOD_BIN/kvctl" --config "$scratch/another.conf" --timeout 30s get key
expect 5
expect_error "wrong cluster"

begin "many of them at once change nothing"
crowd=()
for mode in garbage silent oversized checksum slow never-read garbage silent slow never-read; do
	helper_start "$tools/rude" "$(address "$leader" listen)" demo $mode "$deadline_s" \
		>"$scratch/rude"
	crowd+=("$helper")
done
for member in "${crowd[@]}"; do
	serves_while "$member"
	wait "$member" || fail "one of the crowd was not cut off"
done

begin "garbage on the HTTP port is answered or cut off"
try "$tools/rude" "$(address "$leader" http)" demo garbage "$deadline_s"
expect 0
try curl -sS -o /dev/null -w '%{http_code}' "http://$(address "$leader" http)/livez"
expect 0 200

begin "all processes are the ones from before, and none has grown"
same "$(for node in m1 m2 m3 g1a g1b g1c g2a g2b g2c; do pid_of $node; done)" "$before" \
	"process ids"
for node in m1 m2 m3 g1a g1b g1c g2a g2b g2c; do
	kilobytes=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(pid_of $node)/status")
	[[ $kilobytes -lt $((600 << 10)) ]] || fail "$node has $kilobytes KiB in memory"
done
kv get key
expect 0 value

finish
