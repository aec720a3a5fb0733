#!/usr/bin/env bash
# A full disk: writes are refused with the reason, reads go on, and space brings writes back.
# (faults: 21)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ $EUID -ne 0 ]]; then
	skip "only root may mount the small file system that this needs"
fi
mkdir -p "$run/g1a"
if ! mount -t tmpfs -o size=24m tmpfs "$run/g1a" 2>/dev/null; then
	skip "a file system cannot be mounted here"
fi
on_cleanup=unmount
unmount() {
	umount -l "$run/g1a"
}

cluster up --groups 1 --replicas 1 --masters 1
# What a snapshot cannot make smaller.
head -c 262144 /dev/urandom >"$scratch/value"

put_large() {
	status=0
	"$SYNOD_BIN/kvctl" --config "$config" --timeout "${kv_timeout:-5s}" put "large$1" \
		<"$scratch/value" >"$scratch/out" 2>"$scratch/err" ||
		status=$?
	out=$(<"$scratch/out") err=$(<"$scratch/err") last_command="put large$1"
}

begin "a write for which there is no space is refused, and says so"
# A scan takes all shards into use; that is a write, which must not come too late.
kv get --prefix any
expect 0 ''
kv put small value
expect 0
written=0
while [[ $written -lt 1000 ]]; do
	put_large $written
	[[ $status -eq 0 ]] || break
	written=$((written + 1))
done
[[ $written -gt 4 && $written -lt 100 ]] || fail "the disk was full after $written values"
expect 5
expect_error 'disk is full'

begin "reads go on"
kv get small
expect 0 value
kv get --prefix large --keys-only
expect 0
same "$(wc -l <"$scratch/out")" "$written" "keys that were acknowledged"

begin "it starts again, and serves reads"
cluster kill g1a
cluster up
kv get small
expect 0 value
kv get --prefix large --keys-only
expect 0
same "$(wc -l <"$scratch/out")" "$written" "keys that were acknowledged"

begin "with space there is writing again"
mount -o remount,size=200m "$run/g1a"
writable() {
	kv put small 'another value'
	[[ $status -eq 0 ]]
}
await "writes to be accepted" writable
put_large more
expect 0
kv get small
expect 0 'another value'

finish
