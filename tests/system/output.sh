#!/usr/bin/env bash
# Output that cannot be written: whatever was done stays done, and the exit code says so: 6 after
# success, a failure keeps its own, and a reader that has gone is no failure. In every command of
# kvctl, and in the other programs.
# faults: 95
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cluster up --masters 1 --replicas 1 --groups 1 --views 1 --pb 2 --paxos 3 --set shards=16

has_pair() {
	"$SYNOD_BIN/kvctl" --config "$config" -o json view 2>/dev/null |
		jq -e '.primary != "" and .backup != "" and .synced and .acknowledged' >/dev/null
}
await "primary and backup" has_pair
paxos_ready() {
	kv log append first
	[[ $status -eq 0 ]]
}
await "a log" paxos_ready

# kvctl with stdout on a full disk, closed, and on a pipe that nobody reads; then the status is in
# status, stderr in err.
unprinted() { # full|closed|pipe KVCTL-ARGUMENTS…
	local how=$1
	shift
	last_command="kvctl $* ($how)"
	status=0
	set -- "$SYNOD_BIN/kvctl" --config "$config" --timeout 30s "$@"
	case $how in
	full) "$@" >/dev/full 2>"$scratch/err" </dev/null || status=$? ;;
	closed) "$@" >&- 2>"$scratch/err" </dev/null || status=$? ;;
	pipe)
		# The reader has gone before the first byte: it leaves a file behind when it has.
		rm -f "$scratch/gone"
		set +e
		{
			until [[ -e $scratch/gone ]]; do sleep 0.01; done
			"$@" 2>"$scratch/err" </dev/null
			echo $? >"$scratch/status"
		} | { exec <&-; : >"$scratch/gone"; }
		set -e
		status=$(<"$scratch/status")
		;;
	esac
	out=''
	err=$(<"$scratch/err")
}

# A command whose outcome is 0: done, and not printed.
done_unprinted() { # applied|read KVCTL-ARGUMENTS…
	local what=$1
	shift
	[[ $what == applied ]] || what='done'
	unprinted full "$@"
	expect 6
	expect_error "$what.*could not be written to stdout.*No space left on device"
	unprinted closed "$@"
	expect 6
	expect_error "$what.*could not be written to stdout.*Bad file descriptor"
	unprinted pipe "$@"
	expect 0
	same "$err" '' "stderr of $last_command"
}

begin "writes to keys: applied, once each time"
done_unprinted applied put key value
done_unprinted applied put -o json key value
done_unprinted applied append list x
done_unprinted applied incr counter
kv get list
expect 0 xxx
kv get counter
expect 0 3
kv get key
expect 0 value

begin "a repeat while the exit code is 3 does not count twice"
kv put visits 0
tries=0
while :; do
	unprinted full incr visits
	tries=$((tries + 1))
	[[ $status -eq 3 && $tries -lt 5 ]] || break
done
kv get visits
expect 0 1

begin "compare and set, deletions and transactions, of which each works once"
for how in full closed; do
	unprinted $how cas --absent "lock-$how" me
	expect 6
	unprinted $how cas "lock-$how" me you
	expect 6
	unprinted $how txn --then "put t-$how 1"
	expect 6
	expect_error 'applied'
	unprinted $how del "lock-$how"
	expect 6
	kv get "lock-$how"
	expect 1
	kv get "t-$how"
	expect 0 1
done

begin "a failure keeps its code"
for how in full closed; do
	unprinted $how txn --if 'missing(key)' --then 'put key x' --else 'get key'
	expect 2
	expect_error 'could not be written'
	unprinted $how del nothing
	expect 1
	unprinted $how cas key wrong x
	expect 2
	unprinted $how get nothing
	expect 1
	unprinted $how get key nothing
	expect 1
	unprinted $how put ''
	expect 64
done
unprinted pipe txn --if 'missing(key)' --then 'put key x' --else 'get key'
expect 2
same "$err" '' "stderr of $last_command"

begin "imports"
printf 'i1\t1\ni2\t2\n' >"$scratch/records"
unprinted full import "$scratch/records" -o json
expect 6
expect_error 'applied'
kv get i1 i2
expect 0 $'i1\t1\ni2\t2'

begin "reads and everything else that prints"
for command in 'get key' 'get key list' 'get -o json key' 'get --prefix ""' \
	'get --prefix "" --count' 'get --prefix "" -o json' \
	'export' 'export --format csv' 'export -o json' 'status' 'status -o json' 'shards' \
	'shards -o json' 'config' 'config -o json' \
	'member list' 'view' 'view -o json' 'log read' 'log read -o json' 'log slot 1' 'paxos min' \
	'paxos max' 'paxos status 1' \
	'doctor' 'version' 'help' 'help get' 'completion bash' 'trace key'; do
	eval "done_unprinted read $command"
done
for command in '--version' '--help' 'get --help'; do
	eval "unprinted full $command"
	expect 6
done

begin "primary and backup, log, agreement, configuration"
done_unprinted applied pb put key value
done_unprinted applied pb append list x
done_unprinted applied pb incr counter
done_unprinted read pb get key
kv pb get list
expect 0 xxx
done_unprinted applied log append value
kv log read 2
expect 0 $'2\tvalue\n3\tvalue\n4\tvalue'
done_unprinted applied log trim 2
done_unprinted applied paxos start 1 one
done_unprinted applied paxos start 1 one --wait
done_unprinted applied paxos "done" 0
done_unprinted applied rebalance
done_unprinted applied trace traced --put value
kv get traced
expect 0 value

begin "a deletion of many"
unprinted full del --prefix i1
expect 6
expect_error 'applied'
unprinted closed del --prefix i2
expect 6
expect_error 'applied'
done_unprinted read del --prefix i
kv get --prefix i
expect 0 ''

begin "a trace that cannot be written does not undo the write, and is no usage"
kv trace traced --put second --shiviz /dev/full
expect 6
expect_error 'do not repeat'
kv get traced
expect 0 second

begin "in a shell each command is judged by itself"
try bash -c "printf 'incr shell\nincr shell\n' | '$SYNOD_BIN/kvctl' --config '$config' shell >/dev/full"
expect 6
kv get shell
expect 0 2
try bash -c "printf 'put a 1\nget nothing\n' | '$SYNOD_BIN/kvctl' --config '$config' shell >/dev/full"
expect 1

begin "what is read only in part is no failure"
for number in {1..3000}; do printf 'many/%04d\t%0200d\n' "$number" 0; done >"$scratch/records"
kv import "$scratch/records"
expect 0
for command in 'get --prefix many/' 'export' 'get --prefix many/ -o json' 'export --format csv'; do
	set +e
	# shellcheck disable=SC2086 # words
	"$SYNOD_BIN/kvctl" --config "$config" $command 2>"$scratch/err" | head -n 1 >"$scratch/out"
	statuses=("${PIPESTATUS[@]}")
	set -e
	same "${statuses[0]}" 0 "exit code of $command, read in part"
	same "$(<"$scratch/err")" '' "stderr of $command, read in part"
done

begin "descriptors that are closed do not become sockets"
status=0
"$SYNOD_BIN/kvctl" --config "$config" put key value <&- >&- 2>&- || status=$?
same "$status" 6 "exit code without any descriptor"
"$SYNOD_BIN/kvctl" --config "$config" get key >"$scratch/out" 2>&- <&-
same "$(<"$scratch/out")" value "read without stdin and stderr"

begin "kvbench, kvcheck and synod-sim"
status=0
"$SYNOD_BIN/kvbench" --config "$config" --duration 0.2s --keys 10 --clients 1 \
	--history "$scratch/history" >/dev/full 2>"$scratch/err" || status=$?
same "$status" 6 "exit code of kvbench"
grep -q 'No space left' "$scratch/err" || fail "kvbench says nothing: $(<"$scratch/err")"
status=0
"$SYNOD_BIN/kvbench" --config "$config" --duration 0.2s --keys 10 --clients 1 --history /dev/full \
	>"$scratch/out" 2>"$scratch/err" || status=$?
same "$status" 1 "exit code of kvbench without a history"
grep -q '/dev/full: No space left' "$scratch/err" || fail "kvbench says nothing: $(<"$scratch/err")"
: >"$scratch/empty"
for program in "kvcheck $scratch/empty" 'synod-sim --seed 1 --seconds 1 --liveness 1 --calm'; do
	status=0
	# shellcheck disable=SC2086 # words
	"$SYNOD_BIN"/$program >/dev/full 2>"$scratch/err" || status=$?
	same "$status" 6 "exit code of $program"
	grep -q 'No space left' "$scratch/err" || fail "$program says nothing: $(<"$scratch/err")"
	set +e
	# shellcheck disable=SC2086 # words
	"$SYNOD_BIN"/$program 2>"$scratch/err" | true
	statuses=("${PIPESTATUS[@]}")
	set -e
	same "${statuses[0]}" 0 "exit code of $program to a closed pipe"
done

begin "a file that may not grow is an error of the write, not the end"
status=0
(ulimit -f 0 && exec "$SYNOD_BIN/kvctl" --config "$config" incr limited) >"$scratch/limited" \
	2>/dev/null || status=$?
same "$status" 6 "exit code with a file that may not grow"
kv get limited
expect 0 1

begin "daemons print, and do not log into their data"
status=0
"$SYNOD_BIN/shardkvd" --config "$config" --node g1a --print-config >/dev/full 2>"$scratch/err" ||
	status=$?
same "$status" 6 "exit code of --print-config"
cluster kill g1a >/dev/null
helper_start "$SYNOD_BIN/shardkvd" --config "$config" --node g1a <&- >&- 2>&-
served() {
	kv put closed value
	[[ $status -eq 0 ]]
}
await "the daemon without descriptors" served
for number in 0 1 2; do
	same "$(readlink "/proc/$helper/fd/$number")" /dev/null "descriptor $number"
done
kill -KILL "$helper"
! grep -raE 'event=(started|leader_elected)' "$run/g1a" --exclude=log ||
	fail "log lines among the data"

finish
