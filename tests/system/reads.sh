#!/usr/bin/env bash
# Reads at any replica: linearizable ones of followers, and stale ones that say how old they may be.
# (faults: 4, 43)
for tool in curl jq; do
	command -v "$tool" >/dev/null && continue
	echo "SKIPPED: there is no $tool: scripts/setup.sh --tests installs it"
	echo "0 passed, 0 failed"
	exit 0
done
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --groups 1 --masters 1

# The sum of a counter over all replicas that answer: counted NAME
counted() {
	local node
	for node in g1a g1b g1c; do
		curl -sS --max-time 5 "http://$(address "$node" http)/metrics" 2>/dev/null || true
	done | awk -v name="$1" '$1 == name { sum += $2 } END { print sum + 0 }'
}

# The age of a stale answer that key gives is known, and passes the condition of jq: age '. >= 300'
age() {
	kv get --consistency stale -o json key
	[[ $status -eq 0 ]] && jq -e ".age_ms | type == \"number\" and ($1)" <<<"$out" >/dev/null
}

# stale NODE PARAMETERS: the code of a read over HTTP; its headers in headers, its body in out.
stale() {
	headers=$scratch/headers
	code=$(curl -sS -D "$headers" -o "$scratch/body" -w '%{http_code}' \
		"http://$(address "$1" http)/get/key?consistency=stale$2")
	out=$(<"$scratch/body")
}

answers() {
	stale "$1" '' && [[ $code == 200 ]]
}

leads() {
	[[ $(leader_of 1) == "$1" ]]
}

begin "a follower's read sees each write that was acknowledged before it"
before=$(counted synod_server_reads_indexed_total)
for i in {21..30}; do
	kv put key "$i"
	expect 0 OK
	kv get key --prefer follower
	expect 0 "$i"
done
# The tool takes the first replica for the leader until it has heard otherwise.
[[ $(leader_of 1) == g1a ]] ||
	"$SYNOD_BIN/kvctl" --config "$config" member transfer 1 g1a >/dev/null 2>&1 || true
await "g1a to lead" leads g1a
kv get key --prefer follower
expect 0 30
(($(counted synod_server_reads_indexed_total) > before)) ||
	fail "no follower has answered a linearizable read"
kv put b/1 one
kv put b/2 two
kv get --prefix b/ --prefer follower
expect 0 $'b/1\tone\nb/2\ttwo'

begin "a stale answer is as any other, and its age is told beside it"
await "a known age" age 'true'
kv get key --consistency stale
expect 0 30
[[ $err =~ ^age:\ at\ most\ [0-9]+\ ms$ ]] || fail "stderr: $err"
kv get missing --consistency stale
expect 1 ''
[[ $err == *'not found: missing'*'age: at most '* ]] || fail "stderr: $err"
kv get key --consistency stale --max-age 1m -o json
expect_json '.value == "30" and .age_ms >= 0 and .slot > 0' true
kv get --prefix b/ --consistency stale -o json
expect_json '.count == 2 and .records[1].value == "two" and .age_ms >= 0' true
kv get --prefix b/ --count --consistency stale -o json
expect_json '.count == 2 and .age_ms >= 0' true
kv get key missing --consistency stale -o json
expect 1
jq -e '.[0].value == "30" and .[0].age_ms >= 0' <<<"$out" >/dev/null || fail "printed $out"

begin "what does not go together is refused"
for wrong in "--max-age 5s" "--consistency fresh" "--prefer anybody" \
	"--consistency stale --max-age 0" \
	"--consistency stale --max-age soon"; do
	# shellcheck disable=SC2086 # words
	kv get key $wrong
	expect 64
done
kv pb get key --prefer follower
expect 64

begin "over HTTP the age stands in a header"
for node in g1a g1b g1c; do
	stale $node ''
	[[ $code == 200 && $(jq -r .value <<<"$out") == 30 ]] || fail "$node answered $code: $out"
	grep -Eiq '^synod-age-ms: ([0-9]+|unknown)' "$headers" ||
		fail "$node: no age in $(cat "$headers")"
done
for wrong in '&max_age_ms=0' '&consistency=stale' '&max_age_ms=x'; do
	stale g1a "$wrong"
	[[ $code == 400 ]] || fail "$wrong was answered $code: $out"
done
code=$(curl -sS -o "$scratch/body" -w '%{http_code}' "http://$(address g1a \
	http)/get/key?max_age_ms=5")
[[ $code == 400 ]] || fail "max_age_ms alone was answered $code"

begin "a follower goes on when the leader is frozen, as soon as there is another"
cluster stop g1a
kv get key --prefer follower
expect 0 30
kv put key 31
expect 0 OK
cluster cont g1a
kv get key --prefer follower
expect 0 31

begin "without a majority stale reads go on and grow old; nothing else is answered"
await "g1a to catch up" caught_up g1a
cluster kill g1b g1c
await "an age of 300 ms" age '. >= 300'
kv get key --consistency stale
expect 0 31
kv_timeout=500ms kv get key --consistency stale --max-age 100ms
expect 3 ''
[[ $err == *'no answer that is at most 100 ms old'* ]] || fail "stderr: $err"
kv_timeout=500ms kv get key --prefer follower
expect 3 ''
stale g1a '&timeout_ms=300'
[[ $code == 200 && $(jq -r .value <<<"$out") == 31 ]] || fail "answered $code: $out"
stale g1a '&timeout_ms=300&max_age_ms=100'
[[ $code == 503 ]] || fail "answered $code: $out"
cluster restart g1b g1c
kv get key --prefer follower
expect 0 31

begin "a replica that has just started does not know how old it is, and says so"
cluster kill g1a g1b g1c
cluster restart g1a
await "g1a to answer" answers g1a
grep -iq '^synod-age-ms: unknown' "$headers" || fail "an age is told: $(cat "$headers")"
kv get key --consistency stale
expect 0 31
[[ $err == 'age: unknown'* ]] || fail "stderr: $err"
kv get key --consistency stale -o json
expect_json '.age_ms == null' true

finish
