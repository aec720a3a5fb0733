#include "node/node.h"

#include <stdarg.h>
#include <stdio.h>

#define WHY_BYTES_MAX 512

void node_init(struct node *node, const struct node_ops *ops, struct env *env, struct log *log)
{
	*node = (struct node){.ops = ops, .env = env, .log = log};
	metrics_add(&node->metrics, METRIC_COUNTER, "synod_clock_rejected_total",
		    "Messages whose logical time was too far ahead to be adopted.", NULL, &node->clock_rejected);
}

void node_done(struct node *node)
{
	metrics_free(&node->metrics);
}

void node_send(struct node *node, link_id link, struct message *message)
{
	clocks_tick(&node->clocks, node_wall_us(node));
	message->lamport = node->clocks.lamport;
	message->hlc = node->clocks.hlc;
	node->env->ops->send(node->env, link, message);
}

/* A message from a node with a broken clock is as good as any other: only its time is ignored. */
void node_deliver(struct node *node, link_id from, const struct message *message)
{
	if (!clocks_merge(&node->clocks, message->lamport, message->hlc, node_wall_us(node)))
		node->clock_rejected++;
	node->ops->message(node, from, message);
}

void node_reply(struct node *node, link_id link, const struct message *request, int status, struct slice payload)
{
	struct message reply = {
		.kind = MESSAGE_REPLY,
		.method = request->method,
		.status = status,
		.id = request->id,
		.payload = payload,
	};

	ASSERT(request->kind == MESSAGE_REQUEST);
	ASSERT(status <= 0);
	node_send(node, link, &reply);
}

void node_fatal(struct node *node, int status, const char *format, ...)
{
	char why[WHY_BYTES_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	node->env->ops->fatal(node->env, status, why);
}
