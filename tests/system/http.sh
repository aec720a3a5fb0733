#!/usr/bin/env bash
# The store over HTTP: the examples of docs/http.md as they stand there, forwarding, hints, limits,
# requests that are none, no descriptors, and a leader that dies. faults: 97
for tool in curl jq; do
	command -v "$tool" >/dev/null && continue
	echo "SKIPPED: there is no $tool: scripts/setup.sh --tests installs it"
	echo "0 passed, 0 failed"
	exit 0
done
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# Requests over HTTP are not sent again, so a busy machine must not look like a lost leader.
cluster up --set election_timeout_ms=1000

# http METHOD NODE PATH [BODY]: its code (000: no answer) and body are then in code and out, its
# headers in headers.
http() {
	local body=()
	[[ $# -lt 4 ]] || body=(--data-binary "$4")
	headers=$scratch/headers
	try curl -sS -D "$headers" -X "$1" "${body[@]}" -w '\n%{http_code}' "http://$(address "$2" \
		http)$3"
	code=${out##*$'\n'}
	out=${out%$'\n'*}
}

expect_code() {
	[[ $code == "$1" ]] || fail "$last_command answered $code, not $1: $out"
}

# The leader of the group that has the key, found by asking: owner_of KEY
owner_of() {
	local node
	for node in g1a g1b g1c g2a g2b g2c; do
		http GET "$node" "/get/$1?forward=false"
		if [[ $code == 200 || $code == 404 ]]; then
			echo "$node"
			return
		fi
	done
	return 1
}

# Runs the commands of the manual's examples, which stand behind "$", and their further lines behind
# ">".
manual_typed() {
	local line command=''
	while IFS= read -r line; do
		if [[ $line == '> '* ]]; then
			command+=$'\n'${line#> }
			continue
		fi
		[[ -z $command ]] || eval "$command" </dev/null
		command=''
		[[ $line != '$ '* ]] || command=${line#\$ }
	done
	[[ -z $command ]] || eval "$command" </dev/null
}

begin "the examples of the manual print what it says"
# shellcheck disable=SC2016 # backquotes are what stands around an example
sed -n '/^```$/,/^```$/{/^```$/!p}' "$repository/docs/http.md" >"$scratch/manual"
[[ $(grep -c '^\$ ' "$scratch/manual") -ge 8 ]] || fail "the manual has no examples"
# Its cluster listens on 8001 and the ports that follow.
sed -E "s/127\.0\.0\.1:80([0-9]{2})/127.0.0.1:$(((base_port + 1000) / 100))\1/g" "$scratch/manual" \
	>"$scratch/here"
manual_typed <"$scratch/here" >"$scratch/printed" 2>&1 ||
	fail "an example failed: $(<"$scratch/printed")"
grep -vE '^(\$|>) ' "$scratch/manual" >"$scratch/promised"
diff "$scratch/promised" "$scratch/printed" || fail "the examples print something else"

begin "a value comes back as it was put, whatever its bytes, and kvctl sees the same"
owner=$(owner_of random) || fail "nobody has the key"
head -c 300000 /dev/urandom >"$scratch/random"
base64 -w 0 "$scratch/random" |
	jq -R '{key: "random", value: ., encoding: "base64"}' >"$scratch/body"
http PUT "$owner" /put "@$scratch/body"
expect_code 200
http GET "$owner" /get/random
expect_code 200
same "$(jq -r .value <<<"$out" | base64 -d |
	sha256sum)" "$(sha256sum <"$scratch/random")" "the value"
kv get --raw random
cmp "$scratch/out" "$scratch/random" || fail "kvctl got other bytes"
kv put random text
http GET "$owner" /get/random
expect_json .value text

begin "every server answers for every key, whoever has it"
for node in g1a g1b g1c g2a g2b g2c; do
	http PUT "$node" /put "{\"key\":\"random\",\"value\":\"by $node\"}"
	expect_code 200
	http GET "$owner" /get/random
	expect_json .value "by $node"
	http POST "$node" /txn '{"then":[{"op":"incr","key":"counted"}]}'
	expect_code 200
	http GET "$node" /get/random
	expect_code 200
	expect_json .value "by $node"
done
http GET g1a /get/counted
expect_json .value 6
http DELETE g1b /get/counted
expect_code 200
for node in g1a g1b g1c g2a g2b g2c; do
	http GET "$node" /get/counted
	expect_code 404
done
kv put random text

begin "Python's urllib puts at any server"
if command -v python3 >/dev/null; then
	for node in g1a g1b g1c g2a g2b g2c; do
		try python3 -c 'import sys, urllib.request as r
print(r.urlopen(r.Request(sys.argv[1], b"{\"key\":\"random\",\"value\":\"text\"}", method="PUT")).status)' \
			"http://$(address "$node" http)/put"
		expect 0 200
	done
fi

begin "without forwarding only the leader of the right group answers; every other server says who that is"
for node in g1a g1b g1c g2a g2b g2c; do
	http GET "$node" "/get/random?forward=false"
	if [[ $node == "$owner" ]]; then
		expect_code 200
		continue
	fi
	location=$(sed -n 's/^Location: \(.*\)\r$/\1/p' "$headers")
	same "$(jq -r .location <<<"$out")" "$location" "header and body"
	case $(jq -r .status <<<"$out") in
	NOT_LEADER)
		expect_code 503
		leader=$(leader_of "$(sed -n "/^\[node $node\]/,/^\[node/s/^group = //p" "$config" |
			head -n 1)")
		expect_json .leader "$(address "$leader" listen)"
		same "$location" "http://$(address "$leader" http)/get/random?forward=false" \
			"where to go on"
		;;
	WRONG_GROUP)
		expect_code 421
		group=$(sed -n "/^\[node $owner\]/,/^\[node/s/^group = //p" "$config" | head -n 1)
		expect_json .group "$group"
		expect_json '.addresses | length' 3
		expect_json ".addresses | index(\"$(address "$owner" listen)\") != null" true
		;;
	*) fail "$node answered $code: $out" ;;
	esac
	# Following the hints ends at the key.
	try curl -sSL "http://$(address "$node" http)/get/random?redirect=true"
	expect_json .value text
done

begin "mistakes are told apart, and change nothing"
http PUT "$owner" /put '{"key":"random"'
expect_code 400
http PUT "$owner" /put '{"key":"random","value":7}'
expect_code 400
http POST "$owner" /txn '{"then":[{"op":"put","key":"random","value":"x"},{"op":"bogus","key":"random"}]}'
expect_code 400
http POST "$owner" /txn '{"then":[{"op":"put","key":"random","value":"x"},{"op":"incr","key":"random"}]}'
expect_code 409
http POST "$owner" /put '{"key":"random","value":"x"}'
expect_code 405
grep -q $'^Allow: PUT\r$' "$headers" || fail "no Allow: $(<"$headers")"
try curl -sS -o /dev/null -w '%{http_code}' -H 'Origin: http://example.org' -d '{}' \
	"http://$(address "$owner" http)/txn"
expect 0 403
http DELETE "$owner" "/get/random?timeout_ms=x"
expect_code 400
http GET "$owner" /get/random
expect_json .value text

begin "what is too large is refused, the largest is not"
{
	printf '{"key":"random","value":"'
	head -c 1048576 /dev/zero | tr '\0' x
	printf '"}'
} >"$scratch/body"
http PUT "$owner" /put "@$scratch/body"
expect_code 200
sed 's/xx"}/xxx"}/' "$scratch/body" >"$scratch/larger"
http PUT "$owner" /put "@$scratch/larger"
expect_code 413
expect_json .status TOO_LARGE
head -c 6000000 /dev/zero >"$scratch/huge"
http PUT "$owner" /put "@$scratch/huge"
expect_code 413
http GET "$owner" /get/random
expect_json '.value | length' 1048576

begin "what is no request is refused, by name, and ends its connection"
try curl -sS -o /dev/null -w '%{http_code} %{num_connects}' -H 'Host:' "http://$(address "$owner" \
	http)/livez"
expect 0 '400 1'
try curl -sS -o /dev/null -w '%{http_code}' -H 'Transfer-Encoding: chunked' -H 'Content-Length: 5' \
	-d '{}' \
	"http://$(address "$owner" http)/txn"
expect 0 400
try curl -sS -o /dev/null -w '%{http_code}' -H 'Transfer-Encoding: xchunked' -d '{}' \
	"http://$(address "$owner" http)/txn"
expect 0 400
# A stream without a length comes in chunks.
# shellcheck disable=SC2016 # $0 is of the shell within
try bash -c 'echo "{\"key\":\"random\",\"value\":\"streamed\"}" | curl -sS -o /dev/null -w "%{http_code}" -T - "$0"' \
	"http://$(address "$owner" http)/put"
expect 0 200
http GET "$owner" /get/random
expect_json .value streamed

begin "without a descriptor for a connection a server goes on, and serves it when there is one"
if command -v prlimit >/dev/null; then
	pid=$(pid_of "$owner")
	limit=$(prlimit --pid "$pid" --nofile --noheadings --output SOFT)
	free=0 # the lowest descriptor that it could get
	while [[ -e /proc/$pid/fd/$free ]]; do
		free=$((free + 1))
	done
	prlimit --pid "$pid" --nofile="$free:"
	curl -sS -o "$scratch/livez" "http://$(address "$owner" http)/livez" &
	probe=$!
	refused() { grep -q 'http_accept_paused.*errno=EMFILE' "$run/$owner/log"; }
	await "an attempt to accept it" refused
	prlimit --pid "$pid" --nofile="$limit:"
	wait "$probe" || fail "the probe failed: $?"
	same "$(<"$scratch/livez")" ok "the probe's answer"
	kv get random
fi

begin "a write whose server does not answer is 504, and not done twice"
other=${owner%?}a
[[ $other != "$owner" ]] || other=${owner%?}b
kv put counted 0
http POST "$other" /txn '{"then":[{"op":"incr","key":"counted"}]}'
counted_by=$(owner_of counted)
expect_code 200
follower=${counted_by%?}a
[[ $follower != "$counted_by" ]] || follower=${counted_by%?}b
cluster stop "$counted_by"
http POST "$follower" '/txn?timeout_ms=200' '{"then":[{"op":"incr","key":"counted"}]}'
[[ $code == 504 ]] || [[ $code == 503 ]] || fail "answered $code: $out"
[[ $code != 504 ]] || expect_json .status UNKNOWN
cluster cont "$counted_by"
get_counted() {
	http GET "$follower" /get/counted
	[[ $code == 200 ]]
}
await "a leader" get_counted
[[ $(jq -r .value <<<"$out") == [12] ]] || fail "counted $out"

begin "without a majority a write is 504 or 503, and no read is answered"
others=()
for node in "${owner%?}"{a,b,c}; do
	[[ $node == "$owner" ]] || others+=("$node")
done
cluster stop "${others[@]}"
http PUT "$owner" '/put?timeout_ms=300' '{"key":"random","value":"maybe"}'
[[ $code == 504 || $code == 503 ]] || fail "answered $code: $out"
[[ $code != 504 ]] || expect_json .status UNKNOWN
http GET "$owner" '/get/random?timeout_ms=300'
[[ $code == 504 || $code == 503 ]] || fail "answered $code: $out"
cluster cont "${others[@]}"

begin "after the leader is killed another one answers, with everything that was acknowledged"
# Leadership may change between the question and the next request.
put_acknowledged() {
	owner=$(owner_of random) || return 1
	http PUT "$owner" /put '{"key":"random","value":"acknowledged"}'
	[[ $code == 200 ]]
}
get_answered() {
	owner=$(owner_of random) || return 1
	http GET "$owner" /get/random
	[[ $code == 200 ]]
}
await "an acknowledged write" put_acknowledged
killed=$owner
cluster kill "$owner"
await "another leader" get_answered
expect_json .value acknowledged

begin "every server that is left answers with it, whoever leads"
for node in g1a g1b g1c g2a g2b g2c; do
	[[ $node != "$killed" ]] || continue
	http GET "$node" /get/random
	expect_code 200
	expect_json .value acknowledged
done

begin "the counters show it"
try curl -sS "http://$(address "$owner" http)/metrics"
grep -qE '^synod_http_kv_replies_total\{code="200"\} [1-9]' <<<"$out" || fail "nothing was counted"
grep -qE '^synod_http_kv_forwarded_total [0-9]' <<<"$out" ||
	fail "what was forwarded was not counted"

finish
