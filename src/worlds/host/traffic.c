/*
 * Frames and bytes by peer, method and direction. A series appears when it first counts something.
 * Only nodes that are known by name get series of their own, so that strangers cannot make the
 * table grow.
 */
#include "host/internal.h"
#include <stdio.h>

void traffic_register(struct host *host)
{
	struct metrics *m = &host->node->metrics;
	metrics_add(m, METRIC_COUNTER, "synod_connections_accepted_total", "Connections accepted.",
		    NULL, &host->accepted_total);
	metrics_add(m, METRIC_COUNTER, "synod_connections_dialled_total",
		    "Connections made to other nodes.", NULL, &host->dialled_total);
	metrics_add(m, METRIC_COUNTER, "synod_connections_rejected_total",
		    "Connections closed for bad bytes or because there were too many.", NULL,
		    &host->rejected_total);
	metrics_add(m, METRIC_COUNTER, "synod_connections_cut_total",
		    "Connections that this side ended for a limit or an error.", NULL,
		    &host->cut_total);
	metrics_add(m, METRIC_COUNTER, "synod_hellos_refused_total",
		    "Connections refused for cluster, version or node.", NULL,
		    &host->hello_refused_total);
	metrics_add(m, METRIC_COUNTER, "synod_messages_denied_total",
		    "Messages that their sender may not send (wire/sender.h).", NULL,
		    &host->denied_total);
	metrics_add(m, METRIC_COUNTER, "synod_messages_dropped_total",
		    "Messages dropped because their link could not take them.", NULL,
		    &host->dropped_total);
	metrics_add_histogram(m, "synod_loop_turn_seconds",
			      "Time spent in one turn of the event loop, without waiting.", NULL,
			      &host->turn_us);
	metrics_add(m, METRIC_GAUGE, "synod_connections_accepted",
		    "Accepted connections that are open.", NULL, &host->accepted_count);
	metrics_add(m, METRIC_GAUGE, "synod_network_buffered_bytes",
		    "Unsent output and unfinished input of all connections.", NULL,
		    &host->buffered_bytes);
}

static void register_series(struct host *host, const struct peer *peer,
			    enum traffic_direction direction, uint16_t method)
{
	static const char *const names[2][2] = {
		{"synod_rpc_frames_received_total", "synod_rpc_bytes_received_total"},
		{"synod_rpc_frames_sent_total", "synod_rpc_bytes_sent_total"},
	};
	const struct traffic_series *series = &peer->series[direction][method];
	char labels[160];
	snprintf(labels, sizeof labels, "method=\"%s\",peer=\"%s\"", method_text(method),
		 peer->name);
	metrics_add(&host->node->metrics, METRIC_COUNTER, names[direction][0],
		    "RPC frames by method and peer.", labels, &series->frames);
	metrics_add(&host->node->metrics, METRIC_COUNTER, names[direction][1],
		    "RPC bytes by method and peer, frame headers included.", labels,
		    &series->bytes);
}

void traffic_count(struct link *link, enum traffic_direction direction, uint16_t method,
		   size_t bytes)
{
	uint16_t index = method <= METHOD_NUMBER_MAX ? method : METHOD_NUMBER_MAX;
	struct traffic_series *series = &link->peer->series[direction][index];
	if (series->frames++ == 0)
		register_series(link->host, link->peer, direction, index);
	series->bytes += bytes;
}
