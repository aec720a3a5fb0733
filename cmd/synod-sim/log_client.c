/* A client of the log service in the simulated world. */
#include "log_client.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "kv_client.h"

#define ENTRY_BYTES 12u
#define TRIM_PPM 20000u

/* An operation of the load under way: what it has to have followed before it ends. */
struct operation {
	struct sim_load_slot *slot;
	struct sim_log_client *client;
	uint64_t wanted;   /* slot; 0: not known yet */
	bool stale;        /* that was what a replica had … */
	uint64_t since_us; /* … with all that had been acknowledged by then */
};

static void follow(struct operation *op, bool newest);

struct node *sim_log_client_build(void *context, struct sim_process *process)
{
	struct sim_log_client *client = context;
	client->client = client_create(&process->env, &process->log, &client->options);
	return client_node(client->client);
}

static void violation(const struct operation *op, const char *what, uint64_t slot)
{
	op->slot->load->violation(op->slot->load->context,
				  "client %u, slot %" PRIu64 " of the log: %s", op->slot->client,
				  slot, what);
}

/* ---- what was seen ---- */

static void see(struct operation *op, uint64_t slot, struct log_value value)
{
	struct sim_log *log = op->client->log;
	if (slot >= log->capacity) {
		uint64_t before = log->capacity;
		log->capacity = slot * 2 + 1024;
		log->slots = alloc_resize(log->slots, log->capacity, sizeof *log->slots);
		memset(log->slots + before, 0, (log->capacity - before) * sizeof *log->slots);
	}
	struct log_value *seen = &log->slots[slot];
	if (seen->value == 0)
		*seen = value;
	else if (seen->key != value.key || seen->value != value.value)
		violation(op, "readers have seen two values", slot);
}

static struct buffer *list_of(struct sim_log_client *client, uint32_t key)
{
	struct buffer *list = map_get(&client->lists, (uint64_t)key + 1);
	if (list == NULL) {
		list = ALLOC(struct buffer);
		map_put(&client->lists, (uint64_t)key + 1, list);
	}
	return list;
}

static void absorb(struct operation *op, const struct synod_reply *reply)
{
	struct sim_log_client *client = op->client;
	for (size_t i = 0; i < reply->nrecords; i++) {
		struct slice bytes = slice(reply->records[i].value.data,
					   reply->records[i].value.len);
		struct log_value value;
		uint64_t slot = reply->records[i].version;
		if (!slice_take_u32(&bytes, &value.key) || !slice_take_u64(&bytes, &value.value) ||
		    bytes.len > 0) {
			violation(op, "nobody appended this", slot);
			return;
		}
		see(op, slot, value);
		/* Another operation of this client may have got further meanwhile. */
		if (slot < client->next)
			continue;
		if (slot > client->next)
			violation(op, "slots before it are missing", slot);
		buffer_add_u64(list_of(client, value.key), value.value);
		client->next = slot + 1;
	}
}

/* ---- ends ---- */

static void fail(struct operation *op, enum sim_history_outcome outcome)
{
	struct sim_load_slot *slot = op->slot;
	free(op);
	sim_load_end(slot, outcome);
}

static void ignore(struct client_request *request, const struct synod_reply *reply,
		   struct slice payload)
{
	(void)request;
	(void)reply;
	(void)payload;
}

/* What every client has followed may go. */
static void maybe_trim(struct sim_load_slot *slot, struct sim_log_client *client)
{
	const struct sim_log *log = client->log;
	uint64_t next = UINT64_MAX;
	struct client_request *request;
	if (!rng_chance(&slot->load->world->rng_workload, TRIM_PPM) || slot->load->final)
		return;
	for (uint32_t i = 0; i < log->nclients; i++)
		next = log->clients[i].next < next ? log->clients[i].next : next;
	if (next < 2)
		return;
	int status = client_request_log_trim(&request, next - 1);
	ASSERT(status == 0);
	request->timeout_ms = 1000;
	request->done = ignore;
	client_submit(client->client, request);
}

static void succeed(struct operation *op)
{
	struct sim_load_slot *slot = op->slot;
	const struct buffer *list = list_of(op->client, slot->key);
	const uint64_t *values = (const uint64_t *)(const void *)list->data;
	uint32_t length = (uint32_t)(list->len / sizeof *values), place = 0;
	struct sim_log_client *client = op->client;
	if (op->stale)
		sim_load_read_since(slot, op->since_us);
	free(op);
	if (slot->kind == SIM_HISTORY_READ) {
		sim_load_end_read(slot, values, length);
	} else {
		while (place < length && values[place] != slot->value)
			place++;
		if (place == length)
			slot->load->violation(
				slot->load->context,
				"an append to list %u was acknowledged, and is not in the log",
				slot->key);
		sim_load_end_append(slot, place + 1);
	}
	maybe_trim(slot, client);
}

/* ---- following ---- */

static void followed(struct client_request *request, const struct synod_reply *reply,
		     struct slice payload)
{
	struct operation *op = request->context;
	(void)payload;
	/* How far it has to follow the log is known from here on, and may be old. */
	if (reply->stale && reply->status == SYNOD_OK) {
		op->stale = true;
		op->since_us = sim_load_since_us(op->slot, reply->age_known,
						 reply->age_ms * SIM_MILLISECOND);
	}
	switch (reply->status) {
	case SYNOD_OK:
		absorb(op, reply);
		/* The first answer to a read says how far it has to go. */
		if (op->wanted == 0)
			op->wanted = reply->version;
		if (op->client->next > op->wanted)
			succeed(op);
		else
			follow(op, false);
		break;
	case SYNOD_CLOSED:
		fail(op,
		     op->slot->kind == SIM_HISTORY_READ ? SIM_HISTORY_FAILED : SIM_HISTORY_UNKNOWN);
		break;
	case SYNOD_COMPACTED:
		/* Another operation was quicker, and then a trim. */
		follow(op, op->wanted == 0);
		break;
	case SYNOD_UNAVAILABLE:
		/*
		 * An append was acknowledged; where it stands can be seen later, unless that never
		 * comes.
		 */
		if (op->slot->kind == SIM_HISTORY_READ)
			fail(op, SIM_HISTORY_FAILED);
		else if (op->slot->load->stopped)
			fail(op, SIM_HISTORY_UNKNOWN);
		else
			follow(op, false);
		break;
	default:
		op->slot->load->violation(op->slot->load->context,
					  "reading the log ended with %s: %s",
					  synod_status_text(reply->status), reply->message);
		fail(op, SIM_HISTORY_UNKNOWN);
		break;
	}
}

/* newest: from the leader, which knows how far the log goes at least. */
static void follow(struct operation *op, bool newest)
{
	struct client_request *request;
	uint32_t limit = (uint32_t)rng_below(&op->slot->load->world->rng_workload, 200);
	int status = client_request_log_read(&request, !newest, op->client->next, limit);
	if (status == 0 && newest && op->slot->kind == SIM_HISTORY_READ &&
	    op->slot->read != SIM_READ_LEADER)
		status = sim_load_reading(op->slot, request);
	ASSERT(status == 0);
	request->timeout_ms = op->slot->timeout_ms;
	request->done = followed;
	request->context = op;
	client_submit(op->client->client, request);
}

static void appended(struct client_request *request, const struct synod_reply *reply,
		     struct slice payload)
{
	struct operation *op = request->context;
	(void)payload;
	switch (reply->status) {
	case SYNOD_OK:
		op->wanted = reply->version;
		if (op->client->next > op->wanted)
			succeed(op);
		else
			follow(op, false);
		break;
	case SYNOD_UNKNOWN:
	case SYNOD_CLOSED: fail(op, SIM_HISTORY_UNKNOWN); break;
	case SYNOD_UNAVAILABLE:
	case SYNOD_NO_SPACE: fail(op, SIM_HISTORY_FAILED); break;
	default:
		op->slot->load->violation(op->slot->load->context,
					  "an append to the log ended with %s: %s",
					  synod_status_text(reply->status), reply->message);
		fail(op, SIM_HISTORY_UNKNOWN);
		break;
	}
}

void sim_log_client_submit(struct node *node, struct sim_load_slot *slot)
{
	struct sim_log *log = slot->load->backend;
	struct operation *op = ALLOC(struct operation);
	(void)node;
	op->slot = slot;
	op->client = &log->clients[slot->client];
	if (slot->kind == SIM_HISTORY_READ) {
		follow(op, true);
		return;
	}
	uint8_t entry[ENTRY_BYTES];
	store_u32(entry, slot->key);
	store_u64(entry + 4, slot->value);
	struct synod_bytes value = {.data = (const char *)entry, .len = sizeof entry};
	struct client_request *request;
	int status = client_request_log_append(&request, &value, 1, 0);
	ASSERT(status == 0);
	request->timeout_ms = slot->timeout_ms;
	request->done = appended;
	request->context = op;
	client_submit(op->client->client, request);
}

void sim_log_free(struct sim_log *log)
{
	for (uint32_t i = 0; i < log->nclients; i++) {
		size_t position = 0;
		uint64_t key;
		void *list;
		while (map_next(&log->clients[i].lists, &position, &key, &list)) {
			buffer_free(list);
			free(list);
		}
		map_free(&log->clients[i].lists);
	}
	free(log->slots);
}
