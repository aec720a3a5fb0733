/* The paxosd's side of synod.h: the log, and the agreement service. */
#include <stdlib.h>

#include "client/reply.h"
#include "libsynod/handle.h"
#include "wire/method.h"
#include "wire/paxosd.h"

/* ---- the log ---- */

int synod_log_append_async(struct synod *s, const struct synod_bytes *values, size_t count,
			   uint64_t at, uint32_t timeout_ms, synod_callback done, void *context)
{
	struct client_request *request;
	int made = client_request_log_append(&request, values, count, at);
	return handle_submit_async(s, made, request, timeout_ms, done, context);
}

int synod_log_tail_async(struct synod *s, uint64_t from, uint32_t limit, uint32_t timeout_ms,
			 synod_callback done, void *context)
{
	struct client_request *request;
	int made = client_request_log_read(&request, true, from, limit);
	return handle_submit_async(s, made, request, timeout_ms, done, context);
}

struct synod_reply *synod_log_append(struct synod *s, const struct synod_bytes *values,
				     size_t count, uint64_t at, uint32_t timeout_ms)
{
	struct client_request *request = NULL;
	int made = client_request_log_append(&request, values, count, at);
	return handle_run(s, made, request, timeout_ms, NULL);
}

struct synod_reply *synod_log_read(struct synod *s, uint64_t from, uint32_t limit,
				   uint32_t timeout_ms)
{
	struct client_request *request = NULL;
	int made = client_request_log_read(&request, false, from, limit);
	return handle_run(s, made, request, timeout_ms, NULL);
}

struct synod_reply *synod_log_tail(struct synod *s, uint64_t from, uint32_t limit,
				   uint32_t timeout_ms)
{
	struct client_request *request = NULL;
	int made = client_request_log_read(&request, true, from, limit);
	return handle_run(s, made, request, timeout_ms, NULL);
}

struct synod_reply *synod_log_trim(struct synod *s, uint64_t slot, uint32_t timeout_ms)
{
	struct client_request *request = NULL;
	int made = client_request_log_trim(&request, slot);
	return handle_run(s, made, request, timeout_ms, NULL);
}

/* ---- answers of one paxosd, in one block each ---- */

struct slot_block {
	struct synod_log_slot slot; /* first: it is what the user holds */
	struct arena arena;
};
struct paxos_block {
	struct synod_paxos paxos; /* first */
	struct arena arena;
};

/* For when there is no memory for an answer: not to be freed. */
static struct synod_log_slot slot_no_memory = {
	.status = SYNOD_NO_MEMORY, .message = "out of memory", .value.data = ""};
static struct synod_paxos paxos_no_memory = {
	.status = SYNOD_NO_MEMORY, .message = "out of memory", .value.data = "", .peer = ""};

/* Terminated, in the arena. Without memory "", and arena->failed says so. */
static const char *text_of(struct slice in, struct arena *arena)
{
	struct synod_bytes text;
	return client_bytes_decode(&text, in, arena) == 0 ? text.data : "";
}

static void read_slot(struct slot_block *block, const struct synod_reply *reply,
		      struct slice payload)
{
	struct synod_log_slot *slot = &block->slot;
	struct wire_log_slot wire;
	*slot = (struct synod_log_slot){.status = reply->status, .value.data = ""};
	slot->message = text_of(slice_string(reply->message), &block->arena);
	if (reply->status != SYNOD_OK)
		return;
	if (wire_log_slot_decode(payload, &block->arena, &wire) != 0 ||
	    client_bytes_decode(&slot->value, wire.value, &block->arena) != 0) {
		slot->status = SYNOD_UNAVAILABLE;
		slot->message = "the server's answer is malformed";
		return;
	}
	slot->state = (enum synod_log_state)wire.state;
	slot->first = wire.first;
	slot->last = wire.last;
}

_Static_assert((int)SYNOD_LOG_EMPTY == WIRE_LOG_EMPTY && (int)SYNOD_LOG_CLEARED == WIRE_LOG_CLEARED,
	       "same numbers");
_Static_assert((int)SYNOD_PAXOS_PENDING == WIRE_AGREEMENT_PENDING &&
		       (int)SYNOD_PAXOS_FORGOTTEN == WIRE_AGREEMENT_IS_FORGOTTEN,
	       "same numbers");

struct synod_log_slot *synod_log_slot(struct synod *s, const char *peer, uint64_t slot,
				      uint32_t timeout_ms)
{
	struct slot_block *block = calloc(1, sizeof *block);
	if (block == NULL)
		return &slot_no_memory;
	struct client_request *request = NULL;
	struct bytes *payload;
	int made = client_request_log_slot(&request, peer, slot);
	struct synod_reply *reply = handle_run(s, made, request, timeout_ms, &payload);
	arena_init_fallible(&block->arena, ARENA_BYTES_MAX);
	read_slot(block, reply, payload != NULL ? bytes_slice(payload) : slice(NULL, 0));
	bytes_unref(payload);
	synod_reply_free(reply);
	if (block->arena.failed) {
		synod_log_slot_free(&block->slot);
		return &slot_no_memory;
	}
	return &block->slot;
}

void synod_log_slot_free(struct synod_log_slot *slot)
{
	if (slot == NULL || slot == &slot_no_memory)
		return;
	struct slot_block *block = (struct slot_block *)(void *)slot;
	arena_free(&block->arena);
	free(block);
}

/* ---- the agreement service ---- */

static void read_paxos(struct paxos_block *block, const struct synod_reply *reply,
		       struct slice payload)
{
	struct synod_paxos *paxos = &block->paxos;
	struct wire_agreement_state wire;
	*paxos = (struct synod_paxos){.status = reply->status, .value.data = "", .peer = ""};
	paxos->message = text_of(slice_string(reply->message), &block->arena);
	if (reply->status != SYNOD_OK)
		return;
	if (wire_agreement_state_decode(payload, &block->arena, &wire) != 0 ||
	    client_bytes_decode(&paxos->value, wire.value, &block->arena) != 0) {
		paxos->status = SYNOD_UNAVAILABLE;
		paxos->message = "the server's answer is malformed";
		return;
	}
	paxos->state = (enum synod_paxos_state)wire.status;
	paxos->min = wire.min;
	paxos->max = (int64_t)wire.next - 1;
	paxos->peer = text_of(wire.peer, &block->arena);
}

static struct synod_paxos *ask(struct synod *s, const char *peer, uint16_t method, uint64_t seq,
			       struct synod_bytes value, uint32_t timeout_ms)
{
	struct paxos_block *block = calloc(1, sizeof *block);
	if (block == NULL)
		return &paxos_no_memory;
	struct client_request *request = NULL;
	struct bytes *payload;
	int made = client_request_agreement(&request, peer, method, seq, value);
	struct synod_reply *reply = handle_run(s, made, request, timeout_ms, &payload);
	arena_init_fallible(&block->arena, ARENA_BYTES_MAX);
	read_paxos(block, reply, payload != NULL ? bytes_slice(payload) : slice(NULL, 0));
	bytes_unref(payload);
	synod_reply_free(reply);
	if (block->arena.failed) {
		synod_paxos_free(&block->paxos);
		return &paxos_no_memory;
	}
	return &block->paxos;
}

struct synod_paxos *synod_paxos_start(struct synod *s, const char *peer, uint64_t seq,
				      const void *value, size_t value_len, uint32_t timeout_ms)
{
	struct synod_bytes bytes = {.data = value, .len = value_len};
	return ask(s, peer, METHOD_AGREEMENT_START, seq, bytes, timeout_ms);
}

struct synod_paxos *synod_paxos_status(struct synod *s, const char *peer, uint64_t seq,
				       uint32_t timeout_ms)
{
	return ask(s, peer, METHOD_AGREEMENT_STATUS, seq, (struct synod_bytes){0}, timeout_ms);
}

struct synod_paxos *synod_paxos_wait(struct synod *s, const char *peer, uint64_t seq,
				     uint32_t timeout_ms)
{
	return ask(s, peer, METHOD_AGREEMENT_WAIT, seq, (struct synod_bytes){0}, timeout_ms);
}

struct synod_paxos *synod_paxos_done(struct synod *s, const char *peer, uint64_t seq,
				     uint32_t timeout_ms)
{
	return ask(s, peer, METHOD_AGREEMENT_DONE, seq, (struct synod_bytes){0}, timeout_ms);
}

struct synod_paxos *synod_paxos_bounds(struct synod *s, const char *peer, uint32_t timeout_ms)
{
	return ask(s, peer, METHOD_AGREEMENT_BOUNDS, 0, (struct synod_bytes){0}, timeout_ms);
}

void synod_paxos_free(struct synod_paxos *paxos)
{
	if (paxos == NULL || paxos == &paxos_no_memory)
		return;
	struct paxos_block *block = (struct paxos_block *)(void *)paxos;
	arena_free(&block->arena);
	free(block);
}
