/*
 * Client ids. The shard masters alone hand them out: a group that did, too, would give two clients
 * the same. Whether an id has been handed out the leader asks them (rsm/registrar.h) when it meets
 * one above those that its group knows.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "shardkv/node_internal.h"

static void put_question(struct buffer *out)
{
	wire_master_query_encode(&(struct wire_master_query){.number = UINT64_MAX, .brief = true},
				 out);
}

static int read_answer(struct slice payload, struct arena *arena, uint64_t *highest)
{
	struct wire_config config;
	int status = wire_config_decode(payload, arena, &config);
	if (status == 0)
		*highest = config.clients;
	return status;
}

static bool known(void *context, uint64_t highest)
{
	struct shardkv_node *n = context;
	return rsm_clients(n->server.rsm, highest);
}

static void again(void *context, link_id from, const struct message *message)
{
	struct shardkv_node *n = context;
	rsm_message(n->server.rsm, from, message);
}

static void refuse(void *context, link_id from, const struct message *message, int status,
		   const char *why)
{
	shardkv_node_refuse(context, from, message, status, 0, why);
}

void clients_init(struct shardkv_node *n)
{
	struct registrar_options options = {
		.node = &n->server.node,
		.caller = n->masters,
		.service = "shard masters",
		.question = put_question,
		.answer = read_answer,
		.known = known,
		.again = again,
		.refuse = refuse,
		.context = n,
	};
	registrar_init(&n->registrar, &options);
}

void clients_unregistered(void *node, link_id from, const struct message *message, uint64_t client)
{
	struct shardkv_node *n = node;
	registrar_hold(&n->registrar, from, message, client);
}

void clients_refuse_register(struct node *node, link_id from, const struct message *message)
{
	struct shardkv_node *n = shardkv_node_of(node);
	char *masters = alloc_join(n->server.masters, n->server.nmasters, ", ");
	char *text = alloc_format("a group of the store hands out no client ids: REGISTER at the "
				  "shard masters (%s)",
				  masters);
	shardkv_node_refuse(n, from, message, STATUS_UNKNOWN_METHOD, 0, text);
	free(text);
	free(masters);
}
