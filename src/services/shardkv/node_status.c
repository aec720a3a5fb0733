/* What a shardkv replica tells about itself: STATUS, metrics. */
#include "shardkv/node_internal.h"

#include <stdio.h>

void node_status_fill(struct node *node, struct wire_status *status)
{
	struct app *app = shardkv_node_of(node)->server.app;
	status->config = shardkv_app_config_number(app);
	status->keys = shardkv_app_keys(app);
	status->data_bytes = shardkv_app_bytes(app);
}

static uint64_t read_keys(void *context)
{
	return shardkv_app_keys(context);
}

static uint64_t read_bytes(void *context)
{
	return shardkv_app_bytes(context);
}

static uint64_t read_config(void *context)
{
	return shardkv_app_config_number(context);
}

static uint64_t read_unclaimed(void *context)
{
	return shardkv_app_unclaimed(context);
}

static uint64_t read_parked(void *context)
{
	return ((struct shardkv_node *)context)->claims.nparked;
}

static void operation_metrics(struct metrics *m, const struct shardkv_counters *c)
{
	static const int refusals[] = {STATUS_BAD_REQUEST, STATUS_TOO_LARGE,  STATUS_WRONG_GROUP,
				       STATUS_CROSS_GROUP, STATUS_NOT_NUMBER, STATUS_DENIED,
				       STATUS_BUSY,        STATUS_DEADLINE};
	char label[64];
	for (uint32_t kind = OPERATION_NONE + 1; kind < OPERATIONS; kind++) {
		snprintf(label, sizeof label, "kind=\"%s\"", operation_row(kind)->long_word);
		metrics_add(m, METRIC_COUNTER, "synod_kv_operations_total",
			    "Operations applied by this replica.", label, &c->operations[kind]);
	}
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		snprintf(label, sizeof label, "status=\"%s\"", status_name(refusals[i]));
		metrics_add(m, METRIC_COUNTER, "synod_kv_refusals_total",
			    "Requests refused by the store, or while they waited for a grant.",
			    label, &c->refusals[status_to_wire(refusals[i])]);
	}
}

void node_status_metrics(struct shardkv_node *n)
{
	struct metrics *m = &n->server.node.metrics;
	const struct shardkv_counters *c = shardkv_app_counters(n->server.app);
	metrics_add_read(m, METRIC_GAUGE, "synod_kv_keys", "Keys stored.", NULL, read_keys,
			 n->server.app);
	metrics_add_read(m, METRIC_GAUGE, "synod_kv_bytes", "Bytes of keys and values stored.",
			 NULL, read_bytes, n->server.app);
	metrics_add_read(m, METRIC_GAUGE, "synod_config_number",
			 "Number of the adopted configuration.", NULL, read_config, n->server.app);
	metrics_add_read(m, METRIC_GAUGE, "synod_kv_shards_unclaimed",
			 "Shards assigned to the group and not yet granted.", NULL, read_unclaimed,
			 n->server.app);
	metrics_add_read(m, METRIC_GAUGE, "synod_kv_parked_requests",
			 "Requests that wait for a shard to be granted.", NULL, read_parked, n);
	metrics_add(m, METRIC_COUNTER, "synod_kv_parked_requests_total",
		    "Requests that had to wait for a shard to be granted.", NULL, &n->parked_total);
	metrics_add(m, METRIC_COUNTER, "synod_kv_claims_total", "Claims sent to the shard master.",
		    NULL, &n->claims_total);
	metrics_add(m, METRIC_COUNTER, "synod_kv_transactions_total",
		    "Transactions applied by this replica.", NULL, &c->transactions);
	metrics_add(m, METRIC_COUNTER, "synod_kv_transactions_otherwise_total",
		    "Of these, those whose compares did not hold.", NULL,
		    &c->transactions_otherwise);
	metrics_add(m, METRIC_COUNTER, "synod_kv_key_reads_total", "Keys read by queries.", NULL,
		    &c->key_reads);
	metrics_add(m, METRIC_COUNTER, "synod_kv_scan_pages_total", "Pages of scans.", NULL,
		    &c->scan_pages);
	metrics_add(m, METRIC_COUNTER, "synod_kv_scan_keys_total", "Keys in these pages.", NULL,
		    &c->scan_keys);
	operation_metrics(m, c);
}
