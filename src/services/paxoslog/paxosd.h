/*
 * The node of paxosd: one peer of the agreement service (agreement/service.h), and one replica of
 * the log service (paxoslog/app.h on rsm/). They share the process and the data directory; and
 * which disk counts as which member the log decides for both (agreement/members.h).
 *
 * It answers the methods of the agreement service, those of consensus, and
 *
 *   LOG_COMMAND   append, trim: a Command whose body is a LogCommand; the leader
 *   LOG_QUERY     a linearizable read; the leader
 *   LOG_REGISTER  a client id for sessions of the log; the leader
 *   LOG_TAIL      values from a slot on, as soon as that slot is there, or none when the request's
 *                 time-out has passed. Any replica that knows a leader: what stands in a slot is
 *                 the same everywhere, and readers spread over the replicas
 *   LOG_SLOT      one slot as this replica sees it: empty, accepted (not yet known to be chosen),
 *                 chosen, cleared. For people; `accepted` is what it has accepted in consensus
 *                 slots that follow each other without a gap. A repeated append, which will not be
 *                 applied again, cannot be told from a first one.
 *   TRANSFER, STATUS, CLUSTER
 *
 * The first three go to the rsm under the names COMMAND, QUERY and REGISTER, which their replies
 * bear. Under those names clients of other services ask; here they are refused, so that nothing
 * meant for them gets into the log.
 */
#ifndef SYNOD_PAXOSLOG_PAXOSD_H
#define SYNOD_PAXOSLOG_PAXOSD_H

#include "agreement/service.h"
#include "node/node.h"
#include "paxoslog/app.h"
#include "rsm/rsm.h"

#define PAXOSD_GROUP 0u /* as that of the shard masters: other nodes, other members */
#define LOG_TAIL_DEFAULT_MS 1000u
#define LOG_TAIL_MAX_MS 60000u

struct paxosd_options {
	struct env *env;
	struct log *log;
	const char *cluster; /* strings are copied */
	const char *name;    /* of this node */
	const char *version;
	uint32_t nshards; /* told by CLUSTER, with the shard masters */
	uint32_t nmasters;
	const char *masters[REPLICAS_MAX];
	uint32_t replica;
	uint32_t nmembers;
	struct rsm_member members[MEMBERS_MAX];
	uint64_t members_slot; /* of the entry that names them; 0: the configuration (rsm/rsm.h) */
	/* likewise: this replica was added to the group, or comes again, and knows no list yet */
	bool joining;
	struct rsm_settings settings;
	struct agreement_settings agreement;
	struct paxoslog_settings paxoslog;
};

struct node *paxosd_create(const struct paxosd_options *options);
/* For tests and the simulator's checks. */
struct rsm *paxosd_rsm(struct node *node);
struct app *paxosd_app(struct node *node);
const struct agreement *paxosd_agreement(struct node *node);
/* Messages of other peers that its agreement service has refused. */
uint64_t paxosd_agreement_refused(struct node *node);

#endif
