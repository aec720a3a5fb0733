#include "chatter.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "wire/method.h"

static struct chatter *chatter_of(struct node *node)
{
	return (struct chatter *)(void *)node;
}

static void input(struct chatter *c)
{
	struct chatter_record *r = &c->spec->record;
	r->inputs++;
	if (++r->inputs_in_turn > r->inputs_in_turn_max)
		r->inputs_in_turn_max = r->inputs_in_turn;
}

static void say(struct chatter *c, link_id link, enum message_kind kind, uint16_t method)
{
	uint64_t *payload = c->scratch;
	payload[0] = c->number;
	struct message message = {
		.kind = kind,
		.method = method,
		.id = kind == MESSAGE_REQUEST ? c->number : 0,
		.payload = slice(payload, c->spec->payload_bytes > 8 ? c->spec->payload_bytes : 8),
	};
	node_send(&c->node, link, &message);
}

static void tick(void *data)
{
	struct chatter *c = data;
	input(c);
	c->number++;
	for (int i = 0; i < CHATTER_PEERS_MAX && c->spec->peers[i] != NULL; i++) {
		link_id link = node_dial(&c->node, c->spec->peers[i]);
		if (!c->spec->no_pings)
			say(c, link, MESSAGE_ONEWAY, METHOD_PING);
		if (!c->spec->no_requests)
			say(c, link, MESSAGE_REQUEST, METHOD_STATUS);
	}
	node_timer_after(&c->node, &c->timer, c->spec->interval_us);
}

static void stop_now(void *data)
{
	struct chatter *c = data;
	c->node.env->ops->stopped(c->node.env);
}

static int chatter_start(struct node *node)
{
	struct chatter *c = chatter_of(node);
	c->spec->record.starts++;
	c->spec->record.first_random = node_random(node);
	if (c->spec->start_status != 0)
		return c->spec->start_status;
	if (c->spec->interval_us > 0)
		node_timer_after(node, &c->timer, c->spec->interval_us);
	return 0;
}

static void chatter_message(struct node *node, link_id from, const struct message *message)
{
	struct chatter *c = chatter_of(node);
	struct chatter_record *r = &c->spec->record;
	input(c);
	r->last_from = from;
	uint64_t number = load_u64(message->payload.data);
	switch (message->kind) {
	case MESSAGE_ONEWAY:
		r->seen[r->pings % CHATTER_SEEN_MAX] = number;
		r->pings++;
		r->last_ping_us = node_now_us(node);
		if (r->pings == c->spec->fatal_after)
			node_fatal(node, STATUS_IO, "had enough after %llu",
				   (unsigned long long)r->pings);
		break;
	case MESSAGE_REQUEST:
		r->requests++;
		if (!c->spec->mute)
			node_reply(node, from, message, 0, message->payload);
		break;
	case MESSAGE_REPLY:
		r->replied[r->replies % CHATTER_SEEN_MAX] = number;
		r->replies++;
		break;
	}
}

static void chatter_link_down(struct node *node, link_id link)
{
	struct chatter *c = chatter_of(node);
	input(c);
	c->spec->record.link_downs++;
	c->spec->record.last_down = link;
}

static void chatter_turn_end(struct node *node)
{
	struct chatter_record *r = &chatter_of(node)->spec->record;
	r->turns++;
	r->inputs_in_turn = 0;
	if (node_now_us(node) < r->now_us)
		r->unordered_clock = true;
	r->now_us = node_now_us(node);
	r->wall_us = node_wall_us(node);
}

static void chatter_stop(struct node *node)
{
	struct chatter *c = chatter_of(node);
	c->spec->record.stops++;
	if (c->spec->slow_stop)
		node_timer_after(node, &c->stop_timer, 10 * SIM_MILLISECOND);
	else
		stop_now(c);
}

static void chatter_destroy(struct node *node)
{
	struct chatter *c = chatter_of(node);
	c->spec->record.destroys++;
	node_timer_cancel(node, &c->timer);
	node_timer_cancel(node, &c->stop_timer);
	node_done(node);
	free(c->scratch);
	free(c);
}

static bool chatter_ready(struct node *node)
{
	(void)node;
	return true;
}

static void chatter_status_json(struct node *node, struct buffer *out)
{
	(void)node;
	buffer_format(out, "{}");
}

static const struct node_ops chatter_ops = {
	.start = chatter_start,
	.message = chatter_message,
	.link_down = chatter_link_down,
	.turn_end = chatter_turn_end,
	.stop = chatter_stop,
	.destroy = chatter_destroy,
	.ready = chatter_ready,
	.status_json = chatter_status_json,
};

struct node *chatter_build(void *context, struct sim_process *process)
{
	((struct chatter_spec *)context)->record.force = process->force;
	struct chatter *c = ALLOC(struct chatter);
	node_init(&c->node, &chatter_ops, &process->env, &process->log);
	c->spec = context;
	c->scratch = alloc_zeroed(1, c->spec->payload_bytes > 8 ? c->spec->payload_bytes : 8);
	timer_init(&c->timer, tick, c);
	timer_init(&c->stop_timer, stop_now, c);
	return &c->node;
}

struct sim_process *chatter_add(struct sim_world *world, const char *name,
				struct chatter_spec *spec)
{
	char address[64];
	snprintf(address, sizeof address, "%s:1", name);
	return sim_process_add(world, &(struct sim_process_spec){.name = name,
								 .address = address,
								 .build = chatter_build,
								 .context = spec});
}
