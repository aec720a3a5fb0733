/*
 * The agreement service of one peer: the core (agreement.h), its log, its peers, its clients.
 *
 * A service node owns one and passes its own inputs on. It answers the RPC methods
 *
 *   AGREEMENT         between peers (struct wire_agreement, both ways)
 *   AGREEMENT_START   seq, value → state at once; agreement goes on by itself. COMPACTED:
 *                     forgotten. BUSY, NO_SPACE. UNAVAILABLE: this peer does not take part yet
 *                     (agreement/members.h)
 *   AGREEMENT_STATUS  seq → pending, decided (with the value) or forgotten; as this peer knows it
 *   AGREEMENT_WAIT    seq → the same as soon as it is no longer pending, or when the request's
 *                     time-out has passed
 *   AGREEMENT_DONE    seq → when it is durable here
 *   AGREEMENT_BOUNDS  min, 1 + max
 *
 * all but the first with an AgreementState. What a client is told is of this peer: another one may
 * know less or more. A START that was answered may be lost with this peer as long as it has not
 * accepted its own proposal: whoever wants to be certain waits, and starts again.
 *
 * Its log is a wal of its own, files agreement-log-… and agreement-free-… in the node's data
 * directory. The records: WAL_PROMISE and WAL_ACCEPT with slot = 1 + seq; WAL_CHOSEN with slot = 1
 * + seq and ballot (0: the value is the payload); WAL_SNAPSHOT with the Done values, or the members
 * (agreement/members.h), as payload. The log is kept short by writing what is still needed of its
 * oldest segment once more at its end, so that it stays within a few segments and three times what
 * is live.
 */
#ifndef SYNOD_AGREEMENT_SERVICE_H
#define SYNOD_AGREEMENT_SERVICE_H

#include "agreement/agreement.h"
#include "node/node.h"
#include "rsm/rsm.h"
#include "server/server.h"

struct agreement_service;

struct agreement_settings {
	uint64_t wal_segment_bytes;
	uint64_t bytes_max; /* of the values of instances that are not forgotten */
	uint64_t instances_max;
	uint32_t value_bytes_max;
	/* an unanswered request is repeated after this; doubles to five times as much */
	uint32_t retry_ms;
	/* first pause of a proposer that has met another; doubles to fifty times as much */
	uint32_t backoff_ms;
	/*
	 * ten times as long without an answer of the disk: it hangs (wal/disk_watch.h); default 150
	 */
	uint32_t disk_ms;
	/* after this a peer that was told a decision makes sure that others know it */
	uint32_t spread_ms;
};
void agreement_settings_default(struct agreement_settings *settings);

#define AGREEMENT_WAITERS_MAX 8192u
#define AGREEMENT_WAIT_DEFAULT_MS 1000u
#define AGREEMENT_WAIT_MAX_MS 60000u

struct agreement_service_options {
	struct server *server; /* the node that it is part of */
	uint32_t replica;
	uint32_t nmembers;
	struct rsm_member members[REPLICAS_MAX]; /* in any order; addresses are copied */
	struct agreement_settings settings;
};

/* Allocates; registers metrics. */
struct agreement_service *agreement_service_create(const struct agreement_service_options *options);
/*
 * Recovers from the disk (blocking). 0 or why it cannot run (logged). From a damaged log it begins
 * anew, with another life, as a disk that replaces a lost one (agreement/members.h): the node's
 * stop_voting() has been called then.
 */
int agreement_service_start(struct agreement_service *service) MUST_CHECK;
/* True if the message was one of the service's and has been dealt with. */
bool agreement_service_message(struct agreement_service *service, link_id from,
			       const struct message *message);
void agreement_service_link_down(struct agreement_service *service, link_id link);
void agreement_service_turn_end(struct agreement_service *service);
/*
 * An input: what the log service's log has bound by now (agreement/members.h), by any replicas'
 * numbers: those that are not members here do not count. May be called as often as one likes.
 */
void agreement_service_members(struct agreement_service *service, uint64_t slot,
			       const struct agreement_binding *list, uint32_t count);
/*
 * Another: the node's life may have changed; and while it is `doubted`, this process counts
 * nowhere.
 */
void agreement_service_life(struct agreement_service *service, bool doubted);
/* Another: while it knows no members (agreement_set_first()). */
void agreement_service_first(struct agreement_service *service, bool first);
/* It takes part: this peer's disk is bound, and knows what it must. */
bool agreement_service_takes_part(const struct agreement_service *service);
/* Its disk is bound, and does not know yet what it must. */
bool agreement_service_enters(const struct agreement_service *service);
void agreement_service_destroy(struct agreement_service *service);

/* NULL before the start. For checkers and status. */
const struct agreement *agreement_service_core(const struct agreement_service *service);
uint64_t agreement_service_refused(const struct agreement_service *service);
/* How far its log has come, which only rises: what is durable, if only lately so, or everything. */
uint64_t agreement_service_position(const struct agreement_service *service, bool durable);
uint64_t agreement_service_disk_bytes(const struct agreement_service *service);

#endif
