/* Refusals of the node, which counts them. */
#include "shardkv/node_internal.h"

void shardkv_node_refuse(struct shardkv_node *n, link_id link, const struct message *request,
			 int status, uint64_t config, const char *text)
{
	struct wire_error error = {.message = slice_string(text), .config = config};
	unsigned code = status_to_wire(status);
	shardkv_app_counters(n->server.app)->refusals[code < SHARDKV_STATUS_CODES ? code : 0]++;
	server_refuse_error(&n->server, link, request, status, &error);
}
