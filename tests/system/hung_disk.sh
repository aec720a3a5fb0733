#!/usr/bin/env bash
# The disk under a leader hangs: nothing that it was asked for ends, and nothing fails. (faults: 99)
# shellcheck source=tests/system/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if grep -qa __asan_init "$SYNOD_BIN/shardkvd"; then
	skip "a sanitizer must be loaded first, before what makes a disk hang"
fi
# In a process that preloads it, syncs of files take 20 ms while $SYNOD_SLOW is there, and do not
# end while $SYNOD_HANG is.
cat >"$scratch/hang.c" <<'C'
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int there(const char *variable)
{
	const char *path = getenv(variable);
	return path != NULL && access(path, F_OK) == 0;
}

int fdatasync(int fd)
{
	if (there("SYNOD_SLOW"))
		usleep(20000);
	while (there("SYNOD_HANG"))
		usleep(10000);
	return (int)syscall(SYS_fdatasync, fd);
}
C
if ! "${CC:-cc}" -shared -fPIC -O1 -o "$scratch/hang.so" "$scratch/hang.c" 2>/dev/null; then
	skip "there is no compiler"
fi
export SYNOD_SLOW=$scratch/slow SYNOD_HANG=$scratch/hang

cluster up --groups 1 --replicas 3 --masters 1
victim=$(leader_of 1)
cluster kill "$victim"
LD_PRELOAD=$scratch/hang.so cluster restart "$victim"
await "$victim to catch up" caught_up "$victim"

leads() {
	[[ $(leader_of 1) == "$1" ]]
}

make_leader() {
	kv member transfer 1 "$victim"
	leads "$victim"
}

another_leads() {
	local leader
	leader=$(leader_of 1) && [[ -n $leader && $leader != "$victim" ]]
}

logged() {
	grep -q "event=$1" "$run/$victim/log"
}

load_start --clients 4

begin "while its thread waits for the disk, the leader notices, and hands over"
# A slow disk is the thread's; a quick one is synced by the loop itself.
touch "$SYNOD_SLOW"
await "$victim to lead" make_leader
load_goes_on 100
touch "$SYNOD_HANG"
await "another leader" another_leads
load_goes_on 200
logged disk_hung || fail "the log of $victim does not say that its disk hangs"
kv put key value
expect 0

begin "when the disk is back its replica is as good as the others"
rm "$SYNOD_HANG" "$SYNOD_SLOW"
await "$victim to catch up" caught_up "$victim"
logged disk_back || fail "the log of $victim does not say that its disk is back"
await "$victim to lead" make_leader
load_goes_on 100

begin "when the disk takes the whole process with it, the others elect another leader, and it follows when it goes on"
touch "$SYNOD_HANG"
await "another leader" another_leads
load_goes_on 200
rm "$SYNOD_HANG"
await "$victim to catch up" caught_up "$victim"

begin "what was acknowledged is there"
load_check
finish
