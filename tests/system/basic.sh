#!/usr/bin/env bash
# Every operation of the store, as kvctl offers them: results, exit codes, JSON.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cluster up --set shards=64

begin "a value that was put is read back, until another one or none is there"
kv put key value
expect 0 OK
kv get key
expect 0 value
kv get --raw key
expect 0 value
same "$(stat -c %s "$scratch/out")" 5 "--raw prints no newline"
kv put key 'another value'
expect 0
kv get key
expect 0 'another value'
kv del key
expect 0
kv get key
expect 1 ''
expect_error 'not found'
kv del key
expect 1

begin "a value comes from stdin when it is no argument, whatever its bytes"
head -c 200000 /dev/urandom >"$scratch/random"
"$SYNOD_BIN/kvctl" --config "$config" put random <"$scratch/random" >/dev/null
kv get --raw random
expect 0
cmp "$scratch/out" "$scratch/random" || fail "other bytes came back"
printf '' | "$SYNOD_BIN/kvctl" --config "$config" put empty >/dev/null
kv get empty
expect 0 ''

begin "append makes and extends a value"
kv append list a,
expect 0
kv append list b,
expect 0
kv get list
expect 0 a,b,

begin "cas writes only where the old value stands, and --absent only where none does"
kv cas lock free taken
expect 1
kv cas lock free --absent
expect 0
kv cas lock other --absent
expect 2
kv cas lock wrong taken
expect 2
kv cas lock free taken
expect 0
kv get lock
expect 0 taken

begin "incr counts from nothing, by any number, and refuses what is none"
kv incr counter
expect 0 1
kv incr counter 41
expect 0 42
kv incr counter -50
expect 0 -8
kv incr list
expect 5
kv put counter 9223372036854775807
kv incr counter
expect 5
kv get counter
expect 0 9223372036854775807

begin "versions count the writes of a key, also in JSON"
kv put -o json versioned 1
expect 0
kv put versioned 2
kv get -o json versioned
expect 0
expect_json .key versioned
expect_json .value 2
expect_json .version 2
kv get -o json random
expect_json .encoding base64
same "$(jq -r .value <<<"$out" | base64 -d |
	sha256sum)" "$(sha256sum <"$scratch/random")" "base64 of the value"

begin "a transaction on keys of one group does all or nothing"
kv put '{t}a' 1
kv txn --if 'value({t}a)=1' --if 'missing({t}b)' --then 'put {t}a 2' --then 'put {t}b new' --then \
	'get {t}a' \
	--else 'get {t}a'
expect 0 $'SUCCESS\nOK\nOK\n2'
kv txn --if 'value({t}a)=1' --then 'put {t}a 3' --else 'get {t}a' --else 'get {t}b'
expect 2 $'FAILURE\n2\nnew'
kv txn --if 'version({t}a)=2' --if 'exists({t}b)' --then 'del {t}b' --then 'put {t}a 4'
expect 0
kv get '{t}b'
expect 1
kv get '{t}a'
expect 0 4
"$SYNOD_BIN/kvctl" --config "$config" txn >"$scratch/out" <<'BLOCKS'
value("{t}a") = "4"

put {t}a 5
get {t}a

get {t}a

BLOCKS
same "$(<"$scratch/out")" $'SUCCESS\nOK\n5' "the transaction in three blocks"

begin "a transaction across groups is refused, and changes nothing"
# Two keys that are in different groups exist among any few dozen.
crossed=no
for number in {1..40}; do
	kv txn --then "put cross0 x" --then "put cross$number x"
	if [[ $status -ne 0 ]]; then
		expect 5
		crossed=yes
		break
	fi
	kv del cross0 "cross$number"
done
same "$crossed" yes "a transaction across groups was refused"
kv get cross0
expect 1
kv get "cross$number"
expect 1

begin "a scan is in the order of the keys, over all shards"
for number in {100..149}; do
	printf 'scan/%d\tvalue %d\n' "$number" "$number"
done >"$scratch/records"
kv import "$scratch/records"
expect 0
kv get --prefix scan/
expect 0 "$(<"$scratch/records")"
kv get --prefix scan/ --keys-only --limit 3
expect 0 $'scan/100\nscan/101\nscan/102'
kv get --range scan/110 scan/113 --keys-only
expect 0 $'scan/110\nscan/111\nscan/112'
kv get -o json --prefix scan/12
expect 0
expect_json '.records | length' 10
expect_json '.records[9].key' scan/129
kv get --prefix nothing/
expect 0 ''

begin "what was exported can be imported"
kv export --prefix scan/
expect 0
cp "$scratch/out" "$scratch/exported"
same "$(cut -f 1 "$scratch/exported" | sort)" "$(cut -f 1 "$scratch/records")" "the exported keys"
kv get --prefix scan/ --keys-only
# shellcheck disable=SC2086 # one argument for each key
kv del $out
expect 0
kv import "$scratch/exported"
expect 0
kv get --prefix scan/
expect 0 "$(<"$scratch/records")"

begin "what is too large is refused, the largest is not"
head -c 1048576 /dev/zero | tr '\0' x >"$scratch/large"
"$SYNOD_BIN/kvctl" --config "$config" put large <"$scratch/large" >/dev/null
kv get --raw large
expect 0
cmp "$scratch/out" "$scratch/large" || fail "the large value came back differently"
status=0
{ cat "$scratch/large" && echo; } |
	"$SYNOD_BIN/kvctl" --config "$config" put large >/dev/null 2>&1 || status=$?
same "$status" 5 "exit code for a value of one byte too many"
kv put "$(head -c 4097 /dev/zero | tr '\0' k)" value
expect 5
kv put "$(head -c 4096 /dev/zero | tr '\0' k)" value
expect 0

begin "a mistake in the command line is told apart from everything else"
kv
expect 64
kv put
expect 64
kv bogus
expect 64
kv get --bogus key
expect 64
kv txn --if nonsense
expect 64
try "$SYNOD_BIN/kvctl" --config "$scratch/missing.conf" get key
expect 64
expect_error 'missing.conf'
try "$SYNOD_BIN/kvctl" --endpoints "$(address m1 listen)" get lock
expect 0 taken
try env KVCTL_CONFIG="$config" "$SYNOD_BIN/kvctl" get lock
expect 0 taken
try env KVCTL_ENDPOINTS="$(address g2c listen)" "$SYNOD_BIN/kvctl" get lock
expect 0 taken

begin "status and shards have the shapes that tools rely on"
kv status -o json
expect 0
expect_json '.nodes | length' 9
expect_json '.nodes[] | select(.name == "g2b") | "\(.role) \(.group) \(.up)"' 'shardkv 2 true'
expect_json '[.nodes[] | select(.leader)] | length' 3
expect_json '.nodes[0] | [.ballot, .applied, .lag] | map(type) | join(" ")' 'string number number'
kv shards -o json
expect 0
expect_json '.shards | length' 64
expect_json '[.shards[] | select(. == 1)] | length' 32
kv config 0 -o json
expect 0
expect_json '.groups | length' 0
kv version
expect 0

begin "every daemon answers on its HTTP address"
for node in m1 g1a g2c; do
	try curl -sS -o /dev/null -w '%{http_code}' "http://$(address $node http)/livez"
	expect 0 200
	try curl -sS "http://$(address $node http)/api/v1/status"
	expect 0
	expect_json .name $node
	try curl -sS "http://$(address $node http)/metrics"
	expect 0
	grep -q '^synod_' <<<"$out" || fail "$node has no metrics"
	try curl -sS -o /dev/null -w '%{http_code}' "http://$(address $node http)/nothing"
	expect 0 404
done
try curl -sS -o /dev/null -w '%{http_code}' "http://$(address "$(leader_of 1)" http)/readyz"
expect 0 200

finish
