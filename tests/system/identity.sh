#!/usr/bin/env bash
# Who belongs to what: clusters of one name, other members, directories that are not the node's own,
# and strangers who speak as replicas. Whatever does not fit is refused with an error that says what
# differs. (faults: 90, 91, 92)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --masters 1 --groups 1 --set hello_timeout_ms=1500
kv put owner first
expect 0 OK
id=$(sed -n 's/^id = //p' "$config")
[[ $id =~ ^[0-9a-f]{16}$ ]] || fail "cluster.conf has no id"

# A daemon that must not start: its exit code is in status, what it says in err. refused_start
# PATTERN [FILE
# [NODE]]
refused_start() {
	try timeout --kill-after=1 "$deadline_s" "$SYNOD_BIN/shardkvd" --config "${2:-$config}" \
		--node "${3:-g1b}"
	[[ $status -eq 1 ]] || fail "the start was not refused: $status $err"
	expect_error "$1"
	[[ $(grep -vc '^level=' <<<"$err") -le 1 ]] ||
		fail "more than one line of explanation: $err"
}

# The one that was started last.
end_helper() {
	kill -KILL "${helpers[-1]}"
	wait "${helpers[-1]}" 2>/dev/null || true
}

knows_ids() {
	grep -q "^group_id = $1" "$run/$2/identity" &&
		[[ $(grep -c '^member = .* seen$' "$run/$2/identity") -eq 2 ]]
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
grep -q 'node g1d, which was replica 3 of group 1, has been removed .* its members are (1 g1a, 2 g1b, 3 g1c)' <<<"$out" ||
	fail "the members are to be named: $out"
same "$(ballots)" "$before" "the ballots"
kv get owner
expect 0 first

# --- members ---

cluster kill g1b
begin "a member that the file does not have, or gives another number, role or group"
has='members are \(1 g1a, 2 g1b, 3 g1c\), but .*'
without() { # FILE NODE…: the file without these sections
	local file=$1 pattern
	pattern=$(IFS='|' && echo "${*:2}")
	awk -v pattern="^[[]node ($pattern)[]]" '/^\[/ { skip = $0 ~ pattern } !skip' "$config" \
		>"$scratch/$file"
}
without less.conf g1c
refused_start "${has}less.conf has no \[node g1c\], which is replica 3: .*kvctl member remove 1 g1c" "$scratch/less.conf"
without alone.conf g1a g1c
refused_start "${has}alone.conf has no \[node g1a\]" "$scratch/alone.conf"
sed 's/g1c/g1x/g' "$config" >"$scratch/renamed.conf"
refused_start "${has}renamed.conf has no \[node g1c\]" "$scratch/renamed.conf"
sed '/^\[node g1c\]/a replica = 2' "$config" >"$scratch/renumbered.conf"
refused_start "${has}renumbered.conf says replica = 2 for \[node g1c\]: it stays replica 3" \
	"$scratch/renumbered.conf"
sed '/^\[node g1c\]/,/^\[/s/^group = 1/group = 2/' "$config" >"$scratch/regrouped.conf"
refused_start "${has}regrouped.conf gives \[node g1c\] role = shardkv, group = 2 instead of" \
	"$scratch/regrouped.conf"
cluster stop g1a
cluster stop g1c
refused_start "${has}less.conf has no \[node g1c\]" "$scratch/less.conf"
cluster cont g1a
cluster cont g1c

begin "numbers are not positions: the sections in another order"
without swapped.conf g1a
awk '/^\[/ { on = /^\[node g1a\]/ } on' "$config" >>"$scratch/swapped.conf"
"$SYNOD_BIN/shardkvd" --config "$scratch/swapped.conf" --node g1b 2>"$scratch/swapped.log" &
helpers+=("$!")
await "g1b to catch up" caught_up g1b
grep -q 'event=started .* replica=2$' "$scratch/swapped.log" ||
	fail "another number: $(grep event=started "$scratch/swapped.log")"
end_helper

begin "a node that is no member waits, and says what to type; the members warn of it, and do not count it"
{
	cat "$config"
	printf '\n[node g1d]\nrole = shardkv\ngroup = 1\nlisten = 127.0.0.1:%d\ndir = %s\n' \
		$((base_port + 20)) "$run/g1d"
} >"$scratch/more.conf"
"$SYNOD_BIN/shardkvd" --config "$scratch/more.conf" --node g1b 2>"$scratch/warned.log" &
helpers+=("$!")
await "g1b to catch up" caught_up g1b
before=$(ballots)
same "$(grep -c 'event=not_a_member peer=g1d .*kvctl member add 1 g1d 127.0.0.1:'$((base_port + 20)) "$scratch/warned.log")" 1 "warnings"
"$SYNOD_BIN/shardkvd" --config "$scratch/more.conf" --node g1d 2>"$scratch/g1d.log" &
helpers+=("$!")
await "g1d to say so" grep -q 'event=joining .*members="1 g1a, 2 g1b, 3 g1c" .*kvctl member add 1 g1d 127.0.0.1:'$((base_port + 20)) \
	"$scratch/g1d.log"
joins() {
	"$SYNOD_BIN/kvctl" --config "$scratch/more.conf" status >"$scratch/status" &&
		grep -q '^g1d .* joining$' "$scratch/status"
}
await "status to show it" joins
try "$SYNOD_BIN/kvctl" --config "$scratch/more.conf" --timeout 30s put owner first
expect 0 OK
[[ ! -e $run/g1d/log-0000000000000001 ]] || fail "a log without a group"
same "$(ballots)" "$before" "the ballots"
end_helper
kill -KILL "${helpers[-2]}"
wait "${helpers[-2]}" 2>/dev/null || true

# --- directories ---

begin "a relative directory, from another working directory"
mkdir "$scratch/elsewhere"
sed "s|^dir = $run/|dir = run/|" "$config" >"$run/relative.conf"
(cd "$scratch/elsewhere" &&
	refused_start "$run/g1b belongs to this node: start it from $scratch/" \
	"$run/relative.conf") || exit 1
[[ ! -e $scratch/elsewhere/run ]] || fail "a directory was made"
passed_from_there() {
	(cd "$scratch" && exec "$SYNOD_BIN/shardkvd" --config "$run/relative.conf" --node g1b) \
		2>"$scratch/relative.log" &
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
	"$SYNOD_BIN/kvctl" --config "$config" status >"$scratch/status" &&
		grep -q 'g1b .* ok$' "$scratch/status"
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
grep -q 'event=directory_lost noted=before' "$scratch/new.log" ||
	fail "at its second start it does not say that it was lost"
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
! grep -qE 'empty directory|from a copy|remove this replica' "$scratch/err" ||
	fail "an advice that loses data: $err"
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
