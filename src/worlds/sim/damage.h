/*
 * Damage to what lies on a simulated disk: a bit flips, a sector reads as zeros or as another
 * sector's contents, a file becomes shorter, a name disappears from the directory.
 *
 * LOGS. What is damaged was synced, and something that was synced is behind it: so the log can tell
 * the damage from a write that the end of its process interrupted, and must refuse to start with
 * STATUS_CORRUPT, or repair it from its peers. The last batch is left alone, since no log could
 * tell (wal/wal.h), and so is the name of the last segment.
 *
 * SNAPSHOTS. The newest file with a final name, anywhere in it. Its owner must notice at its next
 * start, and fetch the state from a peer.
 *
 * Nothing is done (false) while there is nothing that may be damaged: no snapshot yet, writes to
 * the file not synced.
 */
#ifndef SYNOD_SIM_DAMAGE_H
#define SYNOD_SIM_DAMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "sim/disk_sim.h"
#include "sim/faults.h"

/* Prefixes of the names of logs, as the wal has them. */
#define SIM_LOG_OF_GROUP ""
#define SIM_LOG_OF_AGREEMENT "agreement-"

/* `what` gets a few words about it, for people. */
bool sim_damage_log(struct disk *disk, const char *prefix, struct rng *rng, enum sim_fault *fault,
		    struct buffer *what);
/* There is a log of that name. */
bool sim_damage_log_exists(struct disk *disk, const char *prefix);
/*
 * It was the name of the oldest segment that was lost: such a log is refused, as one that is
 * missing is.
 */
bool sim_damage_log_lost_its_beginning(struct disk *disk);
/*
 * Every segment that is there is whole, and so is their sequence: damage that there was has been
 * released, or overwritten.
 */
bool sim_damage_log_is_whole(struct disk *disk, const char *prefix);
/* *slot: of the snapshot that was damaged. */
bool sim_damage_snapshot(struct disk *disk, struct rng *rng, enum sim_fault *fault, uint64_t *slot,
			 struct buffer *what);
/* The slot of the newest snapshot that the log knows of: without a later one nothing is missed. */
uint64_t sim_damage_snapshot_known(struct disk *disk);
/* A whole snapshot of at least this slot is in place, durably. */
bool sim_damage_snapshot_is_whole(struct disk *disk, uint64_t slot);

#endif
