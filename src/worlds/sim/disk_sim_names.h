/*
 * The simulated disk's directory: durable names, and the name operations on top of
 * them that no directory sync has made durable yet.
 */
#ifndef SYNOD_SIM_DISK_SIM_NAMES_H
#define SYNOD_SIM_DISK_SIM_NAMES_H

#include "sim/disk_sim_inode.h"

struct name_entry {
	char *name;
	struct inode *inode;
};

struct name_table {
	struct name_entry *entries;
	size_t count, capacity;
};

struct name_change; /* one operation */

struct names {
	struct name_table current; /* what the process sees */
	struct name_table durable;
	struct name_change *changes; /* oldest first */
	size_t change_count, change_capacity;
};

struct inode *names_find(const struct names *names, const char *name);
/* No crash would change what the name stands for. */
bool names_is_synced(const struct names *names, const char *name);
/* Binds name to inode, replacing what it was bound to. */
void names_create(struct names *names, const char *name, struct inode *inode);
/* False if there is no such name. */
bool names_rename(struct names *names, const char *name, const char *new_name);
void names_remove(struct names *names, const char *name);
void names_sync(struct names *names);
/*
 * Power loss: of all files' writes and of the name operations, some become durable, the others are
 * undone. Adds to the numbers of those that were undone, in whole or in part.
 */
void names_power_loss(struct names *names, struct rng *rng, uint64_t *lost_writes,
		      uint64_t *lost_names);
void names_free(struct names *names);

#endif
