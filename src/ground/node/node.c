/* What all nodes have in common. */
#include "node/node.h"

#include <stdarg.h>
#include <stdio.h>

#define WHY_BYTES_MAX 512

void node_init(struct node *node, const struct node_ops *ops, struct env *env, struct log *log)
{
	*node = (struct node){.ops = ops, .env = env, .log = log};
	metrics_add(&node->metrics, METRIC_COUNTER, "synod_clock_rejected_total",
		    "Messages whose logical time was too far ahead to be adopted.", NULL,
		    &node->clock_rejected);
}

void node_done(struct node *node)
{
	metrics_free(&node->metrics);
	tracer_free(&node->tracer);
}

void node_problem(struct node *node, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(node->problem, sizeof node->problem, format, arguments);
	va_end(arguments);
}

struct slice message_whole(const struct message *message, struct buffer *room)
{
	size_t done = 0;
	if (message->nparts == 0)
		return message->payload;
	buffer_clear(room);
	buffer_reserve(room, message_bytes(message));
	for (uint32_t i = 0; i < message->nparts; i++) {
		const struct message_part *part = &message->parts[i];
		ASSERT(part->at >= done && part->at <= message->payload.len);
		buffer_add(room, message->payload.data + done, part->at - done);
		buffer_add_slice(room, bytes_slice(part->bytes));
		done = part->at;
	}
	buffer_add(room, message->payload.data + done, message->payload.len - done);
	return buffer_slice(room);
}

static void note_message(struct node *node, enum trace_kind kind, link_id link,
			 const struct message *message)
{
	struct trace_event event = {
		.kind = kind,
		.method = message->method,
		.status = message->status,
		.reply = message->kind == MESSAGE_REPLY,
		.request = message->trace,
		.lamport = node->clocks.lamport,
		.hlc = node->clocks.hlc,
		.origin = message->origin,
		.sent = message->lamport,
		.link = link,
	};
	if (kind == TRACE_SEND && message->detail != NULL)
		event.detail = *message->detail;
	tracer_note(&node->tracer, &event);
}

void node_note_step(struct node *node, enum trace_step step, uint64_t request,
		    const struct trace_detail *detail)
{
	clocks_tick(&node->clocks, node_wall_us(node));
	struct trace_event event = {
		.kind = TRACE_STEP,
		.step = step,
		.request = request,
		.lamport = node->clocks.lamport,
		.hlc = node->clocks.hlc,
	};
	if (detail != NULL)
		event.detail = *detail;
	tracer_note(&node->tracer, &event);
}

void node_send(struct node *node, link_id link, struct message *message)
{
	clocks_tick(&node->clocks, node_wall_us(node));
	message->lamport = node->clocks.lamport;
	message->hlc = node->clocks.hlc;
	message->origin = node->tracer.life;
	if (message->trace == 0)
		message->trace = node->tracer.current;
	if (tracer_wants(&node->tracer, message->trace))
		note_message(node, TRACE_SEND, link, message);
	node->env->ops->send(node->env, link, message);
}

/* A message from a node with a broken clock is as good as any other: only its time is ignored. */
void node_deliver(struct node *node, link_id from, const struct message *message)
{
	if (!clocks_merge(&node->clocks, message->lamport, message->hlc, node_wall_us(node)))
		node->clock_rejected++;
	if (tracer_wants(&node->tracer, message->trace))
		note_message(node, TRACE_RECEIVE, from, message);
	node->tracer.current = message->trace;
	node->ops->message(node, from, message);
	node->tracer.current = 0;
}

void node_reply(struct node *node, link_id link, const struct message *request, int status,
		struct slice payload)
{
	struct message reply = {
		.kind = MESSAGE_REPLY,
		.method = request->method,
		.status = status,
		.id = request->id,
		.trace = request->trace,
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
