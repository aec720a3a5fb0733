/* A client of libsynod in the simulated world: what the load asks becomes requests. */
#include "kv_client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "wire/wire.h"

#define VALUE_DIGITS 16u

struct node *sim_kv_client_build(void *context, struct sim_process *process)
{
	struct sim_kv_client *kv = context;
	kv->client = client_create(&process->env, &process->log, &kv->options);
	return client_node(kv->client);
}

/* The values of a list; false if the bytes are none. */
static bool parse_list(struct synod_bytes bytes, uint64_t **list, uint32_t *length)
{
	char digits[VALUE_DIGITS + 1] = {0};
	if (bytes.len % VALUE_DIGITS != 0)
		return false;
	*length = (uint32_t)(bytes.len / VALUE_DIGITS);
	*list = alloc_zeroed(*length + 1, sizeof **list);
	for (uint32_t i = 0; i < *length; i++) {
		memcpy(digits, bytes.data + (size_t)i * VALUE_DIGITS, VALUE_DIGITS);
		char *end;
		(*list)[i] = strtoull(digits, &end, 16);
		if (*end != '\0') {
			free(*list);
			return false;
		}
	}
	return true;
}

static void end_ok(struct sim_load_slot *slot, struct synod_bytes value)
{
	uint64_t *list = NULL;
	uint32_t length = 0;
	if (!parse_list(value, &list, &length)) {
		slot->load->violation(slot->load->context,
				      "key k%u holds what nobody appended: %.*s", slot->key,
				      (int)(value.len < 200 ? value.len : 200), value.data);
		sim_load_end(slot, SIM_HISTORY_UNKNOWN);
		return;
	}
	if (slot->kind == SIM_HISTORY_READ)
		sim_load_end_read(slot, list, length);
	else if (length > 0 && list[length - 1] == slot->value)
		sim_load_end_append(slot, length);
	else {
		slot->load->violation(slot->load->context,
				      "the answer to an append to k%u does not end with it",
				      slot->key);
		sim_load_end(slot, SIM_HISTORY_UNKNOWN);
	}
	free(list);
}

static void done(struct client_request *request, const struct synod_reply *reply,
		 struct slice payload)
{
	struct sim_load_slot *slot = request->context;
	(void)payload;
	if (reply->stale)
		sim_load_read_since(slot, sim_load_since_us(slot, reply->age_known,
							    reply->age_ms * SIM_MILLISECOND));
	switch (reply->status) {
	case SYNOD_OK:
		/*
		 * Of a repeated append the list may not be known any more; it had as many values as
		 * it had been written to.
		 */
		if (synod_value_omitted(reply->value))
			sim_load_end_append(slot, (uint32_t)reply->version);
		else
			end_ok(slot, reply->value);
		break;
	case SYNOD_NOT_FOUND: end_ok(slot, (struct synod_bytes){.data = "", .len = 0}); break;
	case SYNOD_UNKNOWN:
	case SYNOD_CLOSED: sim_load_end(slot, SIM_HISTORY_UNKNOWN); break;
	case SYNOD_UNAVAILABLE:
	case SYNOD_TOO_LARGE: /* where settings differ */
	case SYNOD_NO_SPACE: sim_load_end(slot, SIM_HISTORY_FAILED); break;
	default:
		slot->load->violation(slot->load->context, "an operation on k%u ended with %s: %s",
				      slot->key, synod_status_text(reply->status), reply->message);
		sim_load_end(slot, SIM_HISTORY_UNKNOWN);
		break;
	}
}

int sim_load_reading(const struct sim_load_slot *slot, struct client_request *request)
{
	bool stale = slot->read == SIM_READ_STALE,
	     follower = slot->read == SIM_READ_FOLLOWER || slot->read_choice >> 40 & 1;
	return client_request_reading(
		request,
		&(struct synod_read_options){
			.size = sizeof(struct synod_read_options),
			.consistency = stale ? SYNOD_STALE : SYNOD_LINEARIZABLE,
			.prefer = follower ? SYNOD_PREFER_FOLLOWER : SYNOD_PREFER_DEFAULT,
			.max_age_ms = (uint32_t)(sim_load_age_us_max(slot) / SIM_MILLISECOND)});
}

void sim_kv_client_submit(struct node *node, struct sim_load_slot *slot)
{
	struct sim_kv_client *clients = slot->load->backend;
	char key[24], value[VALUE_DIGITS + 1];
	(void)node;
	int key_len = snprintf(key, sizeof key, "k%u", slot->key);
	snprintf(value, sizeof value, "%016" PRIx64, slot->value);
	struct synod_op op = {
		.kind = slot->kind == SIM_HISTORY_READ ? SYNOD_OP_GET : SYNOD_OP_APPEND,
		.key = {.data = key, .len = (size_t)key_len},
		.value = {.data = value, .len = slot->kind == SIM_HISTORY_READ ? 0 : VALUE_DIGITS},
	};
	struct client_request *request = NULL;
	int status = clients[slot->client].primary ? client_request_pb(&request, &op)
						   : client_request_op(&request, &op);
	if (status == 0 && slot->kind == SIM_HISTORY_READ && slot->read != SIM_READ_LEADER &&
	    !clients[slot->client].primary)
		status = sim_load_reading(slot, request);
	ASSERT(status == 0);
	request->timeout_ms = slot->timeout_ms;
	request->done = done;
	request->context = slot;
	client_submit(clients[slot->client].client, request);
}

void sim_kv_append_encode(uint32_t key, uint64_t value, struct buffer *body)
{
	char name[24], digits[VALUE_DIGITS + 1];
	snprintf(name, sizeof name, "k%u", key);
	snprintf(digits, sizeof digits, "%016" PRIx64, value);
	struct wire_kv_op op = {
		.kind = WIRE_KV_APPEND, .key = slice_string(name), .value = slice_string(digits)};
	wire_kv_command_encode(&(struct wire_kv_command){.nthen = 1, .then = &op}, body);
}
