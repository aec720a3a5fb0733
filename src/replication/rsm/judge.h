/*
 * The door of the replicated state machine: messages of other replicas, and what the log holds of
 * them, before use.
 *
 * paxos/judge.h has the rules of the consensus messages. Here stand those that need more than the
 * core knows:
 *
 *   all              of our group, to us, from another replica, member or not (paxos/members.h,
 *                    STRANGERS); a method of replicas
 *   entries' values at most ENTRY_BYTES_MAX; empty, or an entry that can be read to its end
 *                    (rsm/entry.h): once accepted by a quorum and chosen, one that cannot would
 *                    stop every replica, again after each restart
 *   SNAPSHOT_FETCH   slot, chosen ≤ SLOT_MAX; position ≤ SNAPSHOT_BYTES_MAX
 *   SNAPSHOT_CHUNK   slot: 1 … SLOT_MAX; data: 1 … SNAPSHOT_CHUNK_BYTES, within total ≤
 *                    SNAPSHOT_BYTES_MAX
 *   READ_INDEX       sequence: 1 … CONSENSUS_SEQUENCE_MAX
 *   READ_INDEX_REPLY the same; ballot: the sender's own; slot, chosen ≤ SLOT_MAX
 *   STATE_HASH       slot: 1 … SLOT_MAX; data: total hashes, 3 … HASH_PARTS_MAX; position: their
 *                    hash; flags: 0 or 1
 *   STARTED          flags: known ones; claim, remembered: those of rsm/starts.h, of possible
 *                    ballots and slots
 *
 * The same numbers are judged when a log is read at the start: what an earlier version took from a
 * forged message stands there.
 */
#ifndef SYNOD_RSM_JUDGE_H
#define SYNOD_RSM_JUDGE_H

#include "rsm/entry.h"
#include "wal/wal.h"
#include "wire/peer.h"

/* No snapshot is larger. */
#define SNAPSHOT_BYTES_MAX (UINT64_C(1) << 48)
/*
 * Log time of an entry: the beginning of the year 10000. Sums of it and of any duration do not
 * overflow.
 */
#define ENTRY_TIME_US_MAX (UINT64_C(253402300800) * 1000000)

struct rsm;

/* NULL, or why the value of an entry is refused. `value` is not empty. */
const char *judge_entry_value(struct slice value);
/*
 * NULL, or why the message is refused: "field: what is wrong with it". This one is nobody's fault
 * (rsm/force.h).
 */
extern const char JUDGED_OTHER_GENERATION[];
const char *judge_peer_message(const struct rsm *rsm, enum method method,
			       const union peer_message *message);
/*
 * Counts the refusal; says it, at most once a second, with what the message says, whatever its
 * kind. `from` is 0 if it does not say.
 */
void judge_refused(struct rsm *rsm, enum method method, struct slice payload, const char *why);
/* NULL, or why no replica can have written this: its problem as it is told to the operator. */
const char *judge_log_record(const struct rsm *rsm, const struct wal_record *record);

#endif
