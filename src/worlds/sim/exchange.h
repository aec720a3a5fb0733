/*
 * What hands do to the files of a log while its process is down: all of it goes, or its newest
 * segment, or the files of another replica of the group come in their place. Its owner must refuse
 * to start: what it has promised and accepted is not what is there.
 *
 * Nothing is done (false) while it could make no difference: to a log that has not been written
 * down as begun, or that has just begun another segment. Nor if what the other has is the owner's
 * own, from an earlier exchange: that would be an older copy of its log, which it must not be
 * started on either, but cannot tell from its log.
 */
#ifndef SYNOD_SIM_EXCHANGE_H
#define SYNOD_SIM_EXCHANGE_H

#include "base/bytes.h"
#include "base/rng.h"
#include "sim/disk_sim.h"
#include "sim/faults.h"

/*
 * `what` gets a few words about it. `owner`: the replica whose disk it is; `other`: that of another
 * of the group.
 */
bool sim_exchange_log(struct disk *disk, uint64_t owner, struct disk *other, struct rng *rng,
		      enum sim_fault *fault, struct buffer *what);

#endif
