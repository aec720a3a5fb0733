/*
 * The state of a simulated disk, shared by disk_sim.c (operations, requests and
 * crashes) and disk_sim_inspect.c (looking at files and damaging them).
 */
#ifndef SYNOD_SIM_DISK_SIM_STATE_H
#define SYNOD_SIM_DISK_SIM_STATE_H

#include "base/list.h"
#include "base/rng.h"
#include "sim/disk_sim.h"
#include "sim/disk_sim_names.h"

struct disk_file {
	struct list link; /* in disk_sim.files */
	struct inode *inode;
	uint64_t process;
};

struct lane {
	struct disk_request *first, *last; /* the first one is being carried out */
	uint64_t ticket;                   /* of the first one; 0: none, or held */
	enum disk_sim_fault fault;         /* what will come of it */
	bool making;                       /* … it is yet to be made */
	bool hold;                         /* syncs */
	bool hang;                         /* everything */
	bool held;                         /* the first one's time is over, but it is held */
};

struct disk_sim {
	struct disk disk;
	struct disk_sim_options options;
	struct rng rng;
	struct names names;
	struct list files;
	struct lane lanes[DISK_LANES];
	uint64_t tickets;
	uint64_t process;
	uint64_t operations;
	uint64_t fault_at;
	enum disk_sim_fault fault;
	bool stopped;
	bool killed; /* stopped, by the process's death alone */
	uint32_t shortage_ppm;
	bool machine_short; /* not the process alone */
	struct disk_sim_counters counters;
	struct buffer whole; /* what is being written, if it came in pieces */
};

static inline struct disk_sim *disk_sim_of(struct disk *disk)
{
	return LIST_ITEM(disk, struct disk_sim, disk);
}

#endif
