/* What a pbserver tells about itself: STATUS, JSON, metrics. */
#include <inttypes.h>

#include "base/log_json.h"
#include "pb/internal.h"

static const char *state_text(struct pb_node *n)
{
	if (!pings_fresh(n))
		return "cut off";
	switch (n->standing) {
	case STANDING_PRIMARY: return "primary";
	case STANDING_FILLED: return "backup";
	case STANDING_FILLING: return "filling";
	case STANDING_IDLE: break;
	}
	return n->refused ? "without state" : "idle";
}

/* The "slots" of a pbserver are the commands that its state contains. */
void pb_fill_status(struct node *node, struct wire_status *status)
{
	struct pb_node *n = pb_node_of(node);
	status->state = slice_string(state_text(n));
	status->leader = n->primary.wire.address;
	status->leader_name = n->primary.wire.name;
	status->ballot = n->view << 8;
	status->chosen = n->state.commands;
	status->applied = n->state.commands;
	status->config = n->view;
	status->keys = pb_state_keys(&n->state);
	status->data_bytes = pb_state_bytes(&n->state);
	status->sessions = n->state.sessions.by_client.count;
	status->uptime_ms = (node_now_us(node) - n->started_us) / 1000;
}

void pb_write_json(struct node *node, struct buffer *out)
{
	struct pb_node *n = pb_node_of(node);
	buffer_format(out, ",\"view\":{\"number\":%" PRIu64 ",\"primary\":", n->view);
	log_json_string(out, n->primary.wire.name);
	buffer_format(out, ",\"backup\":");
	log_json_string(out, n->backup.wire.name);
	buffer_format(out, ",\"complete\":%s,\"waiting_bytes\":%" PRIu64 "}",
		      pb_is_complete(n) ? "true" : "false", n->stream.queue_bytes);
}

static uint64_t read_keys(void *context)
{
	return pb_state_keys(context);
}

static uint64_t read_bytes(void *context)
{
	return pb_state_bytes(context);
}

static uint64_t read_primary(void *context)
{
	return pb_is_primary(context);
}

static uint64_t read_synced(void *context)
{
	struct pb_node *n = context;
	return pb_is_primary(n) && n->synced;
}

void pb_status_metrics(struct pb_node *n)
{
	struct metrics *m = &n->server.node.metrics;
	const struct pb_counters *c = &n->counters;
	const struct {
		const char *name, *help;
		const uint64_t *value;
	} counters[] = {
		{"synod_pb_commands_total", "Commands taken as primary.", &c->commands},
		{"synod_pb_queries_total", "Reads taken as primary.", &c->queries},
		{"synod_pb_repeats_total", "Commands answered from their session.", &c->repeats},
		{"synod_pb_not_primary_total", "Requests sent on to the primary.", &c->not_primary},
		{"synod_pb_cut_off_total", "Requests refused while cut off from the view service.",
		 &c->cut_off},
		{"synod_pb_busy_total", "Requests refused because too much waited for the backup.",
		 &c->busy},
		{"synod_pb_answers_total", "Answers given as primary.", &n->answered},
		{"synod_pb_frames_sent_total", "Frames sent to the backup.", &c->frames_sent},
		{"synod_pb_frames_resent_total", "Frames sent again.", &c->frames_resent},
		{"synod_pb_frames_taken_total", "Frames taken as backup.", &c->frames_taken},
		{"synod_pb_frames_refused_total", "Frames of other views or out of order.",
		 &c->frames_refused},
		{"synod_pb_frames_impossible_total", "Frames that no primary can have sent.",
		 &n->refusals.count},
		{"synod_pb_begun_anew_total",
		 "Times this server's state was not its primary's, and it began anew.", &c->anew},
		{"synod_pb_transfers_begun_total", "State transfers begun as primary.",
		 &c->transfers_begun},
		{"synod_pb_transfers_done_total", "State transfers confirmed by the backup.",
		 &c->transfers_done},
		{"synod_pb_transfer_bytes_total", "Bytes of records sent in state transfers.",
		 &c->transfer_bytes},
		{"synod_pb_promotions_total", "Times this server became primary.", &c->promotions},
	};
	for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
		metrics_add(m, METRIC_COUNTER, counters[i].name, counters[i].help, NULL,
			    counters[i].value);
	metrics_add(m, METRIC_GAUGE, "synod_pb_view_number", "Number of the adopted view.", NULL,
		    &n->view);
	metrics_add_read(m, METRIC_GAUGE, "synod_pb_primary", "1 if this server is the primary.",
			 NULL, read_primary, n);
	metrics_add_read(m, METRIC_GAUGE, "synod_pb_backup_synced",
			 "1 if this server is the primary and its backup holds the whole state.",
			 NULL, read_synced, n);
	metrics_add_read(m, METRIC_GAUGE, "synod_pb_keys", "Keys stored.", NULL, read_keys,
			 &n->state);
	metrics_add_read(m, METRIC_GAUGE, "synod_pb_bytes", "Bytes of keys and values stored.",
			 NULL, read_bytes, &n->state);
	metrics_add(m, METRIC_GAUGE, "synod_pb_queue_bytes",
		    "Frames and answers that wait for the backup.", NULL, &n->stream.queue_bytes);
}
