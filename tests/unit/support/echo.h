/*
 * Nodes for tests of the transport: one that answers every QUERY with its payload, one that records
 * what happens to it. Both are the same struct; hosts are turned by hand on one thread.
 */
#ifndef SYNOD_TEST_ECHO_H
#define SYNOD_TEST_ECHO_H

#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "host/host.h"
#include "wire/method.h"

struct echo {
	struct node node;
	struct host *host;
	struct log log;
	uint64_t requests, oneways, replies, downs, turns;
	uint64_t reply_bytes;
	int last_status;
	link_id last_down, last_from;
	struct buffer last_payload;
	bool silent; /* keeps requests to itself */
	bool stop_at_once;
};

static struct echo *echo_of(struct node *node)
{
	return LIST_ITEM(node, struct echo, node);
}

static void echo_message(struct node *node, link_id from, const struct message *message)
{
	struct echo *e = echo_of(node);
	e->last_from = from;
	switch (message->kind) {
	case MESSAGE_REQUEST:
		e->requests++;
		if (!e->silent)
			node_reply(node, from, message, 0, message->payload);
		break;
	case MESSAGE_ONEWAY: e->oneways++; break;
	case MESSAGE_REPLY:
		e->replies++;
		e->reply_bytes += message->payload.len;
		e->last_status = message->status;
		buffer_clear(&e->last_payload);
		buffer_add_slice(&e->last_payload, message->payload);
		break;
	}
}

static void echo_link_down(struct node *node, link_id link)
{
	echo_of(node)->downs++;
	echo_of(node)->last_down = link;
}

static void echo_turn_end(struct node *node)
{
	echo_of(node)->turns++;
}

static void echo_stop(struct node *node)
{
	if (echo_of(node)->stop_at_once)
		node->env->ops->stopped(node->env);
}

static bool echo_ready(struct node *node)
{
	return !echo_of(node)->silent;
}

static void echo_status(struct node *node, struct buffer *out)
{
	(void)node;
	buffer_format(out, "{\"name\":\"echo\"}");
}

static const struct node_ops ECHO_OPS = {
	.message = echo_message,
	.link_down = echo_link_down,
	.turn_end = echo_turn_end,
	.stop = echo_stop,
	.ready = echo_ready,
	.status_json = echo_status,
};

static void discard_line(void *context, const char *line, size_t len)
{
	if (getenv("ECHO_VERBOSE") != NULL)
		fprintf(stderr, "%.*s", (int)len, line);
	(void)context;
}

/* Completes `options` (log) and starts; ends the test program if that fails. */
static inline void echo_start(struct echo *e, struct host_options *options)
{
	char error[256];
	*e = (struct echo){.stop_at_once = true};
	log_init_fd(&e->log, 2, "test");
	e->log.write = discard_line;
	e->log.level = LOG_DEBUG;
	options->log = &e->log;
	if (host_create(&e->host, options, error, sizeof error) != 0) {
		fprintf(stderr, "%s\n", error);
		exit(99);
	}
	node_init(&e->node, &ECHO_OPS, host_env(e->host), &e->log);
	if (host_start(e->host, &e->node, error, sizeof error) != 0) {
		fprintf(stderr, "%s\n", error);
		exit(99);
	}
}

static inline void echo_end(struct echo *e)
{
	host_destroy(e->host);
	node_done(&e->node);
	buffer_free(&e->last_payload);
}

static inline void echo_send(struct echo *e, link_id to, enum message_kind kind, uint64_t id,
			     struct slice payload)
{
	struct message message = {
		.kind = kind, .method = METHOD_QUERY, .id = id, .payload = payload};
	node_send(&e->node, to, &message);
}

#endif
