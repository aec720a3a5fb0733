#!/usr/bin/env bash
# kvctl with more than single keys: several, ranges from either end, counts, deletions of many;
# files of records as people have them; what status says of nodes that are none; lines that fit a
# terminal.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cluster up --masters 1 --groups 2 --replicas 1 --set shards=16

# kvctl with stdin from a pipe.
piped() { # TEXT KVCTL-ARGUMENTS…; TEXT as for printf
	local text=$1
	shift
	last_command="kvctl $*"
	status=0
	# shellcheck disable=SC2059 # the text is one
	printf "$text" | "$SYNOD_BIN/kvctl" --config "$config" --timeout 30s "$@" >"$scratch/out" \
		2>"$scratch/err" || status=$?
	out=$(<"$scratch/out")
	err=$(<"$scratch/err")
}

begin "several keys at once"
kv put a 1
kv put b 'two
lines'
kv get a b
expect 0 $'a\t1\n{"key":"b","value":"two\\nlines"}'
kv get b none a
expect 1 $'{"key":"b","value":"two\\nlines"}\na\t1'
expect_error 'not found: none'
kv get -o json a none b
expect 1
expect_json 'map(.key) | join(" ")' 'a b'
expect_json '.[0].version' 1
kv get --keys-only a none b
expect 1 $'a\nb'
kv get --raw a b
expect 64
kv get a ''
expect 64

begin "ranges from the end, over all shards"
for number in {1000..2999}; do printf 'r/%d\tvalue %d\n' "$number" "$number"; done \
	>"$scratch/records"
kv import "$scratch/records"
expect 0
tac "$scratch/records" >"$scratch/reversed"
kv get --prefix r/ --reverse
expect 0 "$(<"$scratch/reversed")"
kv get --prefix r/ --reverse --limit 3 --keys-only
expect 0 $'r/2999\nr/2998\nr/2997'
kv get --prefix r/ --reverse --limit 1500
expect 0 "$(head -n 1500 "$scratch/reversed")"
kv get --range r/1010 r/1013 --reverse --keys-only
expect 0 $'r/1012\nr/1011\nr/1010'
kv get --range r/2998 --reverse --keys-only
expect 0 $'r/2999\nr/2998'
kv get --prefix r/ --reverse --limit 2 -o json
expect 0
expect_json '.records | map(.key) | join(" ")' 'r/2999 r/2998'
expect_json .more true
kv get a --reverse
expect 64

begin "counts"
kv get --prefix r/ --count
expect 0 2000
kv get --prefix "" --count
expect 0 2002
kv get --range r/1010 r/1013 --count
expect 0 3
kv get --prefix r/ --count --limit 5
expect 0 5
kv get --prefix nothing/ --count
expect 0 0
kv get a --count
expect 0 1
kv get none --count
expect 0 0
kv get a none b --count -o json
expect 0
expect_json .count 2

begin "a prefix that begins like a number"
kv put -- -5x minus
kv get --prefix -5 --keys-only
expect 0 -5x
kv del --prefix -5
expect 0 1

begin "del --prefix deletes exactly what begins so"
kv put r 1
kv put r0 1
kv del --prefix r/
expect 0 2000
kv get --prefix r --keys-only
expect 0 $'r\nr0'
kv del --prefix r/
expect 0 0
kv del --prefix ''
expect 64
expect_error --yes
kv get a
expect 0 1
kv del --prefix x y
expect 64
kv del -o json --prefix r
expect 0
expect_json .deleted 2
kv del --prefix '' --yes
expect 0 2
kv get --prefix '' --count
expect 0 0

begin "del --prefix while a group is away: nothing, and that is certain"
kv put d/1 1
kv put d/2 2
cluster stop g2a >/dev/null
kv_timeout=500ms kv del --prefix d/
expect 3 0
expect_error 'to repeat it is safe'
cluster cont g2a >/dev/null
kv del --prefix d/
expect 0 2

begin "export and import of any bytes, in every format"
head -c 60000 /dev/urandom >"$scratch/random"
kvctl_put() { # KEY; the value from stdin
	"$SYNOD_BIN/kvctl" --config "$config" put "$1" >/dev/null
}
kvctl_put random <"$scratch/random"
printf 'x\0y' | kvctl_put zero
printf '"a",\r\nb\t{' | kvctl_put $'tab\tand\nnewline'
printf ' v ' | kvctl_put '{"key":'
kvctl_put $'\xef\xbb\xbfmark' </dev/null
kvctl_put $'\xff\xfe' <<<'bytes'
for format in tsv jsonl csv; do
	kv export --format $format
	expect 0
	cp "$scratch/out" "$scratch/first"
	kv del --prefix '' --yes
	expect 0 6
	# Without being told which format it is.
	kv import "$scratch/first"
	expect 0
	"$SYNOD_BIN/kvctl" --config "$config" import - <"$scratch/first" 2>/dev/null
	kv export --format $format
	cmp "$scratch/out" "$scratch/first" || fail "$format changes what it holds"
	kv get --raw random
	cmp "$scratch/out" "$scratch/random" || fail "$format changes bytes"
done
kv del --prefix '' --yes

begin "a file that does not fit is refused as a whole, naming the lines"
printf 'a\t1\nb\nc\t3\n\td\n' >"$scratch/broken"
kv import "$scratch/broken"
expect 5
expect_error 'line 2: no tab'
expect_error 'line 4: the key is empty'
expect_error 'nothing was imported'
status=0
"$SYNOD_BIN/kvctl" --config "$config" import <"$scratch/broken" >/dev/null 2>&1 || status=$?
same "$status" 5 "exit code of a file as stdin"
kv import -o json "$scratch/broken"
expect 5
expect_json '[.imported, .malformed, .line, .complete] | tostring' '[0,2,2,false]'
kv get --prefix '' --count
expect 0 0
printf '{"key":"a","value":"1"}\n{"key":\t"b" "value":"2"}\n' >"$scratch/broken"
kv import "$scratch/broken"
expect 5
expect_error 'line 2: malformed JSON'
printf '\377\376a\0\t\0001\0' >"$scratch/broken"
kv import "$scratch/broken"
expect 5
expect_error 'UTF-16'
kv import "$scratch"
expect 64
expect_error 'Is a directory'
kv import /dev/zero
expect 5
expect_error 'line 1: the line is longer'
status=0
"$SYNOD_BIN/kvctl" --config "$config" txn <"$scratch" >/dev/null 2>&1 || status=$?
same "$status" 64 "exit code of a transaction that cannot be read"
kv import --format xml "$scratch/broken"
expect 64
kv get --prefix '' --count
expect 0 0

begin "from a pipe, what stands before the line that does not fit is imported, and nothing behind it"
piped 'a\t1\nb\t2\nbroken\nc\t3\n' import
expect 5
expect_error 'line 3: no tab'
expect_error 'imported 2 records .*stopped at line 3'
kv get --prefix '' --keys-only
expect 0 $'a\nb'

begin "comma-separated values, by name, by header, and by option"
printf 'x,"1, ""one"""\r\ny,2' >"$scratch/table.csv"
kv import "$scratch/table.csv"
expect 0
kv get x
expect 0 '1, "one"'
piped 'Key,Value\nz,3\n' import
expect 0
piped 'value,key\n4,w\n' import --format csv
expect 0
piped 'x,1\n' import
expect 5
expect_error '--format csv'
kv get --prefix '' --keys-only
expect 0 $'a\nb\nw\nx\ny\nz'

begin "a record that the servers refuse is named by its line, and the others are stored"
{ printf 'small\t1\nlarge\t' && head -c 1100000 /dev/zero | tr '\0' x &&
	printf '\nlast\t1\n'; } >"$scratch/records"
kv import "$scratch/records"
expect 5
expect_error 'line 2: '
kv get small last large
expect 1 $'small\t1\nlast\t1'
kv del --prefix '' --yes

begin "what was meant"
kv satus
expect 64
expect_error 'did you mean "status"'
kv set a 1
expect_error 'did you mean "put"'
kv get --limt 3 a
expect 64
expect_error 'did you mean --limit'
kv help gte
expect 64
expect_error 'did you mean "get"'
kv --verison
expect_error 'did you mean --version\?$'
kv --timeout 100h get a
expect 64
expect_error 'from 1ms to 24h'
kv member list 9
expect 5 ''
expect_error 'no such group'
kv member list masters
expect 0
try "$SYNOD_BIN/kvctl" --version
expect 0 "$("$SYNOD_BIN/kvctl" version)"

begin "lines fit the terminal"
fits() { # COLUMNS KVCTL-ARGUMENTS…
	local columns=$1
	shift
	TERM=dumb script -qec "stty cols $columns rows 40; '$SYNOD_BIN/kvctl' --config '$config' $*" /dev/null </dev/null |
		tr -d '\r' >"$scratch/screen" || true
	[[ -s $scratch/screen ]] || fail "nothing on the terminal: kvctl $*"
	! grep -E "^.{$((columns + 1)),}" "$scratch/screen" ||
		fail "kvctl $* does not fit $columns columns"
}
if type -p script >/dev/null; then
	for command in help status shards config doctor 'member list' 'help import' 'put' 'bogus' \
		'trace key --put value' \
		'member add 1 x'; do
		# shellcheck disable=SC2086 # words
		LC_ALL=C.UTF-8 fits 80 $command
		# shellcheck disable=SC2086 # words
		LC_ALL=C.UTF-8 fits 60 ${command/help*/shards}
	done
	fits_program() { # PROGRAM ARGUMENTS: on a terminal of 80 columns
		TERM=dumb script -qec "stty cols 80 rows 40; '$SYNOD_BIN'/$*" /dev/null </dev/null |
			tr -d '\r' >"$scratch/screen" || true
		[[ -s $scratch/screen ]] || fail "nothing on the terminal: $*"
		! LC_ALL=C.UTF-8 grep -E '^.{81,}' "$scratch/screen" ||
			fail "$* does not fit 80 columns"
	}
	for program in "$SYNOD_BIN"/*; do
		fits_program "${program##*/}" --help
	done
	fits_program kvbench --config "'$config'" --duration 0.2s --warmup 0 --clients 4
	grep -q 'g1a  *shardkv' "$scratch/screen" ||
		fail "kvbench has no line for g1a: $(<"$scratch/screen")"
	fits 80 status
	grep -q 'HEALTH$' "$scratch/screen" || fail "the terminal shows no health"
fi
kv status
expect 0
head -n 1 <<<"$out" | grep -q 'BALLOT.*APPLIED.*KEYS.*UPTIME' ||
	fail "columns are missing without a terminal: $out"

begin "status: a group without a leader, and nodes that are none of this cluster's"
health() { # NODE JSON-FILE
	jq -r ".nodes[] | select(.name == \"$1\") | .health" "$scratch/out"
}
cluster kill g2a >/dev/null
no_leader() {
	kv status -o json
	[[ $status -eq 3 ]]
}
await "the node to be down" no_leader
expect_error 'group 2: no leader'
same "$(health g2a)" down "health of a node that is down"
same "$(health g1a)" ok "health of one that is not"
cluster restart g2a >/dev/null
all_well() {
	kv status
	[[ $status -eq 0 ]]
}
await "all nodes" all_well
# The same cluster, in which two nodes have exchanged their addresses.
one=$(address g1a listen) two=$(address g2a listen)
sed "s/^listen = $one/listen = SWAP/; s/^listen = $two/listen = $one/; s/^listen = SWAP/listen = $two/" "$config" >"$scratch/swapped.conf"
try "$SYNOD_BIN/kvctl" --config "$scratch/swapped.conf" status -o json
expect 3
same "$(health g1a) $(health g2a)" 'wrong node wrong node' "health of exchanged nodes"
expect_json '[.nodes[] | select(.role == "shardkv") | .up] | tostring' '[false,false]'
expect_error "g1a: wrong node: g2a answers at $two"
# A cluster of another name.
sed 's/^name = .*/name = another/' "$config" >"$scratch/another.conf"
try "$SYNOD_BIN/kvctl" --config "$scratch/another.conf" status -o json
expect 3
same "$(health g1a)" 'wrong cluster' "health in another cluster"
# Another way to write an address is no other node.
sed "s/^listen = $one/listen = localhost:${one#*:}/" "$config" >"$scratch/named.conf"
if getent ahostsv4 localhost >/dev/null; then
	try "$SYNOD_BIN/kvctl" --config "$scratch/named.conf" status -o json
	expect 0
	same "$(health g1a)" ok "health of a node at a name"
fi
# A group that has not joined serves nothing, however well it is.
{
	cat "$config"
	printf '[node g3a]\nrole = shardkv\ngroup = 3\nlisten = 127.0.0.1:%d\ndir = %s\n' \
		$((base_port + 90)) "$run/g3a"
} >"$scratch/three.conf"
helper_start "$SYNOD_BIN/shardkvd" --config "$scratch/three.conf" --node g3a 2>"$scratch/g3a.log"
three() {
	try "$SYNOD_BIN/kvctl" --config "$scratch/three.conf" "$@"
}
leads() {
	three status -o json
	[[ $status -eq 0 && $(jq -r '.nodes[] | select(.name == "g3a") | .leader' <<<"$out") == \
		true ]]
}
await "the third group to have a leader" leads
same "$(health g1a) $(health g2a) $(health g3a)" 'ok ok not joined' \
	"health of a group that has not joined"
expect_error 'g3a: not joined'
three doctor
grep -q 'g3a: not joined' "$scratch/out" || fail "doctor does not tell: $out"

finish
