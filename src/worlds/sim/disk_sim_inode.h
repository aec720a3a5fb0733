/*
 * One file of the simulated disk: what is durable, and the writes on top of it that
 * have not been synced. Shared by disk_sim.c (requests) and disk_sim_names.c.
 *
 * Pages of 4 KiB exist only where something was written. Sizes: `size` is what
 * the process sees, `durable_size` what a power loss leaves.
 */
#ifndef SYNOD_SIM_DISK_SIM_INODE_H
#define SYNOD_SIM_DISK_SIM_INODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/rng.h"

#define INODE_PAGE_BYTES 4096u

struct inode_write;

struct inode {
	uint32_t refs; /* directory entries, unsynced name operations, open files */
	uint64_t size;
	uint64_t durable_size;
	struct map pages;
	struct inode_write *writes; /* oldest first */
	struct inode_write *last_write;
	size_t write_count;
};

struct inode *inode_new(void);
struct inode *inode_ref(struct inode *inode);
void inode_unref(struct inode *inode);

/* Bytes that the process sees; the range must lie within `size`. */
void inode_read(const struct inode *inode, uint64_t offset, uint8_t *data, size_t len);
void inode_write(struct inode *inode, uint64_t offset, const uint8_t *data, size_t len);
/* Grows with zeros. */
void inode_extend(struct inode *inode, uint64_t size);
void inode_sync(struct inode *inode);
/* A sync that failed: what was written stays visible and will never be durable. */
void inode_sync_failed(struct inode *inode);
/*
 * Power loss: some possible state of the unsynced writes becomes the durable one. How many were
 * lost, in whole or in part.
 */
uint64_t inode_power_loss(struct inode *inode, struct rng *rng);

/* Changes what is at rest, and the cache. */
void inode_poke(struct inode *inode, uint64_t offset, const uint8_t *data, size_t len);
void inode_truncate(struct inode *inode, uint64_t size);

#endif
