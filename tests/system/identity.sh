#!/usr/bin/env bash
# Who belongs to what: clusters of one name, other members, directories that are not the node's own, and strangers
# who speak as replicas. Whatever does not fit is refused with an error that says what differs. (faults: 90, 91,
# 92)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --masters 1 --groups 1 --set hello_timeout_ms=1500
kv put owner first
expect 0 OK
id=$(sed -n 's/^id = //p' "$config")
[[ $id =~ ^[0-9a-f]{16}$ ]] || fail "cluster.conf has no id"

# A daemon that must not start: its exit code is in status, what it says in err. refused_start PATTERN [FILE
# [NODE]]
refused_start() {
	try timeout --kill-after=1 "$deadline_s" "$SYNOD_BIN/shardkvd" --config "${2:-$config}" --node "${3:-g1b}"
	[[ $status -eq 1 ]] || fail "the start was not refused: $status $err"
	expect_error "$1"
	[[ $(grep -vc '^level=' <<<"$err") -le 1 ]] || fail "more than one line of explanation: $err"
}

# The one that was started last.
end_helper() {
	kill -KILL "${helpers[-1]}"
	wait "${helpers[-1]}" 2>/dev/null || true
}

knows_ids() {
	grep -q "^group_id = $1" "$run/$2/identity" && [[ $(grep -c '^member = .* seen$' "$run/$2/identity") -eq 2 ]]
}
not_zero='[0-9a-f]*[1-9a-f]'
for node in g1a g1b g1c; do
	await "$node to write down what it is" knows_ids "$not_zero" $node
done

# --- strangers ---

ballots() {
	status_json '[.nodes[] | select(.group == 1) | .ballot] | join(" ")'
}

begin "a client may not speak as a replica"
before=$(ballots)
group_id=$(sed -n 's/^group_id = //p' "$run/g1b/identity")
try "$tools/impostor" "$(address g1b listen)" demo 1 g1a,g1b,g1c 2 "$group_id" ''
expect 0
same "$(sed -n 1p <<<"$out")" "agreement DENIED" "the answer to a request that is a replica's"
grep -q '^status state=' <<<"$out" || fail "no answer to STATUS: $out"

begin "nobody may who bears the name of one, and has not been dialled or confirmed"
for name in g1a g1c; do
	try "$tools/impostor" "$(address g1b listen)" demo 1 g1a,g1b,g1c 2 "$group_id" $name
	expect 0 closed
done
try "$tools/impostor" "$(address g1b listen)" demo 1 g1a,g1b,g1d 2 "$group_id" g1d
expect 1
grep -q '(1 g1a, 2 g1b, 3 g1c) in its group, node g1d has (1 g1a, 2 g1b, 3 g1d)' <<<"$out" || fail "both lists are to be named: $out"
same "$(ballots)" "$before" "the ballots"
kv get owner
expect 0 first

# --- members ---

cluster kill g1b
begin "other members than the group has: removed, added, renamed, renumbered"
awk '/^\[node g1c\]/ { skip = 1 } /^\[node/ && !/g1c/ { skip = 0 } !skip' "$config" >"$scratch/less.conf"
refused_start 'members are \(1 g1a, 2 g1b, 3 g1c\), but .*less.conf names \(1 g1a, 2 g1b\): ' "$scratch/less.conf"
awk '/^\[node g1[ac]\]/ { skip = 1 } /^\[node/ && !/g1[ac]/ { skip = 0 } !skip' "$config" >"$scratch/alone.conf"
refused_start 'but .*alone.conf names \(1 g1b\): ' "$scratch/alone.conf"
{
	cat "$config"
	printf '\n[node g1d]\nrole = shardkv\ngroup = 1\nlisten = 127.0.0.1:%d\ndir = %s\n' $((base_port + 20)) "$run/g1d"
} >"$scratch/more.conf"
refused_start 'names \(1 g1a, 2 g1b, 3 g1c, 4 g1d\): ' "$scratch/more.conf"
sed 's/g1c/g1x/g' "$config" >"$scratch/renamed.conf"
refused_start 'names \(1 g1a, 2 g1b, 3 g1x\): ' "$scratch/renamed.conf"
# The numbers are positions in the file.
sed 's/g1b/g1T/g; s/g1c/g1b/g; s/g1T/g1c/g' "$config" >"$scratch/swapped.conf"
refused_start "become replica 3 instead of 2: .*write 'replica = 2' into \[node g1b\]" "$scratch/swapped.conf"

begin "a node with a directory of its own that no member knows is not counted, and both lists are named"
"$SYNOD_BIN/shardkvd" --config "$scratch/more.conf" --node g1d 2>"$scratch/g1d.log" &
helpers+=("$!")
await "the refusal" grep -q 'has the members (1 g1a, 2 g1b, 3 g1c) in its group, node g1d has (1 g1a, 2 g1b, 3 g1c, 4 g1d)' \
	"$scratch/g1d.log"
end_helper

# --- directories ---

begin "a relative directory, from another working directory"
mkdir "$scratch/elsewhere"
sed "s|^dir = $run/|dir = run/|" "$config" >"$run/relative.conf"
(cd "$scratch/elsewhere" && refused_start "$run/g1b belongs to this node: start it from $scratch/" "$run/relative.conf") || exit 1
[[ ! -e $scratch/elsewhere/run ]] || fail "a directory was made"
passed_from_there() {
	(cd "$scratch" && exec "$SYNOD_BIN/shardkvd" --config "$run/relative.conf" --node g1b) 2>"$scratch/relative.log" &
	helpers+=("$!")
	await "g1b to catch up" caught_up g1b
	end_helper
}
passed_from_there

# faults: 38
begin "an empty directory of a member that has taken part: its peers know better, and bind it"
sed "s|^dir = $run/g1b$|dir = $scratch/new/g1b|" "$config" >"$scratch/new.conf"
start_new() {
	"$SYNOD_BIN/shardkvd" --config "$scratch/new.conf" --node g1b 2>"$scratch/new.log" &
	helpers+=("$!")
}
healthy() {
	"$SYNOD_BIN/kvctl" --config "$config" status >"$scratch/status" && grep -q 'g1b .* ok$' "$scratch/status"
}
start_new
await "g1b to note that it is lost" grep -q '^lost = yes$' "$scratch/new/g1b/identity"
await "the event" grep -q 'event=directory_lost .*does not vote before' "$scratch/new.log"
await "its life to be bound" grep -q 'event=member_bound replica=2 binding=1 ' "$scratch/new.log"
await "status to say so" healthy
kv put owner "first"
expect 0 OK

begin "the new one and one other are a quorum of three, also after a restart"
end_helper
start_new
await "g1b to catch up" caught_up g1b
grep -q 'event=directory_lost noted=before' "$scratch/new.log" || fail "at its second start it does not say that it was lost"
cluster kill g1c
kv put owner first
expect 0 OK
kv get owner
expect 0 first
cluster restart g1c
await "g1c to catch up" caught_up g1c
end_helper

begin "the directory that was taken for lost: it has no vote, and is bound when the other is silent"
cluster restart g1b
await "g1b to catch up" caught_up g1b
await "its life to be bound again" grep -q 'event=member_bound replica=2 binding=2 ' "$run/g1b/log"
await "status to say so" healthy
cluster kill g1b

begin "an identity without a log"
mkdir "$scratch/kept"
mv "$run"/g1b/log-* "$scratch/kept"
refused_start 'it belongs to this node, but its log .* is missing'
begin "a log without an identity, and one that is damaged"
mv "$scratch"/kept/log-* "$run/g1b"
mv "$run/g1b/identity" "$scratch/kept"
refused_start 'it holds a log but no file identity'
sed 's/^replica = 2/replica = 3/' "$scratch/kept/identity" >"$run/g1b/identity"
refused_start 'its file identity is damaged'
cp "$scratch/kept/identity" "$run/g1b/identity"
begin "a file that is a link, and a segment that has gone: named, and what to do"
mv "$run/g1b/identity" "$scratch/kept/identity"
ln -s "$scratch/kept/identity" "$run/g1b/identity"
refused_start "g1b: identity is a symbolic link: the files of a node must be regular ones"
mv -f "$scratch/kept/identity" "$run/g1b/identity"
segments=("$run"/g1b/log-*)
newest=${segments[-1]##*/}
mv "$run/g1b/$newest" "$scratch/kept"
printf 'somebody else' >"$run/g1b/log-00000000000000ff"
refused_start 'the node cannot start: .*log-.* this replica must not be started without it'
rm "$run/g1b/log-00000000000000ff"
mv "$scratch/kept/$newest" "$run/g1b"
! grep -qE 'empty directory|from a copy|remove this replica' "$scratch/err" || fail "an advice that loses data: $err"
cluster restart g1b
await "g1b to catch up" caught_up g1b

# faults: 38
begin "a directory that was emptied but for a leftover starts as a lost one"
cluster kill g1b
rm "$run"/g1b/{identity,log-*,free-*}
[[ -e $run/g1b/segment-range ]] || fail "nothing was left over"
cluster restart g1b
await "g1b to note that it is lost" grep -q '^lost = yes$' "$run/g1b/identity"
await "its life to be bound" healthy
kv get owner
expect 0 first

# --- another cluster of the same name, on the same ports ---

begin "a client that meets a stranger's cluster on its ports"
cluster down
first=$run
run=$scratch/second config=$scratch/second/cluster.conf
cluster up --masters 1 --groups 1
other_id=$(sed -n 's/^id = //p' "$config")
[[ $other_id != "$id" ]] || fail "two clusters of one id"
kv put owner second
expect 0 OK
kv_of_first() {
	try "$SYNOD_BIN/kvctl" --config "$first/cluster.conf" --timeout 30s "$@"
}
kv_of_first get owner
expect 5
expect_error "with id $other_id, .* with id $id"
kv_of_first status
[[ $status -ne 0 ]] || fail "status calls a stranger's cluster healthy: $out"

begin "a directory of the other cluster: the configuration knows the id"
cluster kill g1b
mv "$run/g1b" "$scratch/g1b.second"
cp -r "$first/g1b" "$run/g1b"
refused_start "belongs to cluster 'demo' with id $id, but .* says id = $other_id"

begin "the same with a configuration that does not: its peers know it, and it is not counted"
sed -i '/^id = /d' "$config"
cluster restart g1b
await "the refusal" grep -q "two clusters of one name" "$run/g1a/log"
if ! grep -q "id $id" "$run/g1a/log" || ! grep -q "id $other_id" "$run/g1a/log"; then
	fail "both ids are to be named"
fi
cluster kill g1c
kv_timeout=2s kv put owner nobody
[[ $status -ne 0 ]] || fail "one replica and a stranger have acknowledged a write"
cluster restart g1c
kv get owner
[[ $out == second || $out == nobody ]] || fail "the owner is '$out', $err"

# faults: 38
begin "two of three directories lost: nobody serves, and doctor says why, and what to do"
cluster kill g1a g1b g1c
rm -rf "$run"/g1a/* "$run/g1b"
cluster restart g1c
cluster restart g1a
cluster restart g1b
told_of_two() {
	"$SYNOD_BIN/kvctl" --config "$config" doctor >"$scratch/doctor" 2>&1 && return 1
	grep -q 'group 1: no leader: 3 of 3 members answer, and 2 of these have lost their directories' "$scratch/doctor"
}
await "doctor to tell" told_of_two
kv_timeout=2s kv get owner
[[ $status -eq 3 ]] || fail "two lost directories and a third serve: $status $out"

finish
