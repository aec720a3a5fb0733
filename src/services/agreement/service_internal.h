/*
 * The inside of struct agreement_service.
 *
 *   service.c           life, the turn
 *   service_log.c       the log
 *   service_requests.c  peers and clients
 *   service_metrics.c   metrics
 */
#ifndef SYNOD_AGREEMENT_SERVICE_INTERNAL_H
#define SYNOD_AGREEMENT_SERVICE_INTERNAL_H

#include "agreement/service.h"
#include "base/arena.h"
#include "base/refusals.h"
#include "server/waiters.h"
#include "wal/disk_watch.h"

/* Of answers to those who have waited, before others have their turn of the loop. */
#define LEAVING_BYTES_PER_TURN (1u * MIB)

struct agreement_service {
	struct agreement_service_options options;
	struct server *server;
	struct node *node; /* of the server */
	char *addresses[REPLICAS_MAX];
	link_id links[REPLICAS_MAX];
	struct agreement *core;
	struct wal *wal;
	struct disk_watch disk_watch;
	bool started;
	bool doubted;      /* agreement_service_life() */
	bool told_doubted; /* … when it was said last where this peer stands */
	int recovery_status;
	const char *recovery_problem;
	bool unsuited; /* its log is sound, and of another configuration */
	wal_position last_position, released;
	uint64_t last_sequence;
	/* what is durable, at least; and what will be when … */
	wal_position durable_position, awaited_position;
	uint64_t awaited_sequence; /* … this record is. 0: everything is */
	struct timer tick;
	uint64_t space_retry_us;
	uint64_t next_id;
	uint64_t min_seen;
	enum agreement_standing standing; /* as it was told last */
	struct waiters waiting;           /* for instances: awaited is the instance */
	struct waiters done;     /* for the disk: awaited is the record, detail the instance */
	struct refusals refused; /* messages that no peer can have sent */
	uint64_t dropped;        /* messages that found too much waiting already */
	struct arena arena;
	struct buffer out;
};

/* ---- service.c ---- */

/* Carries out what the core wants, in the order that agreement.h prescribes. */
void agreement_carry_out(struct agreement_service *service);

/* ---- service_log.c ---- */

/* Opens the log and tells the core what is in it: 0 or a status, logged. */
int agreement_log_open(struct agreement_service *service);
/*
 * What it held is lost to damage, and its peers know what it must: the log is put aside, and this
 * peer begins as a disk that replaces a lost one. False: it cannot, and nothing has changed.
 */
bool agreement_log_begin_anew(struct agreement_service *service);
void agreement_log_append(struct agreement_service *service,
			  const struct agreement_persist *persist);
/*
 * Keeps the log in proportion to what is live in it: agreement.h says what is needed, the wal lets
 * go of the rest.
 */
void agreement_log_clean(struct agreement_service *service);
/* Whoever frees space on a full disk need not tell us. Returns when to look again. */
uint64_t agreement_log_watch_space(struct agreement_service *service);
/* At the end of every turn: clients that a disk that hangs keeps waiting are told so. */
void agreement_log_watch_disk(struct agreement_service *service);

/* ---- service_metrics.c ---- */

void agreement_register_metrics(struct agreement_service *service);

/* ---- service_requests.c ---- */

void agreement_init_waiters(struct agreement_service *service);
uint64_t agreement_count_waiters(const struct agreement_service *service);
/*
 * Some instance has been settled, or min has risen: whoever need not wait any more is to be told,
 * by waiters_let_go().
 */
void agreement_wake(struct agreement_service *service);
void agreement_answer_done(struct agreement_service *service, uint64_t sequence);
/* The disk hangs: those who wait are refused, for they would wait for it. */
void agreement_refuse_waiters(struct agreement_service *service);

#endif
