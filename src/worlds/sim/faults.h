/*
 * The kinds of faults, for counting what a run went through. Each counts when it happens to
 * somebody: a crash of a process that is down already is none.
 */
#ifndef SYNOD_SIM_FAULTS_H
#define SYNOD_SIM_FAULTS_H

#include <stdint.h>

/* clang-format off */
#define SIM_FAULT_MAP(X) \
	/* processes */ \
	X(KILL, "kill") \
	X(POWER_LOSS, "power_loss") \
	X(GROUP_CRASH, "group_crash") \
	X(STOP, "stop") \
	X(PAUSE, "pause") \
	X(CLIENT_CRASH, "client_crash") \
	X(CRASH_AT_SEND, "crash_at_send") \
	X(HAND_OVER, "hand_over") \
	X(OTHER_MEMBERS, "other_members") \
	X(WIPE, "wipe") \
	X(STALE_COPY, "stale_copy") \
	X(ADD_MEMBER, "add_member") \
	X(REMOVE_MEMBER, "remove_member") \
	X(REPLACE_MEMBER, "replace_member") \
	X(PROMOTE_MEMBER, "promote_member") \
	X(MEMORY, "memory_change") \
	X(FORCE, "force") \
	/* clocks */ \
	X(CLOCK_JUMP, "clock_jump") X(CLOCK_DRIFT, "clock_drift") \
	/* network */ \
	X(LOSS, "loss") \
	X(DUPLICATE, "duplicate") \
	X(REORDER, "reorder") \
	X(RESET, "reset") \
	X(TIMEOUT, "timeout") \
	X(LIE, "lie") \
	X(PARTITION, "partition") \
	X(ONE_WAY, "one_way_partition") \
	X(CLOG, "clog") \
	X(SWIZZLE, "swizzle") \
	X(DEAF, "deaf_leader") \
	X(REELECT, "reelected_past_a_deaf_one") \
	/* disks under way */ \
	X(READ_ERROR, "read_error") \
	X(WRITE_ERROR, "write_error") \
	X(SYNC_ERROR, "sync_error") \
	X(NAME_ERROR, "name_error") \
	X(DISK_STOP, "disk_stop") \
	X(TORN_WRITE, "torn_write") \
	X(SLOW_DISK, "slow_disk") \
	X(FULL_DISK, "full_disk") \
	X(HUNG_DISK, "hung_disk") X(NO_DESCRIPTOR, "no_descriptor") \
	X(LOST_WRITE, "lost_unsynced_write") X(LOST_NAME, "lost_unsynced_name") \
	/* disks at rest */ \
	X(LOG_FLIP, "log_flip") \
	X(LOG_ZERO, "log_zeroed_sector") \
	X(LOG_MISDIRECT, "log_misdirected_sector") \
	X(LOG_CUT, "log_cut_short") X(LOG_UNLINK, "log_name_lost") \
	X(LOG_MISSING, "log_missing") X(LOG_EXCHANGED, "log_exchanged") \
	X(SNAPSHOT_FLIP, "snapshot_flip") X(SNAPSHOT_ZERO, "snapshot_zeroed_sector") \
	X(SNAPSHOT_MISDIRECT, "snapshot_misdirected_sector") X(SNAPSHOT_CUT, "snapshot_cut_short") \
	X(SNAPSHOT_UNLINK, "snapshot_name_lost")
/* clang-format on */

enum sim_fault {
#define X(name, text) SIM_FAULT_##name,
	SIM_FAULT_MAP(X)
#undef X
		SIM_FAULTS
};

struct sim_fault_counts {
	uint64_t of[SIM_FAULTS];
};

const char *sim_fault_name(enum sim_fault fault);

#endif
