/*
 * A tiny world for unit tests of one node: virtual time, and a list of what the node sent, which
 * the test answers by hand. Nothing happens by itself: time passes only in fake_advance(), and
 * connections come up and break only when the test says so.
 */
#ifndef SYNOD_TESTS_FAKE_ENV_H
#define SYNOD_TESTS_FAKE_ENV_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/rng.h"
#include "node/node.h"

#define FAKE_LINKS_MAX 32
#define FAKE_SENT_MAX 8192

struct fake_sent {
	link_id link;
	struct message message; /* payload copied */
	bool answered;
};

struct fake_env {
	struct env env;
	struct node *node; /* whom fake_reply() and fake_link_down() speak to */
	struct log log;
	uint64_t now_us;
	struct rng rng;
	struct timers timers;
	char *addresses[FAKE_LINKS_MAX]; /* of link i + 1 */
	uint64_t epochs[FAKE_LINKS_MAX];
	size_t nlinks;
	struct fake_sent sent[FAKE_SENT_MAX];
	size_t nsent;
	size_t taken; /* by fake_next() */
	bool stopped;
};

static struct fake_env *fake_of(struct env *env)
{
	return (struct fake_env *)(void *)((char *)env - offsetof(struct fake_env, env));
}
static uint64_t fake_now_us(struct env *env)
{
	return fake_of(env)->now_us;
}
static uint64_t fake_random(struct env *env)
{
	return rng_next(&fake_of(env)->rng);
}
static link_id fake_dial(struct env *env, const char *address)
{
	struct fake_env *fake = fake_of(env);
	for (size_t i = 0; i < fake->nlinks; i++)
		if (strcmp(fake->addresses[i], address) == 0)
			return i + 1;
	ASSERT(fake->nlinks < FAKE_LINKS_MAX);
	fake->addresses[fake->nlinks] = alloc_string(address);
	fake->epochs[fake->nlinks++] = 1;
	return fake->nlinks;
}
static void fake_send(struct env *env, link_id link, const struct message *message)
{
	struct fake_env *fake = fake_of(env);
	ASSERT(fake->nsent < FAKE_SENT_MAX);
	struct fake_sent *sent = &fake->sent[fake->nsent++];
	struct buffer room = {0};
	struct slice payload = message_whole(message, &room);
	uint8_t *copy = alloc_bytes(payload.len + 1);
	if (payload.len > 0)
		memcpy(copy, payload.data, payload.len);
	buffer_free(&room);
	*sent = (struct fake_sent){.link = link, .message = *message};
	sent->message.payload = slice(copy, payload.len);
	sent->message.parts = NULL;
	sent->message.nparts = 0;
}
static uint64_t fake_link_epoch(struct env *env, link_id link)
{
	ASSERT(link >= 1 && link <= fake_of(env)->nlinks);
	return fake_of(env)->epochs[link - 1];
}
static uint64_t fake_backlog(struct env *env, link_id link)
{
	(void)env;
	(void)link;
	return 0;
}
static void fake_close(struct env *env, link_id link)
{
	(void)env;
	(void)link;
}
static void fake_timer_set(struct env *env, struct timer *timer, uint64_t at_us)
{
	timers_set(&fake_of(env)->timers, timer, at_us);
}
static void fake_timer_cancel(struct env *env, struct timer *timer)
{
	timers_cancel(&fake_of(env)->timers, timer);
}
static void __attribute__((noreturn)) fake_fatal(struct env *env, int status, const char *why)
{
	(void)env;
	fprintf(stderr, "node_fatal: status %d: %s\n", status, why);
	abort();
}
static void fake_stopped(struct env *env)
{
	fake_of(env)->stopped = true;
}

static const struct env_ops fake_ops = {
	.now_us = fake_now_us,
	.clock_us = fake_now_us,
	.wall_us = fake_now_us,
	.random = fake_random,
	.dial = fake_dial,
	.send = fake_send,
	.backlog = fake_backlog,
	.link_epoch = fake_link_epoch,
	.close = fake_close,
	.timer_set = fake_timer_set,
	.timer_cancel = fake_timer_cancel,
	.fatal = fake_fatal,
	.stopped = fake_stopped,
};

static inline struct fake_env *fake_create(void)
{
	struct fake_env *fake = ALLOC(struct fake_env);
	fake->env.ops = &fake_ops;
	fake->now_us = 1000000;
	fake->log.level = LOG_OFF;
	rng_seed(&fake->rng, 1);
	return fake;
}

static inline void fake_destroy(struct fake_env *fake)
{
	for (size_t i = 0; i < fake->nsent; i++)
		free((void *)(uintptr_t)fake->sent[i].message.payload.data);
	for (size_t i = 0; i < fake->nlinks; i++)
		free(fake->addresses[i]);
	timers_free(&fake->timers);
	free(fake);
}

/* Lets `delay_us` pass, firing timers in their order. */
static inline void fake_advance(struct fake_env *fake, uint64_t delay_us)
{
	uint64_t until_us = fake->now_us + delay_us;
	while (timers_next_us(&fake->timers) <= until_us) {
		uint64_t next_us = timers_next_us(&fake->timers);
		if (next_us > fake->now_us)
			fake->now_us = next_us;
		struct timer *timer = timers_take_due(&fake->timers, fake->now_us);
		timer->callback(timer->data);
	}
	fake->now_us = until_us;
}

/* The next message that the node sent and that the test has not yet looked at; NULL: none. */
static inline struct fake_sent *fake_next(struct fake_env *fake)
{
	return fake->taken < fake->nsent ? &fake->sent[fake->taken++] : NULL;
}

static inline const char *fake_address(struct fake_env *fake, const struct fake_sent *sent)
{
	return fake->addresses[sent->link - 1];
}

static inline struct message fake_reply_message(const struct fake_sent *sent, int status,
						struct slice payload)
{
	return (struct message){
		.kind = MESSAGE_REPLY,
		.method = sent->message.method,
		.status = status,
		.id = sent->message.id,
		.payload = payload,
	};
}

#endif
