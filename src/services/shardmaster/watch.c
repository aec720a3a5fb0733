/* Follows the newest configuration, for whoever goes by it. */
#include "shardmaster/watch.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "wire/method.h"
#include "wire/wire.h"

/*
 * A poll ends on its own after this, so that a server that has silently gone away (with no
 * connection loss to tell of it) is noticed. Many watchers cost the shard master one read each in
 * this time.
 */
#define POLL_MS 4000u
#define FETCH_MS 3000u
/* After a failure; the caller has already tried every server until its deadline. */
#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 500u

struct master_watch {
	struct master_watch_options options;
	struct shard_config *config;
	struct caller_call *fetch; /* NULL: none under way */
	/* a refresh came while one was under way, and may have to see something newer */
	bool fetch_again;
	bool refreshing; /* the fetch under way was asked for by master_watch_refresh() */
	struct caller_call *poll;
	struct timer retry;
	bool started;
	struct arena arena;
	struct buffer request;
};

static void fetch(struct master_watch *watch);

static void poll_done(void *context, int status, struct slice payload);

static uint64_t deadline(struct master_watch *watch, uint32_t after_ms)
{
	return node_now_us(watch->options.node) + 1000ull * after_ms;
}

static void retry_later(struct master_watch *watch)
{
	uint64_t spread_ms = node_random(watch->options.node) % (RETRY_MAX_MS - RETRY_MIN_MS + 1);

	if (!timer_armed(&watch->retry))
		node_timer_after(watch->options.node, &watch->retry,
				 1000ull * (RETRY_MIN_MS + spread_ms));
}

/* The next long poll, if this watch polls and knows what to compare with. */
static void poll_next(struct master_watch *watch)
{
	if (!watch->started || !watch->options.poll || watch->poll != NULL || watch->config == NULL)
		return;
	buffer_clear(&watch->request);
	wire_master_query_encode(&(struct wire_master_query){.number = watch->config->number},
				 &watch->request);
	watch->poll = caller_start(watch->options.caller, METHOD_WATCH,
				   buffer_slice(&watch->request), deadline(watch, POLL_MS),
				   poll_done, watch);
}

static void adopt(struct master_watch *watch, struct shard_config *config)
{
	if (watch->config != NULL && config->number <= watch->config->number)
		return;
	shard_config_unref(watch->config);
	watch->config = shard_config_ref(config);
	if (watch->options.changed != NULL)
		watch->options.changed(watch->options.context, watch->config);
}

/* 0, or why the reply brought no configuration. */
static int take_reply(struct master_watch *watch, int status, struct slice payload)
{
	struct shard_config *config;

	if (status != 0)
		return status;
	arena_reset(&watch->arena);
	status = shard_config_decode(payload, &watch->arena, &config);
	if (status != 0) {
		log_event(watch->options.node->log, LOG_WARN, "config_refused", "reason=\"%s\"",
			  status_text(status));
		return status;
	}
	adopt(watch, config);
	shard_config_unref(config);
	return 0;
}

static void poll_done(void *context, int status, struct slice payload)
{
	struct master_watch *watch = context;

	watch->poll = NULL;
	if (status == STATUS_CANCELLED)
		return;
	if (take_reply(watch, status, payload) == 0)
		poll_next(watch);
	else
		retry_later(watch);
}

static void fetch_done(void *context, int status, struct slice payload)
{
	struct master_watch *watch = context;
	bool asked_for = watch->refreshing;

	watch->fetch = NULL;
	watch->refreshing = false;
	if (status == STATUS_CANCELLED)
		return;
	int result = take_reply(watch, status, payload);
	/* What was asked for during this fetch is served by the next one. */
	if (watch->fetch_again) {
		watch->fetch_again = false;
		watch->refreshing = true;
		fetch(watch);
	}
	if (result == 0)
		poll_next(watch);
	else if (watch->started && (watch->config == NULL || watch->options.poll))
		/*
		 * Also with a configuration that was offered: without a poll nobody would tell of
		 * the next one.
		 */
		retry_later(watch);
	if (asked_for && watch->options.refreshed != NULL)
		watch->options.refreshed(watch->options.context, result,
					 status != 0 ? payload : slice(NULL, 0));
}

static void fetch(struct master_watch *watch)
{
	if (watch->fetch != NULL)
		return;
	buffer_clear(&watch->request);
	wire_master_query_encode(&(struct wire_master_query){.number = UINT64_MAX},
				 &watch->request);
	watch->fetch = caller_start(watch->options.caller, METHOD_QUERY,
				    buffer_slice(&watch->request), deadline(watch, FETCH_MS),
				    fetch_done, watch);
}

static void retry_due(void *data)
{
	struct master_watch *watch = data;

	if (watch->config == NULL)
		fetch(watch);
	else
		poll_next(watch);
}

struct master_watch *master_watch_create(const struct master_watch_options *options)
{
	struct master_watch *watch = ALLOC(struct master_watch);

	watch->options = *options;
	timer_init(&watch->retry, retry_due, watch);
	arena_init(&watch->arena, ARENA_BYTES_MAX);
	return watch;
}

void master_watch_start(struct master_watch *watch)
{
	watch->started = true;
	fetch(watch);
}

void master_watch_refresh(struct master_watch *watch)
{
	if (watch->fetch != NULL) {
		watch->fetch_again = true;
		return;
	}
	watch->refreshing = true;
	fetch(watch);
}

void master_watch_offer(struct master_watch *watch, struct shard_config *config)
{
	adopt(watch, config);
	poll_next(watch);
}

struct shard_config *master_watch_config(const struct master_watch *watch)
{
	return watch->config;
}

void master_watch_destroy(struct master_watch *watch)
{
	if (watch->fetch != NULL)
		caller_cancel(watch->fetch);
	if (watch->poll != NULL)
		caller_cancel(watch->poll);
	node_timer_cancel(watch->options.node, &watch->retry);
	shard_config_unref(watch->config);
	arena_free(&watch->arena);
	buffer_free(&watch->request);
	free(watch);
}
