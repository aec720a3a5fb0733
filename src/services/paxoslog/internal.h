/*
 * The inside of struct paxosd.
 *
 *   paxosd.c    the node
 *   requests.c  what is answered from this replica's own state: LOG_TAIL, LOG_SLOT
 */
#ifndef SYNOD_PAXOSLOG_INTERNAL_H
#define SYNOD_PAXOSLOG_INTERNAL_H

#include "paxoslog/paxosd.h"
#include "server/server.h"
#include "server/waiters.h"

#define TAILERS_MAX 8192u
/* of answers to those who waited, before others have their turn of the loop */
#define TAILERS_BYTES_PER_TURN (1u * MIB)

struct paxosd {
	struct server server;
	struct agreement_service *agreement;
	bool lost;              /* its directory replaces a lost one */
	uint64_t members_slot;  /* of the members that it has been told */
	struct waiters tailers; /* of LOG_TAIL: awaited is the slot, detail the limit */
	/*
	 * The rsm tells of applied entries from within its own steps; what follows is done in an
	 * input of its own.
	 */
	struct timer attend;
};

static inline struct paxosd *paxosd_of(struct node *node)
{
	return (struct paxosd *)(void *)node;
}

/* requests.c */
void paxosd_requests_init(struct paxosd *d);
void paxosd_applied(void *context);
void paxosd_tail(struct node *node, link_id from, const struct message *request);
void paxosd_slot(struct node *node, link_id from, const struct message *request);

#endif
