/*
 * registrar: learns whether client ids have been handed out, for a service whose clients register
 * elsewhere (shardkv: at the shard masters; primary and backup: at the view service).
 *
 * A command of a client that nobody here knows is put aside, and the other service is asked once
 * for the highest id it has handed out; commands that come meanwhile share the next question, for
 * the answer to the one under way may be older than their ids. Then each goes its way again, or is
 * refused with SESSION_EXPIRED: nobody was given that id. If the other service cannot be asked, it
 * is refused as UNAVAILABLE; nothing of it has been logged, and the client may try again.
 *
 * Bounded: more than REGISTRAR_COMMANDS_MAX commands, or REGISTRAR_BYTES_MAX, are refused with
 * BUSY. After a question that brought nobody in, the next waits a moment: invented ids must not
 * keep the other service busy.
 *
 * Ownership: messages are copied. No callback is called from within registrar_hold().
 */
#ifndef SYNOD_RSM_REGISTRAR_H
#define SYNOD_RSM_REGISTRAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/list.h"
#include "call/caller.h"
#include "node/node.h"

#define REGISTRAR_COMMANDS_MAX 4096u
#define REGISTRAR_BYTES_MAX (16u * MIB)

struct registrar_options {
	struct node *node;
	struct caller *caller; /* of the service that hands out ids; outlives this */
	const char *service;   /* "shard masters", for messages */
	/* The body of the QUERY that asks, and what its answer says. */
	void (*question)(struct buffer *out);
	int (*answer)(struct slice payload, struct arena *arena, uint64_t *highest);
	/* Ids up to this one have been handed out; false: this server cannot make use of it now. */
	bool (*known)(void *context, uint64_t highest);
	/* A command goes its way again, as if it came now. */
	void (*again)(void *context, link_id from, const struct message *message);
	void (*refuse)(void *context, link_id from, const struct message *message, int status,
		       const char *why);
	void *context;
};

struct registrar {
	struct registrar_options options;
	struct list held; /* in order of arrival */
	uint32_t count;
	size_t bytes;
	uint64_t round; /* of the question under way, or of the last one */
	struct caller_call *call;
	struct timer pause;
	bool idle; /* the last question brought nobody in */
	struct arena arena;
	uint64_t questions; /* counted */
};

void registrar_init(struct registrar *r, const struct registrar_options *options);
/* Answers nobody. */
void registrar_free(struct registrar *r);
/* Until it is known; it is refused at once (BUSY) if too much is held already. */
void registrar_hold(struct registrar *r, link_id from, const struct message *message,
		    uint64_t client);
void registrar_link_down(struct registrar *r, link_id link);
/*
 * This server has nothing to do with them any more: what is held goes its way again, which is to be
 * refused.
 */
void registrar_release(struct registrar *r);

#endif
