/*
 * master_watch: keeps the newest configuration of the shard master at hand, inside any node (a
 * shardkv replica, a client).
 *
 * It first asks for the newest configuration (QUERY) and then long-polls (WATCH): the shard master
 * answers as soon as there is a newer one. `changed` is called for every adopted configuration,
 * each with a larger number than the one before (numbers may be skipped). The configuration is
 * never older than one that an earlier call showed, but it may be out of date at any time: a server
 * that is asked for a shard it does not own answers WRONG_GROUP, and the asker calls
 * master_watch_refresh().
 *
 * The owner keeps a struct caller for the shard masters, gives it all messages and link_downs, and
 * may use it for its own requests too (REGISTER, COMMAND).
 */
#ifndef SYNOD_SHARDMASTER_WATCH_H
#define SYNOD_SHARDMASTER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "call/caller.h"
#include "shardmaster/shard_config.h"

struct master_watch;

struct master_watch_options {
	struct node *node;
	struct caller *caller; /* of the shard masters; outlives the watch */
	/* A newer configuration has been adopted; take a reference to keep it. */
	void (*changed)(void *context, struct shard_config *config);
	/*
	 * A fetch by master_watch_refresh() has ended (`error`: the refusal's encoded Error, or
	 * empty): 0 (the configuration at hand is now at least as new as the newest at the call,
	 * and `changed` has been called if it is a newer one) or why it failed. May be NULL.
	 */
	void (*refreshed)(void *context, int status, struct slice error);
	void *context;
	bool poll; /* false: no long poll, only refresh on demand (for clients that live shortly) */
};

/* Allocates; nothing is sent before start or refresh. */
struct master_watch *master_watch_create(const struct master_watch_options *options);
/* Fetches, and polls from then on. */
void master_watch_start(struct master_watch *watch);
/*
 * Fetches the newest configuration now. Calls while a fetch is under way share the one that starts
 * after it.
 */
void master_watch_refresh(struct master_watch *watch);
/*
 * Tells of a configuration known from elsewhere (a client's redirect hint, a group's own log):
 * adopted, with `changed`, if it is newer.
 */
void master_watch_offer(struct master_watch *watch, struct shard_config *config);
/* The newest known; NULL before the first. Borrowed. */
struct shard_config *master_watch_config(const struct master_watch *watch);
/*
 * Cancels what is under way; no callback comes after this. Before the caller's destruction, and not
 * from within a callback.
 */
void master_watch_destroy(struct master_watch *watch);

#endif
