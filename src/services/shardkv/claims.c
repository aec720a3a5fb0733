/*
 * Requests that wait until the shard master has granted their shards, and the claims made for them.
 */
#include "shardkv/node_internal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "wire/method.h"

const struct state_table CLAIM_STATES = {
	"claim",
	{
		[CLAIM_NONE] = {"none", NEXT(CLAIM_ASKED)},
		[CLAIM_ASKED] = {"asked", NEXT(CLAIM_GRANTED) | NEXT(CLAIM_NONE)},
		[CLAIM_GRANTED] = {"granted", NEXT(CLAIM_PROPOSED) | NEXT(CLAIM_NONE)},
		[CLAIM_PROPOSED] = {"proposed", NEXT(CLAIM_NONE)},
	}};

/*
 * The one move of the claim. A call is under way while it is asked, and shards are named until it
 * is done with.
 */
static void become(struct shardkv_node *n, enum claim_state state)
{
	struct claims *c = &n->claims;
	log_event(n->server.node.log, LOG_DEBUG, "claim_state",
		  "group=%llu shards=%u from=%s to=%s", (unsigned long long)n->options.gid,
		  c->nshards, state_name(&CLAIM_STATES, c->state),
		  state_name(&CLAIM_STATES, state));
	c->state = state_move(&CLAIM_STATES, c->state, state);
	ASSERT((c->nshards == 0) == (state == CLAIM_NONE));
}

static void on_expiry(void *data);

void claims_init(struct shardkv_node *n)
{
	struct claims *c = &n->claims;
	list_init(&c->parked);
	timer_init(&c->expiry, on_expiry, n);
	c->wanted = alloc_zeroed(n->options.nshards, sizeof c->wanted[0]);
	c->claimed = alloc_zeroed(n->options.nshards, sizeof c->claimed[0]);
	c->shards = alloc_zeroed(n->options.nshards, sizeof c->shards[0]);
}

static struct parked *parked_of(struct list *link)
{
	return LIST_ITEM(link, struct parked, link);
}

static void unpark(struct shardkv_node *n, struct parked *p)
{
	ASSERT(n->claims.nparked > 0);
	ASSERT(n->claims.parked_bytes >= p->message.payload.len);
	list_remove(&p->link);
	n->claims.nparked--;
	n->claims.parked_bytes -= p->message.payload.len;
	if (n->claims.nparked == 0)
		node_timer_cancel(&n->server.node, &n->claims.expiry);
}

static void parked_free(struct parked *p)
{
	bytes_unref(p->payload);
	free(p);
}

void claims_free(struct shardkv_node *n)
{
	struct claims *c = &n->claims;
	if (c->call != NULL)
		caller_cancel(c->call);
	LIST_FOR_SAFE (link, after, &c->parked) {
		struct parked *p = parked_of(link);
		unpark(n, p);
		parked_free(p);
	}
	node_timer_cancel(&n->server.node, &c->expiry);
	free(c->wanted);
	free(c->claimed);
	free(c->shards);
}

/*
 * True if the request needs shards that are ours by configuration and not granted; marks them in
 * `wanted` (may be NULL).
 */
static bool waits(struct shardkv_node *n, const struct message *message, bool *wanted)
{
	struct wire_command command;
	arena_reset(&n->server.arena);
	if (message->method == METHOD_QUERY)
		return shardkv_app_query_waits(n->server.app, message->payload, &n->server.arena,
					       wanted);
	if (wire_command_decode(message->payload, &n->server.arena, &command) != 0)
		return false;
	return shardkv_app_command_waits(n->server.app, command.body, &n->server.arena, wanted);
}

static void set_expiry(struct shardkv_node *n)
{
	uint64_t next = UINT64_MAX;
	LIST_FOR (link, &n->claims.parked) {
		struct parked *p = parked_of(link);
		next = p->deadline_us < next ? p->deadline_us : next;
	}
	if (next != UINT64_MAX)
		node_timer_at(&n->server.node, &n->claims.expiry, next);
}

static void on_expiry(void *data)
{
	struct shardkv_node *n = data;
	uint64_t now = node_now_us(&n->server.node);
	LIST_FOR_SAFE (link, after, &n->claims.parked) {
		struct parked *p = parked_of(link);
		if (p->deadline_us > now)
			continue;
		unpark(n, p);
		shardkv_node_refuse(n, p->from, &p->message, STATUS_DEADLINE,
				    shardkv_app_config_number(n->server.app),
				    "the shard master has not granted the shard in time");
		parked_free(p);
	}
	set_expiry(n);
}

bool claims_park(struct shardkv_node *n, link_id from, const struct message *message)
{
	struct claims *c = &n->claims;
	if (!waits(n, message, NULL))
		return false;
	if (c->nparked >= PARKED_REQUESTS_MAX ||
	    c->parked_bytes + message->payload.len > PARKED_BYTES_MAX) {
		shardkv_node_refuse(n, from, message, STATUS_BUSY, 0,
				    "too many requests wait for the shard master");
		return true;
	}
	if (rsm_disk_full(n->server.rsm)) {
		shardkv_node_refuse(n, from, message, STATUS_NO_SPACE, 0,
				    "the leader's disk is full, so it cannot take another shard "
				    "into use: free some space");
		return true;
	}
	uint32_t timeout_ms = message->timeout_ms == 0 ? PARKED_TIMEOUT_MS : message->timeout_ms;
	struct parked *p = ALLOC(struct parked);
	p->from = from;
	p->payload = bytes_copy(message->payload);
	p->message = *message;
	p->message.payload = bytes_slice(p->payload);
	p->deadline_us = node_now_us(&n->server.node) + timeout_ms * 1000ull;
	list_push_back(&c->parked, &p->link);
	c->nparked++;
	c->parked_bytes += p->message.payload.len;
	n->parked_total++;
	if (!timer_armed(&c->expiry) || p->deadline_us < c->expiry.at_us)
		node_timer_at(&n->server.node, &c->expiry, p->deadline_us);
	shardkv_node_wake(n);
	return true;
}

/* Gives the rsm every parked request that has nothing more to wait for, as if it came now. */
static void hand_on(struct shardkv_node *n)
{
	struct claims *c = &n->claims;
	uint64_t config = shardkv_app_config_number(n->server.app);
	uint32_t unclaimed = shardkv_app_unclaimed(n->server.app);
	if (c->seen_config == config && c->seen_unclaimed == unclaimed)
		return;
	c->seen_config = config;
	c->seen_unclaimed = unclaimed;
	uint64_t now = node_now_us(&n->server.node);
	LIST_FOR_SAFE (link, after, &c->parked) {
		struct parked *p = parked_of(link);
		if (waits(n, &p->message, NULL))
			continue;
		unpark(n, p);
		if (p->message.timeout_ms != 0) {
			uint64_t left_ms = p->deadline_us > now ? (p->deadline_us - now) / 1000 : 0;
			p->message.timeout_ms = left_ms > 0 ? (uint32_t)left_ms : 1;
		}
		rsm_message(n->server.rsm, p->from, &p->message);
		parked_free(p);
	}
}

/* Answers the requests that need a shard which was claimed and not granted. */
static void refuse_denied(struct shardkv_node *n, uint64_t config)
{
	struct claims *c = &n->claims;
	LIST_FOR_SAFE (link, after, &c->parked) {
		struct parked *p = parked_of(link);
		bool denied = false;
		memset(c->wanted, 0, n->options.nshards * sizeof c->wanted[0]);
		waits(n, &p->message, c->wanted);
		for (uint32_t shard = 0; shard < n->options.nshards && !denied; shard++)
			denied = c->wanted[shard] && c->claimed[shard];
		if (!denied)
			continue;
		unpark(n, p);
		shardkv_node_refuse(
			n, p->from, &p->message, STATUS_WRONG_GROUP, config,
			"the shard belongs to another group in the newest configuration");
		parked_free(p);
	}
}

static void on_granted(struct shardkv_node *n, const struct wire_master_reply *reply)
{
	struct claims *c = &n->claims;
	uint32_t asked = c->nshards;
	uint32_t granted = 0;
	for (uint32_t i = 0; i < reply->ngranted; i++) {
		uint32_t shard = reply->granted[i];
		if (shard >= n->options.nshards || !c->claimed[shard])
			continue;
		c->claimed[shard] = false; /* what remains was not granted */
		c->shards[granted++] = shard;
	}
	log_event(n->server.node.log, LOG_INFO, "shards_granted",
		  "group=%llu config=%llu asked=%u granted=%u", (unsigned long long)n->options.gid,
		  (unsigned long long)reply->config, asked, granted);
	c->nshards = granted;
	c->granted_config = reply->config;
	become(n, granted > 0 ? CLAIM_GRANTED : CLAIM_NONE);
	if (granted == asked)
		return;
	refuse_denied(n, reply->config);
	if (n->watch != NULL)
		master_watch_refresh(n->watch);
}

static void on_claim_done(void *context, int status, struct slice payload)
{
	struct shardkv_node *n = context;
	struct claims *c = &n->claims;
	struct wire_master_reply reply;
	ASSERT(c->state == CLAIM_ASKED && c->call != NULL);
	c->call = NULL;
	arena_reset(&n->server.arena);
	if (status == 0)
		status = wire_master_reply_decode(payload, &n->server.arena, &reply);
	if (status == 0) {
		/*
		 * refuse_denied() decodes requests in the node's arena, so the reply moves out of
		 * it.
		 */
		size_t size = reply.ngranted * sizeof reply.granted[0];
		uint32_t *list = alloc_bytes(size + 1);
		if (size > 0)
			memcpy(list, reply.granted, size);
		reply.granted = list;
		on_granted(n, &reply);
		free(list);
	} else {
		log_event(n->server.node.log, LOG_WARN, "claim_failed",
			  "group=%llu shards=%u status=%s", (unsigned long long)n->options.gid,
			  c->nshards, status_name(status));
		c->nshards = 0;
		become(n, CLAIM_NONE);
		c->retry_at_us = node_now_us(&n->server.node) + CLAIM_RETRY_US;
	}
	shardkv_node_wake(n);
}

/* Grants that the master has given go through our log; proposed until applied. */
static void propose_grant(struct shardkv_node *n)
{
	struct claims *c = &n->claims;
	ASSERT(n->serving && c->nshards > 0);
	bool missing = false;
	for (uint32_t i = 0; i < c->nshards && !missing; i++)
		missing = !shardkv_app_is_granted(n->server.app, c->shards[i]);
	if (!missing) {
		c->nshards = 0;
		become(n, CLAIM_NONE);
		return;
	}
	if (c->state == CLAIM_PROPOSED)
		return;
	struct wire_kv_command command = {
		.has_internal = true,
		.internal = {.ngranted = c->nshards,
			     .granted = c->shards,
			     .granted_config = c->granted_config},
	};
	buffer_clear(&n->server.out);
	wire_kv_command_encode(&command, &n->server.out);
	if (rsm_propose(n->server.rsm, buffer_slice(&n->server.out)))
		become(n, CLAIM_PROPOSED);
}

/* One claim for everything that the parked requests need. */
static void start_claim(struct shardkv_node *n)
{
	struct claims *c = &n->claims;
	ASSERT(n->serving && c->state == CLAIM_NONE && c->call == NULL && c->nshards == 0);
	if (node_now_us(&n->server.node) < c->retry_at_us) {
		node_timer_at(&n->server.node, &n->work, c->retry_at_us);
		return;
	}
	memset(c->wanted, 0, n->options.nshards * sizeof c->wanted[0]);
	LIST_FOR (link, &c->parked)
		waits(n, &parked_of(link)->message, c->wanted);
	c->nshards = 0;
	for (uint32_t shard = 0; shard < n->options.nshards; shard++) {
		c->claimed[shard] = c->wanted[shard];
		if (c->wanted[shard])
			c->shards[c->nshards++] = shard;
	}
	if (c->nshards == 0)
		return;
	struct wire_master_command claim = {
		.op = WIRE_MASTER_CLAIM,
		.ngids = 1,
		.gids = &n->options.gid,
		.nshards = c->nshards,
		.shards = c->shards,
		.config = shardkv_app_config_number(n->server.app),
	};
	struct buffer body = {0};
	wire_master_command_encode(&claim, &body);
	/* Without a session: claiming again what is already granted changes nothing. */
	struct wire_command command = {.body = buffer_slice(&body)};
	buffer_clear(&n->server.out);
	wire_command_encode(&command, &n->server.out);
	n->claims_total++;
	become(n, CLAIM_ASKED);
	c->call = caller_start(n->masters, METHOD_COMMAND, buffer_slice(&n->server.out),
			       node_now_us(&n->server.node) + CLAIM_TIMEOUT_US, on_claim_done, n);
	buffer_free(&body);
}

void claims_work(struct shardkv_node *n)
{
	struct claims *c = &n->claims;
	if (!n->serving)
		return;
	if (c->state >= CLAIM_GRANTED)
		propose_grant(n);
	if (c->nparked == 0)
		return;
	hand_on(n);
	if (c->nparked > 0 && c->state == CLAIM_NONE)
		start_claim(n);
}

void claims_link_down(struct shardkv_node *n, link_id link)
{
	LIST_FOR_SAFE (at, after, &n->claims.parked) {
		struct parked *p = parked_of(at);
		if (p->from != link)
			continue;
		unpark(n, p);
		parked_free(p);
	}
}

void claims_abandon(struct shardkv_node *n)
{
	struct claims *c = &n->claims;
	if (c->call != NULL)
		caller_cancel(c->call);
	c->call = NULL;
	c->nshards = 0;
	if (c->state != CLAIM_NONE)
		become(n, CLAIM_NONE);
	c->retry_at_us = 0;
	LIST_FOR_SAFE (link, after, &c->parked) {
		struct parked *p = parked_of(link);
		unpark(n, p);
		rsm_reply_not_leader(n->server.rsm, p->from, &p->message);
		parked_free(p);
	}
}
