/* What any server tells about itself: STATUS, CLUSTER, JSON. */
#include "rsm/status_json.h"
#include "server/server.h"

static void fill_status(struct server *server, struct wire_status *status)
{
	*status = (struct wire_status){0};
	if (server->rsm != NULL)
		rsm_status(server->rsm, status);
	status->name = slice_string(server->name);
	if (server->kind->role != NULL)
		status->role = slice_string(server->kind->role);
	status->version = slice_string(server->version);
	if (server->kind->fill_status != NULL)
		server->kind->fill_status(&server->node, status);
}

void server_answer_status(struct node *node, link_id from, const struct message *request)
{
	struct server *server = server_of(node);
	struct wire_status status;
	fill_status(server, &status);
	buffer_clear(&server->out);
	wire_status_encode(&status, &server->out);
	server_reply(server, from, request, 0);
}

void server_answer_cluster(struct node *node, link_id from, const struct message *request)
{
	struct server *server = server_of(node);
	struct wire_cluster cluster = {.cluster = slice_string(server->cluster),
				       .shards = server->nshards,
				       .nmasters = server->nmasters};
	for (uint32_t i = 0; i < server->nmasters; i++)
		cluster.masters[i] = slice_string(server->masters[i]);
	if (server->kind->fill_cluster != NULL)
		server->kind->fill_cluster(node, &cluster);
	ASSERT(cluster.nmasters <= REPLICAS_MAX);
	buffer_clear(&server->out);
	wire_cluster_encode(&cluster, &server->out);
	server_reply(server, from, request, 0);
}

void server_write_json(struct node *node, struct buffer *out)
{
	struct server *server = server_of(node);
	struct wire_status status;
	fill_status(server, &status);
	status_json_open(&status, out);
	if (server->kind->write_json != NULL)
		server->kind->write_json(node, out);
	buffer_format(out, "}");
}
