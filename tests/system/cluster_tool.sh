#!/usr/bin/env bash
# scripts/cluster.sh itself: every command, twice where that matters, and what it says when it
# cannot.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tool() {
	try "$repository/scripts/cluster.sh" "$@" --dir "$run"
}

begin "mistakes in the command line are told apart"
tool up --views 8
expect 64
tool up --pb 2 --views 0
expect 64
expect_error 'view service'
tool up --paxos 8
expect 64
tool up --engine rocksdb
expect 64
expect_error 'memory'
tool up --groups none
expect 64
tool up --replicas 8
expect 64
tool bogus
expect 64
tool down --groups 2
expect 64
try "$repository/scripts/cluster.sh"
expect 64
try "$repository/scripts/cluster.sh" --help
expect 0
[[ ! -e $run ]] || fail "something was made in $run"

begin "without a cluster it says how to make one"
tool status
expect 1
expect_error 'up'
tool kill g1a
expect 1
tool clean
expect 0
try env SYNOD_BIN="$scratch" "$repository/scripts/cluster.sh" up --dir "$run"
expect 1
expect_error 'make'

begin "a cluster of the wanted shape comes up and serves, with spaces in its path"
run="$scratch/a cluster/run"
config=$run/cluster.conf
cluster up --masters 1 --groups 1 --replicas 3
kv put key value
expect 0
kv status -o json
expect_json '[.nodes[].name] | join(" ")' 'm1 g1a g1b g1c'
same "$(address g1c listen) $(address g1c http)" \
	"127.0.0.1:$((base_port + 4)) 127.0.0.1:$((base_port + 1004))" \
	"addresses of g1c"

begin "up again changes nothing"
pids=$(cat "$run"/*/pid)
tool up
expect 0
grep -q 'already running' <<<"$out" || fail "it said: $out"
same "$(cat "$run"/*/pid)" "$pids" "process ids"
tool up --groups 2
expect 1
expect_error '1 group, not 2'
tool status
expect 0

begin "kill, stop, cont, restart and logs do what they say"
tool kill g1a
expect 0
[[ ! -d /proc/$(head -n 1 <<<"$pids") ]] || helper_ended "$(head -n 1 <<<"$pids")" ||
	fail "g1a still runs"
tool kill g1a
expect 1
tool status
expect 1
grep -q 'g1a .*down' <<<"$out" || fail "status says: $out"
tool stop g1b
expect 0
tool status
grep -q 'g1b .*paused' <<<"$out" || fail "status says: $out"
tool cont g1b
expect 0
tool restart g1a g1b
expect 0
await "all nodes" all_healthy
tool logs g1a
expect 0
grep -q event=started <<<"$out" || fail "the log says: $out"
tool kill nobody
expect 64
expect_error 'g1c'
kv get key
expect 0 value

begin "up starts only what does not run"
other=$(cat "$run/g1b/pid")
cluster kill g1c
tool up
expect 0
grep -q 'starting g1c in' <<<"$out" || fail "it said: $out"
same "$(cat "$run/g1b/pid")" "$other" "process of g1b"

begin "a number in a pid file that is now another process's is not signalled"
sleep 600 &
stranger=$!
helpers+=("$stranger")
cluster kill g1c
echo $stranger >"$run/g1c/pid"
tool kill g1c
expect 1
cluster down
! helper_ended $stranger || fail "the stranger was ended"

begin "two ports whose hexadecimal forms are one number in scientific notation are two ports"
sockets_of() (
	# shellcheck source=scripts/cluster/ports.sh
	source "$repository/scripts/cluster/ports.sh"
	# A socket that listens at port 2024, 07E8; 28903 is 70E7.
	# shellcheck disable=SC2317 # sockets_at calls it, to read /proc/net/tcp
	cat() { echo "0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1061"; }
	sockets_at "$1"
)
same "$(sockets_of 127.0.0.1:2024) $(sockets_of 127.0.0.1:28903)" "1061 " \
	"the sockets at the two ports"

begin "down, twice, and up with the data"
tool down
expect 0
tool up
expect 0
kv get key
expect 0 value

begin "wipe takes one node, and refuses what a group cannot spare"
tool wipe
expect 64
tool wipe g1a g1b
expect 64
expect_error 'one node'
tool wipe nobody
expect 64
tool kill g1a --force
expect 64
tool wipe m1
expect 1
expect_error 'the shard masters cannot spare m1: it lacks any other member'
life=$(grep '^life = ' "$run/g1a/identity" || true)
tool wipe g1a
expect 0
grep -q 'g1a has everything, and votes again' <<<"$out" || fail "it said: $out"
[[ $(grep '^life = ' "$run/g1a/identity" || true) != "$life" ]] ||
	fail "g1a has the life that it had"
grep -q event=directory_lost "$run/g1a/log" ||
	fail "what g1a has printed is gone, or it was not told"
cluster kill g1b
tool wipe g1a
expect 1
expect_error 'it lacks g1b .down'
tool wipe g1a --force
expect 0
grep -q 'gets its vote back when group 1 has a majority without it; it lacks g1b' <<<"$out" ||
	fail "it said: $out"
cluster restart g1b
await "all nodes" all_vote
kv get key
expect 0 value

begin "wipe of a leader that has just died waits for the next leader"
kv status -o json
leader=$(jq -r 'first(.nodes[] | select(.role == "shardkv" and .state == "leader") | .name)' \
	<<<"$out")
[[ -n $leader ]] || fail "group 1 has no leader: $out"
cluster kill "$leader"
tool wipe "$leader"
expect 0
await "all nodes" all_vote

begin "wipe that was interrupted is finished by the next"
cluster kill g1c
rm "$run"/g1c/log-*
tool restart g1c
expect 1
tool wipe g1c
expect 0
await "all nodes" all_vote

begin "a port that is in use, and a daemon that dies, are reported, and nothing is left running"
try "$repository/scripts/cluster.sh" up --dir "$scratch/second" --base-port "$base_port" \
	--masters 1 --groups 1 --replicas 1
expect 1
expect_error "127.0.0.1:$((base_port + 1)).*in use"
cluster down
sed -i 's/^name = demo/name = demo\nelection_timeout = 1/' "$config"
tool up
expect 1
expect_error 'election_timeout'
expect_error 'did not start'
for file in "$run"/*/pid; do
	[[ ! -e $file ]] || [[ ! -d /proc/$(<"$file") ]] || fail "left running: $file"
done

begin "a cluster that has served goes on without a node that does not start"
sed -i '/^election_timeout = 1/d' "$config"
mv "$run/g1c/identity" "$scratch/identity"
tool up
expect 1
expect_error 'g1c did not start; waiting for the others'
expect_error 'serving without g1c'
kv get key
expect 0 value
tool down
mv "$scratch/identity" "$run/g1c/identity"
tool up
expect 0

begin "clean removes all of it"
tool clean
expect 0
[[ ! -e $run ]] || fail "left over: $(ls "$run")"

finish
