/*
 * The group's generation (rsm/force.h): the shard masters keep it. A start asks them for it before
 * it counts, and who leads goes on asking: it may have been cut off while the others were given up
 * for lost.
 */
#include <inttypes.h>

#include "rsm/members.h"
#include "shardkv/node_internal.h"
#include "wire/method.h"

#define ASK_TIMEOUT_US 1000000u
#define ASK_AGAIN_US 200000u /* while a start waits */
#define ASK_LEADING_US 3000000u
#define RECORD_TIMEOUT_US 5000000u
#define PATIENCE_US 5000000u /* a start that waits says so, this often */

static void arm(struct shardkv_node *n)
{
	node_timer_after(&n->server.node, &n->generation.timer,
			 rsm_awaits_generation(n->server.rsm) ? ASK_AGAIN_US : ASK_LEADING_US);
}

static void asked(void *context, int status, struct slice payload)
{
	struct shardkv_node *n = context;
	struct wire_config config;
	n->generation.call = NULL;
	arena_reset(&n->server.arena);
	if (status == 0 && wire_config_decode(payload, &n->server.arena, &config) == 0)
		rsm_generation_named(n->server.rsm, config.generation, config.generation_life,
				     config.generation_begun);
	arm(n);
}

static void tell_waiting(struct shardkv_node *n)
{
	uint64_t now_us = node_now_us(&n->server.node);
	if (n->generation.told_us == 0)
		n->generation.told_us = now_us;
	if (now_us < n->generation.told_us + PATIENCE_US)
		return;
	n->generation.told_us = now_us;
	log_event(n->server.node.log, LOG_WARN, "generation_waits",
		  "group=%" PRIu64 " generation=%" PRIu32
		  " meaning=\"a replica that has been started takes part when the shard masters, "
		  "or a majority of "
		  "its group that has gone on running, say that the group was not made to go on "
		  "without it "
		  "meanwhile (kvctl member force): "
		  "start the shard masters\"",
		  n->options.gid, rsm_generation(n->server.rsm));
}

static void on_timer(void *data)
{
	struct shardkv_node *n = data;
	bool waits = rsm_awaits_generation(n->server.rsm);
	if (waits)
		tell_waiting(n);
	if (n->generation.call != NULL || !(waits || n->leading)) {
		arm(n);
		return;
	}
	buffer_clear(&n->server.out);
	wire_master_query_encode(&(struct wire_master_query){.number = UINT64_MAX,
							     .brief = true,
							     .generation_of = n->options.gid},
				 &n->server.out);
	n->generation.call = caller_start(n->masters, METHOD_QUERY, buffer_slice(&n->server.out),
					  node_now_us(&n->server.node) + ASK_TIMEOUT_US, asked, n);
}

void generation_ask(struct shardkv_node *n)
{
	if (n->options.nmasters > 0)
		node_timer_after(&n->server.node, &n->generation.timer, 0);
}

/* ---- recording the next one ---- */

static void recorded(void *context, int status, struct slice payload)
{
	struct shardkv_node *n = context;
	struct wire_master_reply reply;
	struct wire_error error = {.message = slice_string("they do not answer")};
	n->generation.record = NULL;
	arena_reset(&n->server.arena);
	if (status == 0)
		status = wire_master_reply_decode(payload, &n->server.arena, &reply);
	else if (payload.len > 0 && wire_error_decode(payload, &n->server.arena, &error) != 0)
		error.message = slice_string(status_text(status));
	rsm_generation_recorded(n->server.rsm, status, error.message);
}

static struct slice own_address(const struct shardkv_node *n)
{
	for (uint32_t i = 0; i < n->options.nmembers; i++)
		if (n->options.members[i].replica == n->options.replica)
			return slice_string(n->options.members[i].client_address);
	return slice_string("");
}

void generation_record(void *context, uint32_t generation)
{
	struct shardkv_node *n = context;
	struct wire_group group = {
		.gid = n->options.gid, .nmembers = 1, .members = {own_address(n)}};
	struct wire_master_command command = {.op = WIRE_MASTER_FORCE,
					      .ngroups = 1,
					      .groups = &group,
					      .generation = generation,
					      .group_id = rsm_group_id(n->server.rsm),
					      .life = n->server.node.env->life};
	struct buffer body = {0};
	wire_master_command_encode(&command, &body);
	/* Without a session: for the same disk it is recorded once. */
	buffer_clear(&n->server.out);
	wire_command_encode(&(struct wire_command){.body = buffer_slice(&body)}, &n->server.out);
	if (n->generation.record != NULL)
		caller_cancel(n->generation.record);
	n->generation.record = caller_start(
		n->masters, METHOD_COMMAND, buffer_slice(&n->server.out),
		node_now_us(&n->server.node) + RECORD_TIMEOUT_US, recorded, n);
	buffer_free(&body);
}

void generation_init(struct shardkv_node *n)
{
	timer_init(&n->generation.timer, on_timer, n);
}

void generation_free(struct shardkv_node *n)
{
	if (n->generation.call != NULL)
		caller_cancel(n->generation.call);
	if (n->generation.record != NULL)
		caller_cancel(n->generation.record);
	n->generation.call = n->generation.record = NULL;
	node_timer_cancel(&n->server.node, &n->generation.timer);
}
