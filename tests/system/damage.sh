#!/usr/bin/env bash
# Bytes change in the files of replicas, at rest and while they serve. (faults: 14, 15, 22, 34)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster up --groups 1 --set scrub_interval_ms=1s --set snapshot_log_bytes=1MiB
replicas=(g1a g1b g1c)

# Inverts the byte at OFFSET of FILE, through the file system: damage FILE OFFSET
damage() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf '%b' "$(printf '\\x%02x' $((byte ^ 255)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

log_of() {
	find "$run/$1" -name 'log-*' | sort | tail -n 1
}

snapshot_of() {
	find "$run/$1" -name 'snapshot-0*' | sort | tail -n 1
}

metric() {
	curl -s "http://$(address "$1" http)/metrics" | sed -n "s/^$2 //p"
}

logged() {
	grep -q "event=$2" "$run/$1/log"
}

metric_is() {
	[[ $(metric "$1" "$2") == "$3" ]]
}

has_snapshot() {
	[[ -n $(snapshot_of "$1") ]]
}

# Where the record with TEXT begins, roughly: offset_of FILE TEXT
offset_of() {
	grep -abo -m 1 -- "$2" "$1" | head -n 1 | cut -d : -f 1
}

begin "what one replica has lost of its log comes back from the others while it serves"
put_some first
put_some second
cluster kill g1b
damage "$(log_of g1b)" $(($(offset_of "$(log_of g1b)" 'key/first/01') + 3))
put_some third
cluster restart g1b
await "g1b to be repaired" logged g1b slots_repaired
await "the group to be whole" all_healthy
logged g1b 'wal_damaged file=log-' || fail "g1b does not say what was damaged"
logged g1b promise_lost && fail "g1b has lost its vote"
await "g1b to count no impaired slots" metric_is g1b synod_log_impaired_slots 0
all_there

begin "it votes, and has everything: the group goes on with it and one other"
cluster kill g1a
put_some fourth
all_there
cluster restart g1a
await "the group to be whole" all_healthy

begin "different damage on all replicas is survived"
put_some fifth
cluster kill "${replicas[@]}"
for node in "${replicas[@]}"; do
	case $node in
	g1a) key=fifth/02 ;;
	g1b) key=fifth/20 ;;
	*) key=fourth/10 ;;
	esac
	offset=$(offset_of "$(log_of "$node")" "key/$key")
	[[ -n $offset ]] || continue # it is in its snapshot already
	damage "$(log_of "$node")" "$((offset + 2))"
done
cluster restart "${replicas[@]}"
await "the group to be whole" all_healthy
put_some sixth
all_there

begin "a snapshot that is damaged while nobody needs it is found, and replaced"
head -c 1500000 /dev/zero | tr '\0' 'x' | fold -w 1000 |
	awk '{ printf "bulk/%04d\t%s\n", NR, $0 }' >"$scratch/bulk"
kv import "$scratch/bulk"
expect 0
await "a snapshot of g1c" has_snapshot g1c
found=$(metric g1c synod_scrub_damaged_total)
file=$(snapshot_of g1c)
damage "$file" $(($(stat -c %s "$file") / 2))
found_more() {
	[[ $(metric g1c synod_scrub_damaged_total) -gt $found ]]
}
await "the scrub of g1c to find it" found_more
await "g1c to have replaced it" metric_is g1c synod_disk_damaged 0
logged g1c 'snapshot_damaged file=snapshot-' || fail "g1c does not say what was damaged"

begin "a log that is damaged while it is in use is found, and given up"
found=$(metric g1c synod_scrub_damaged_total)
damage "$(log_of g1c)" 70
await "the scrub of g1c to find it" found_more
await "g1c to have given it up" metric_is g1c synod_disk_damaged 0
cluster kill g1c
cluster restart g1c
await "the group to be whole" all_healthy
all_there

finish
