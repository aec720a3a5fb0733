/* What a viewserver tells about itself: STATUS, CLUSTER, JSON, metrics. */
#include <inttypes.h>

#include "base/log_json.h"
#include "rsm/status_json.h"
#include "view/node_internal.h"

static void fill_status(struct view_node *n, struct wire_status *status)
{
	*status = (struct wire_status){0};
	rsm_status(n->rsm, status);
	status->name = slice_string(n->name);
	status->role = slice_string("viewserver");
	status->version = slice_string(n->version);
	status->config = view_app_current(n->app)->number;
}

void view_status_answer(struct view_node *n, link_id from, const struct message *request)
{
	struct wire_status status;
	fill_status(n, &status);
	buffer_clear(&n->out);
	wire_status_encode(&status, &n->out);
	node_reply(&n->node, from, request, 0, buffer_slice(&n->out));
}

void view_status_cluster(struct view_node *n, link_id from, const struct message *request)
{
	struct wire_cluster cluster = {
		.cluster = slice_string(n->cluster), .shards = n->nshards, .nmasters = n->nmasters};
	for (uint32_t i = 0; i < n->nmasters; i++)
		cluster.masters[i] = slice_string(n->masters[i]);
	buffer_clear(&n->out);
	wire_cluster_encode(&cluster, &n->out);
	node_reply(&n->node, from, request, 0, buffer_slice(&n->out));
}

void view_status_json(struct node *node, struct buffer *out)
{
	struct view_node *n = view_node_of(node);
	const struct view *view = view_app_current(n->app);
	struct wire_status status;
	fill_status(n, &status);
	status_json_open(&status, out);
	buffer_format(out, ",\"view\":{\"number\":%" PRIu64 ",\"primary\":", view->number);
	log_json_string(out, slice_string(view->primary.name));
	buffer_format(out, ",\"backup\":");
	log_json_string(out, slice_string(view->backup.name));
	buffer_format(out, ",\"acknowledged\":%s,\"synced\":%s}}",
		      view->acknowledged ? "true" : "false", view->synced ? "true" : "false");
}

static uint64_t read_view_number(void *context)
{
	return view_app_current(context)->number;
}

static uint64_t read_servers_alive(void *context)
{
	struct view_node *n = context;
	uint64_t alive = 0, now_us = node_now_us(&n->node);
	for (uint32_t i = 0; n->leading && i < n->table.count; i++)
		alive += view_table_alive(&n->table, &n->table.servers[i].server, now_us);
	return alive;
}

void view_status_metrics(struct view_node *n)
{
	struct metrics *m = &n->node.metrics;
	metrics_add_read(m, METRIC_GAUGE, "synod_view_number", "Number of the present view.", NULL,
			 read_view_number, n->app);
	metrics_add_read(m, METRIC_GAUGE, "synod_view_servers_alive",
			 "Servers that ping; 0 unless this replica leads.", NULL,
			 read_servers_alive, n);
	metrics_add(m, METRIC_COUNTER, "synod_view_pings_total", "Pings taken.", NULL, &n->pings);
	metrics_add(m, METRIC_COUNTER, "synod_view_changes_total",
		    "Views proposed by this replica.", NULL, &n->changes);
}
