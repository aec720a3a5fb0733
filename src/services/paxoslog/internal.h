/*
 * The inside of struct paxosd.
 *
 *   paxosd.c    the node
 *   requests.c  what is answered from this replica's own state: LOG_TAIL, LOG_SLOT
 */
#ifndef SYNOD_PAXOSLOG_INTERNAL_H
#define SYNOD_PAXOSLOG_INTERNAL_H

#include "paxoslog/paxosd.h"
#include "paxoslog/tailers.h"
#include "server/server.h"

struct paxosd {
	struct server server;
	struct agreement_service *agreement;
	bool lost;             /* its directory replaces a lost one */
	uint64_t members_slot; /* of the members that it has been told */
	struct tailers tailers;
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
