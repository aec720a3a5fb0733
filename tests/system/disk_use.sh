#!/usr/bin/env bash
# A log is as large as what is live in it, not as what has been written: real processes with the
# smallest log files there are.
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

segment=65536
# shellcheck disable=SC2034 # lib.sh uses it
small=(--set wal_segment_bytes=64KiB --set snapshot_log_bytes=64KiB)
cluster up --masters 1 --groups 1 >/dev/null
nodes=(g1a g1b g1c)

# What the data of a node takes up on the disk, without what it prints.
disk_use() {
	find "$run/$1" -type f ! -name log ! -name pid -printf '%b %f\n' |
		awk '{ sum += $1 * 512 } END { print sum + 0 }'
}

# Every replica needs at most eight times as much as is live, and four files: modest LIVE-BYTES
modest() {
	local node
	for node in "${nodes[@]}"; do
		[[ $(disk_use "$node") -le $((8 * $1 + 4 * segment)) ]] || return 1
	done
}

begin "a value that is overwritten a hundred times takes up as much as one"
# course: 2015 diskv Test5DiskUse — The log is cut behind the snapshots, whatever the size of the
# value.
for bytes in 1000 40000 1000000; do
	head -c "$bytes" /dev/urandom >"$scratch/value"
	for ((i = 0; i < 100; i++)); do
		"$SYNOD_BIN/kvctl" --config "$config" put overwritten <"$scratch/value" >/dev/null \
			|| fail "put number $i"
	done
	await "the logs to be cut" modest "$bytes"
	"$SYNOD_BIN/kvctl" --config "$config" get overwritten >"$scratch/read"
	head -c "$bytes" "$scratch/read" | cmp - "$scratch/value" ||
		fail "another value of $bytes bytes is read"
done

begin "it is there after all have been killed, and takes up no more"
for node in "${nodes[@]}"; do cluster kill "$node" >/dev/null; done
for node in "${nodes[@]}"; do cluster restart "$node" >/dev/null; done
"$SYNOD_BIN/kvctl" --config "$config" --timeout 30s get overwritten >"$scratch/read"
head -c 1000000 "$scratch/read" | cmp - "$scratch/value" || fail "another value is read"
await "the logs to be short" modest 1000000

begin "a value that grows by a hundred appends takes up as much as it is long"
# course: 2015 diskv Test5AppendUse — Appending to a value does not keep what it was before.
kv del overwritten
piece=$(printf '%01000d' 7)
for ((i = 0; i < 100; i++)); do
	"$SYNOD_BIN/kvctl" --config "$config" append grown "$piece" >/dev/null ||
		fail "append number $i"
done
kv get grown
same "${#out}" 100000 "the length of the value"
await "the logs to be cut" modest 100000
finish
