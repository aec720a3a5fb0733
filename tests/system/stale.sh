#!/usr/bin/env bash
# A replica is started with an older copy of its own directory: its group tells it so, and nothing
# is lost. (faults: 104)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --groups 1

logged() {
	grep -q "event=$2" "$run/$1/log"
}

# How often: times NODE EVENT
times() {
	grep -c "event=$2" "$run/$1/log" || true
}

logged_times() {
	[[ $(times "$1" "$2") -ge $3 ]]
}

life_of() {
	sed -n 's/^life = //p' "$run/$1/identity"
}

metric() {
	curl -s "http://$(address "$1" http)/metrics" | sed -n "s/^$2 //p"
}

# Of g1b, while it runs, as a backup would: copy NAME
copy() {
	rm -rf "${scratch:?}/$1"
	cp -a "$run/g1b" "$scratch/$1"
}

# The log of the process goes on: it is not part of what was copied.
put_back() {
	cp "$run/g1b/log" "$scratch/log.kept"
	rm -rf "${run:?}/g1b"
	cp -a "$scratch/$1" "$run/g1b"
	cp "$scratch/log.kept" "$run/g1b/log"
}

ready() {
	[[ $(curl -s -o "$scratch/ready" -w '%{http_code}' "http://$(address "$1" http)/readyz") \
		== 200 ]]
}

bound() {
	cat "$run"/g1?/log | grep -q "event=member_bound replica=2 .*life=$1"
}

# What the leader was told the others are told, some times a second.
remembered() {
	[[ $(times g1b stale_copy) -eq 0 ]] && all_healthy
}

begin "a copy that was made while it ran, and put back after writes and a kill, is recognised"
put_some first
await "the group to be whole" all_healthy
copy backup
put_some second
await "the group to be whole" remembered
before=$(life_of g1b)
cluster kill g1b
put_back backup
cluster restart g1b
await "g1b to say what it is" logged g1b stale_copy
grep 'event=stale_copy' "$run/g1b/log" |
	grep -qE 'told_by=g1[ac] lacks="(acknowledged entries|a later promise|a later start)"' ||
	fail "it does not say what is missing: $(grep event=stale_copy "$run/g1b/log")"
await "g1b to be bound anew" logged_times g1b 'member_bound replica=2' 2
await "g1b to serve" ready g1b
[[ $(life_of g1b) != "$before" ]] || fail "it goes on with the life of the copy"
same "$(metric g1b synod_stale_copies_total)" 1 "the copies that were found"
all_there

begin "it votes: with one of the others it is a majority, and has what was acknowledged before"
await "the group to be whole" all_healthy
cluster kill g1a
put_some third
all_there
cluster restart g1a
await "the group to be whole" all_healthy
cluster kill g1c
put_some fourth
all_there
cluster restart g1c
await "the group to be whole" all_healthy

begin "restarts are no copies, of one and of all at once"
cluster kill g1a g1b g1c
cluster restart g1a g1b g1c
await "the group to be whole" all_healthy
cluster kill g1b
cluster restart g1b
await "the group to be whole" all_healthy
for node in g1a g1c; do
	logged $node stale_copy && fail "$node has been taken for a copy"
done
same "$(times g1b stale_copy)" 1 "how often g1b was found to be a copy"
all_there

begin "the copy from before, once more: its life is not bound any more, and it gets another one"
cluster kill g1b
put_back backup
cluster restart g1b
put_some fifth
await "the group to be whole" all_healthy
await "g1b to serve" ready g1b
all_there

finish
