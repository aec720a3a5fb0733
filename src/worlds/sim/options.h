/*
 * What a simulated world does to those who live in it: which faults are on, and
 * how strong.
 *
 * sim_options_calm() is a well-behaved machine room: small delays, nothing lost.
 * Scenario tests start from it and turn on what they are about. Swarm runs draw
 * everything from the seed with sim_options_draw(): each fault is off in a
 * good part of the seeds, because a fault that is always on hides what only happens
 * without it (Groce et al. 2012, "Swarm Testing").
 *
 * Probabilities are in parts per million (_ppm), times in microseconds (_us).
 */
#ifndef SYNOD_SIM_OPTIONS_H
#define SYNOD_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sim/disk_sim.h"

enum sim_delay { SIM_DELAY_UNIFORM, SIM_DELAY_EXPONENTIAL, SIM_DELAY_HEAVY_TAIL };

struct sim_network_options {
	enum sim_delay delay;
	uint64_t delay_min_us;
	uint64_t delay_mean_us;          /* ≥ delay_min_us */
	uint64_t delay_max_us;           /* cuts the tail */
	uint64_t bytes_per_s;            /* of one connection in one direction; 0: unlimited */
	bool reorder;                    /* one-way messages overtake each other */
	uint32_t loss_ppm;               /* one-way messages */
	uint32_t duplicate_ppm;          /* one-way messages */
	uint64_t duplicate_delay_max_us; /* how late the second copy may be */
	uint32_t reset_ppm;              /* a request or reply takes its connection down with it */
	/* how long a connection lives while what it carries is stuck */
	uint64_t timeout_min_us;
	uint64_t timeout_max_us;
};

struct sim_process_options {
	uint32_t turn_single_ppm;  /* turns that take one input only, whatever else is due */
	uint64_t turn_cost_max_us; /* how long a turn keeps the process busy: 0 … max */
	uint32_t drift_max_ppm;    /* monotonic and wall clocks run off by up to this */
	uint64_t wall_skew_max_us; /* wall clocks start off by up to this, either way */
};

struct sim_disk_options {
	uint64_t write_us_low, write_us_high;
	uint64_t sync_us_low, sync_us_high;
	struct disk_sim_faults faults; /* from the start of the world, on every disk */
};

/* Mean times between faults; 0 turns a kind off. See sim/nemesis.h. */
struct sim_nemesis_options {
	uint64_t crash_mean_us; /* one process dies */
	/* of crashes: the machine loses power (unsynced data lost, nobody is told) */
	uint32_t power_ppm;
	uint32_t crash_all_ppm; /* of crashes: a whole group at once */
	uint64_t down_mean_us;  /* until the restart */
	uint64_t stop_mean_us;  /* an orderly shutdown, restarted like a crash */
	uint64_t pause_mean_us;
	uint64_t pause_length_us;
	uint64_t partition_mean_us;
	uint64_t partition_length_us;
	uint32_t one_way_ppm;  /* of partitions: cut in one direction only */
	uint64_t clog_mean_us; /* one directed pair is held, then released */
	uint64_t clog_length_us;
	/* clog a random set one after another, release in another order */
	uint64_t swizzle_mean_us;
	uint64_t clock_mean_us; /* a wall clock jumps */
	uint64_t clock_jump_max_us;
	uint64_t disk_mean_us;      /* a disk fault, within what the atlas allows */
	uint64_t slow_disk_mean_us; /* a disk becomes slow for a while */
	/* a disk fails some of its reads, or of its name operations, for a while */
	uint64_t disk_errors_mean_us;
	uint64_t full_disk_mean_us; /* a disk is full for a while */
	/* damage to what lies on a disk, within what the atlas allows */
	uint64_t damage_mean_us;
	bool beyond; /* … and beyond it: see sim/nemesis.h */
	uint64_t client_crash_mean_us;
	/*
	 * power is lost in the moment a certain message leaves, before anything of that turn is on
	 * disk
	 */
	uint64_t crash_at_send_mean_us;
	/* a replica is not heard by its group, and what is sent to it arrives much later */
	uint64_t deaf_mean_us;
	/* an operator has a leader hand over; its successor may reach it late */
	uint64_t hand_over_mean_us;
	uint64_t replace_mean_us; /* members are added, removed, replaced, promoted */
	uint64_t wipe_mean_us;    /* a replica's disk is lost, and replaced by an empty one */
	uint64_t stale_mean_us;   /* … is copied, or replaced by an earlier copy */
	/* a replica is started with other members, must refuse, and is corrected later */
	uint64_t members_mean_us;
	/* a clock runs at another rate from now on, within process.drift_max_ppm */
	uint64_t drift_mean_us;
	uint64_t hung_disk_mean_us; /* nothing that is asked of a disk ends, for a while */
	uint64_t hung_disk_length_us;
	uint32_t hung_for_good_ppm; /* of those who are not healed in the end */
	/* disks of most of a group, or of all, are slow, full, or both, for a while */
	uint64_t group_disks_mean_us;
	uint64_t group_disks_length_us;
	/* log files are missing, or another replica's, within what the atlas allows */
	uint64_t exchange_mean_us;
	/* a process, or its machine, has no descriptors for new files, for a while */
	uint64_t no_descriptor_mean_us;
	uint64_t no_descriptor_length_us;
	uint64_t reelect_mean_us; /* a leader loses and wins again while a follower is deaf */
	/* a group loses its majority, and is made to go on from one that has everything */
	uint64_t force_mean_us;
};

struct sim_options {
	struct sim_network_options network;
	struct sim_process_options process;
	struct sim_disk_options disk;
	struct sim_nemesis_options nemesis;
};

void sim_options_calm(struct sim_options *options);
void sim_options_draw(struct sim_options *options, uint64_t seed);
/*
 * One line of name=value; only what differs from calm, so that the line names the faults that are
 * on.
 */
void sim_options_format(const struct sim_options *options, struct buffer *out);

#endif
