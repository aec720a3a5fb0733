/* What a viewserver tells about itself: STATUS, JSON, metrics. */
#include <inttypes.h>

#include "base/log_json.h"
#include "view/node_internal.h"

void view_fill_status(struct node *node, struct wire_status *status)
{
	status->config = view_app_current(view_node_of(node)->server.app)->number;
}

void view_write_json(struct node *node, struct buffer *out)
{
	const struct view *view = view_app_current(view_node_of(node)->server.app);
	buffer_format(out, ",\"view\":{\"number\":%" PRIu64 ",\"primary\":", view->number);
	log_json_string(out, slice_string(view->primary.name));
	buffer_format(out, ",\"backup\":");
	log_json_string(out, slice_string(view->backup.name));
	buffer_format(out, ",\"acknowledged\":%s,\"synced\":%s}",
		      view_acknowledged(view) ? "true" : "false",
		      view_synced(view) ? "true" : "false");
}

static uint64_t read_view_number(void *context)
{
	return view_app_current(context)->number;
}

static uint64_t read_servers_alive(void *context)
{
	struct view_node *n = context;
	uint64_t alive = 0, now_us = node_now_us(&n->server.node);
	for (uint32_t i = 0; n->leading && i < n->table.count; i++)
		alive += view_table_alive(&n->table, &n->table.servers[i].server, now_us);
	return alive;
}

void view_status_metrics(struct view_node *n)
{
	struct metrics *m = &n->server.node.metrics;
	metrics_add_read(m, METRIC_GAUGE, "synod_view_number", "Number of the present view.", NULL,
			 read_view_number, n->server.app);
	metrics_add_read(m, METRIC_GAUGE, "synod_view_servers_alive",
			 "Servers that ping; 0 unless this replica leads.", NULL,
			 read_servers_alive, n);
	metrics_add(m, METRIC_COUNTER, "synod_view_pings_total", "Pings taken.", NULL, &n->pings);
	metrics_add(m, METRIC_COUNTER, "synod_view_changes_total",
		    "Views proposed by this replica.", NULL, &n->changes);
}
