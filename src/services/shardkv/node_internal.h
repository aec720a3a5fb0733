/*
 * What the files of the shardkv node share.
 *
 *   node.c         life, messages
 *   claims.c       parked requests, CLAIM, grants
 *   clients.c      client ids, which the shard masters hand out
 *   follow.c       following the shard master's configurations
 *   report.c       telling the shard masters where the members are found
 *   generation.c   the group's generation, which the shard masters keep
 *   node_status.c  STATUS, metrics
 *
 * Callbacks (of the rsm, of the watch, of calls) only note what happened and set the work timer,
 * which is due at once: what follows is done in shardkv_node_work(), as an input of its own, so
 * that nothing is proposed from within the rsm's turn and no callback finds the node half changed.
 */
#ifndef SYNOD_SHARDKV_NODE_INTERNAL_H
#define SYNOD_SHARDKV_NODE_INTERNAL_H

#include "base/list.h"
#include "base/states.h"
#include "call/caller.h"
#include "rsm/registrar.h"
#include "server/server.h"
#include "shardkv/app.h"
#include "shardkv/node.h"
#include "shardmaster/watch.h"

/* Requests that wait for a grant: above either, BUSY. */
#define PARKED_REQUESTS_MAX 4096u
#define PARKED_BYTES_MAX (16u * MIB)
/* For requests that do not say how long they wait. */
#define PARKED_TIMEOUT_MS 5000u
#define CLAIM_TIMEOUT_US 5000000u
#define CLAIM_RETRY_US 200000u

struct parked {
	struct list link;
	link_id from;
	struct message message; /* the payload points into `payload` */
	struct bytes *payload;
	uint64_t deadline_us;
};

/*
 * One claim at a time is under way: asked of the shard masters, and what they grant goes through
 * the group's log.
 *
 *   NONE ──► ASKED ──► GRANTED ──► PROPOSED ──► NONE
 *              │          └─ applied before it was proposed ─► NONE
 *              └─ nothing granted, no answer ─► NONE
 *
 * When leadership is lost, from each to NONE.
 */
enum claim_state { CLAIM_NONE, CLAIM_ASKED, CLAIM_GRANTED, CLAIM_PROPOSED };
extern const struct state_table CLAIM_STATES;

struct claims {
	struct list parked; /* in order of arrival */
	uint32_t nparked;
	size_t parked_bytes;
	struct timer expiry; /* of the parked request whose deadline is next */
	enum claim_state state;
	struct caller_call *call; /* in CLAIM_ASKED */
	uint64_t retry_at_us;     /* no claim before */
	bool *wanted;             /* nshards each: scratch */
	bool *claimed;            /* asked for by the call under way */
	uint32_t *shards;         /* the same as a list; after the reply, the granted ones */
	uint32_t nshards;         /* its length; 0: nothing asked for or granted */
	uint64_t granted_config;
	uint64_t seen_config; /* when the parked requests were last looked at */
	uint32_t seen_unclaimed;
};

/* Of the leader; zeroed when it ceases to be. */
struct report {
	struct caller_call *call;
	struct timer retry;
	/* of the call under way: the list, and the configuration that differs from it */
	uint64_t asked_slot, asked_config;
	/* of the last answer: this list needs no telling before there is a newer configuration */
	uint64_t slot, config;
};

struct generation {
	struct caller_call *call, *record; /* the question; FORCE */
	struct timer timer;
	uint64_t told_us; /* that a start waits; 0: not yet looked at */
};

struct shardkv_node {
	struct server server;
	struct shardkv_node_options options; /* strings are copies */
	struct caller *masters;
	struct master_watch *watch; /* while serving */
	bool leading;               /* what the rsm said last */
	bool deposed; /* leadership was lost since the work was last done, if only for a moment */
	bool serving; /* the leader's duties have begun */
	uint64_t proposed_config; /* in this term of leadership */
	uint64_t logged_config;   /* last told to the log */
	struct timer work;
	struct claims claims;
	struct report report;
	struct generation generation;
	struct registrar registrar;
	uint64_t parked_total, claims_total;
};

static inline struct shardkv_node *shardkv_node_of(struct node *node)
{
	return (struct shardkv_node *)(void *)node;
}

/* ---- node.c ---- */

/* Asks for shardkv_node_work() at once. */
static inline void shardkv_node_wake(struct shardkv_node *n)
{
	node_timer_after(&n->server.node, &n->work, 0);
}
/* node_refuse.c */
void shardkv_node_refuse(struct shardkv_node *n, link_id link, const struct message *request,
			 int status, uint64_t config, const char *text);

/* ---- claims.c ---- */

void claims_init(struct shardkv_node *n);
void claims_free(struct shardkv_node *n);
/* True if the request has to wait for a grant: it has been parked, or refused. */
bool claims_park(struct shardkv_node *n, link_id from, const struct message *message);
/* Does what can be done now: hands on, proposes, claims. */
void claims_work(struct shardkv_node *n);
void claims_link_down(struct shardkv_node *n, link_id link);
/* Leadership is lost, or the node stops: everything waiting is answered NOT_LEADER. */
void claims_abandon(struct shardkv_node *n);

/* ---- report.c ---- */

void report_init(struct shardkv_node *n);
void report_stop(struct shardkv_node *n);
void report_work(struct shardkv_node *n);

/* ---- generation.c ---- */

void generation_init(struct shardkv_node *n);
void generation_free(struct shardkv_node *n);
/* Now. */
void generation_ask(struct shardkv_node *n);
/* For struct rsm_options. */
void generation_record(void *context, uint32_t generation);

/* ---- follow.c ---- */

void follow_start(struct shardkv_node *n);
void follow_stop(struct shardkv_node *n);
void follow_work(struct shardkv_node *n);

/* ---- clients.c ---- */

void clients_init(struct shardkv_node *n);
/*
 * Put aside until the shard masters have said whether they handed out this id. For struct
 * rsm_options.
 */
void clients_unregistered(void *node, link_id from, const struct message *message, uint64_t client);
/* REGISTER: the masters are named. */
void clients_refuse_register(struct node *node, link_id from, const struct message *message);

/* ---- node_status.c ---- */

void node_status_metrics(struct shardkv_node *n);
/* For struct server_kind. */
void node_status_fill(struct node *node, struct wire_status *status);

#endif
