/* What a caller gets: one reply, in one piece of memory. */
#include "client/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/paxosd.h"
#include "wire/wire.h"

int client_bytes_decode(struct synod_bytes *out, struct slice in, struct arena *arena)
{
	char *copy = arena_try(arena, in.len + 1);
	if (copy == NULL)
		return STATUS_TOO_LARGE;
	if (in.len > 0)
		memcpy(copy, in.data, in.len);
	copy[in.len] = '\0';
	*out = (struct synod_bytes){.data = copy, .len = in.len};
	return 0;
}

/* Its address tells; it is never copied. */
static const char value_omitted[] = "";

bool synod_value_omitted(struct synod_bytes value)
{
	return value.data == value_omitted;
}

static int decode_result(struct synod_result *out, const struct wire_kv_result *in,
			 struct arena *arena)
{
	out->status = -in->status;
	out->version = in->version;
	out->modification = in->modification;
	out->value = (struct synod_bytes){.data = value_omitted};
	return in->omitted > 0 ? 0 : client_bytes_decode(&out->value, in->value, arena);
}

/* Beside a success: why there is no value. */
static const char *without_value(uint64_t bytes, struct arena *arena)
{
	char *text = arena_try(arena, 160);
	if (text == NULL)
		return "the value is not known any more";
	snprintf(text, 160,
		 "done; the value of %" PRIu64
		 " bytes is not known any more: the first answer was lost, and the key has been "
		 "changed since",
		 bytes);
	return text;
}

/* The reply to a plain operation, or a plain read, is that of its only result. */
static int decode_single(struct synod_reply *out, const struct wire_kv_result *results,
			 uint32_t count, struct arena *arena)
{
	struct synod_result result;
	if (count != 1)
		return STATUS_BAD_REQUEST;
	int status = decode_result(&result, &results[0], arena);
	if (status != 0)
		return status;
	out->status = result.status;
	out->message = result.status == SYNOD_OK ? "" : status_text(-result.status);
	if (result.status == SYNOD_OK && results[0].omitted > 0)
		out->message = without_value(results[0].omitted, arena);
	out->value = result.value;
	out->version = result.version;
	out->modification = result.modification;
	return 0;
}

int client_reply_decode_command(struct synod_reply *out, struct slice payload, struct arena *arena)
{
	struct wire_kv_reply reply;
	int status = wire_kv_reply_decode(payload, arena, &reply);
	return status != 0 ? status : decode_single(out, reply.results, reply.nresults, arena);
}

int client_reply_decode_txn(struct synod_reply *out, struct slice payload, struct arena *arena)
{
	struct wire_kv_reply reply;
	int status = wire_kv_reply_decode(payload, arena, &reply);
	if (status != 0)
		return status;
	out->message = "";
	out->succeeded = reply.succeeded;
	out->nresults = reply.nresults;
	out->results = arena_try(arena, (reply.nresults + 1) * sizeof *out->results);
	if (out->results == NULL)
		return STATUS_TOO_LARGE;
	for (uint32_t i = 0; i < reply.nresults && status == 0; i++)
		status = decode_result(&out->results[i], &reply.results[i], arena);
	return status;
}

int client_reply_decode_read(struct synod_reply *out, struct slice payload, struct arena *arena)
{
	struct wire_kv_query_reply reply;
	int status = wire_kv_query_reply_decode(payload, arena, &reply);
	return status != 0 ? status : decode_single(out, reply.results, reply.nresults, arena);
}

int client_reply_decode_master(struct synod_reply *out, struct slice payload, struct arena *arena)
{
	struct wire_master_reply reply;
	int status = wire_master_reply_decode(payload, arena, &reply);
	if (status != 0)
		return status;
	out->message = "";
	out->version = reply.config;
	return 0;
}

int client_reply_decode_change(struct synod_reply *out, struct slice payload, struct arena *arena)
{
	struct wire_change_members_reply reply;
	int status = wire_change_members_reply_decode(payload, arena, &reply);
	if (status != 0)
		return status;
	out->message = "";
	out->version = reply.slot;
	out->modification = reply.number;
	return 0;
}

int client_reply_decode_log_write(struct synod_reply *out, struct slice payload,
				  struct arena *arena)
{
	struct wire_log_reply reply;
	int status = wire_log_reply_decode(payload, arena, &reply);
	if (status != 0)
		return status;
	out->message = "";
	out->version = reply.slot != 0 ? reply.slot : reply.last;
	out->modification = reply.first;
	return 0;
}

int client_reply_decode_log_read(struct synod_reply *out, struct slice payload, struct arena *arena)
{
	struct wire_log_entries entries;
	int status = wire_log_entries_decode(payload, arena, &entries);
	if (status != 0)
		return status;
	out->message = "";
	out->version = entries.last;
	out->modification = entries.first;
	out->nrecords = entries.nvalues;
	out->more = entries.from + entries.nvalues <= entries.last;
	out->records = arena_try(arena, (entries.nvalues + 1) * sizeof *out->records);
	if (out->records == NULL)
		return STATUS_TOO_LARGE;
	for (uint32_t i = 0; i < entries.nvalues && status == 0; i++) {
		out->records[i] = (struct synod_record){.key.data = "",
							.version = entries.from + i};
		status = client_bytes_decode(&out->records[i].value, entries.values[i], arena);
	}
	return status;
}

uint64_t client_reply_decode_error(struct synod_reply *out, int status, struct slice payload,
				   struct arena *arena)
{
	struct wire_error error;
	struct synod_bytes message;
	out->status = -status;
	out->message = status_text(status);
	if (wire_error_decode(payload, arena, &error) != 0)
		return 0;
	if (error.message.len > 0 && client_bytes_decode(&message, error.message, arena) == 0)
		out->message = message.data;
	return error.config;
}

/*
 * Room for a copy: first measured with data == NULL, then filled. Strings come last and need no
 * alignment.
 */
struct copier {
	char *data;
	size_t used;
};

static struct synod_bytes copy_bytes(struct copier *copier, struct synod_bytes in)
{
	struct synod_bytes out = {.len = in.len};
	if (synod_value_omitted(in))
		return in;
	if (copier->data != NULL) {
		char *to = copier->data + copier->used;
		if (in.len > 0)
			memcpy(to, in.data, in.len);
		to[in.len] = '\0';
		out.data = to;
	}
	copier->used += in.len + 1;
	return out;
}

/* `out` is a shallow copy with its own arrays; both passes walk the same way. */
static void copy_strings(struct copier *copier, const struct synod_reply *in,
			 struct synod_reply *out)
{
	const char *message = in->message != NULL ? in->message : "";
	out->message = copy_bytes(copier,
				  (struct synod_bytes){.data = message, .len = strlen(message)})
			       .data;
	out->value = copy_bytes(copier, in->value);
	out->resume = copy_bytes(copier, in->resume);
	for (size_t i = 0; i < in->nresults; i++) {
		struct synod_bytes value = copy_bytes(copier, in->results[i].value);
		if (copier->data != NULL)
			out->results[i].value = value;
	}
	for (size_t i = 0; i < in->nrecords; i++) {
		struct synod_bytes key = copy_bytes(copier, in->records[i].key);
		struct synod_bytes value = copy_bytes(copier, in->records[i].value);
		if (copier->data != NULL) {
			out->records[i].key = key;
			out->records[i].value = value;
		}
	}
}

struct synod_reply *client_reply_copy(const struct synod_reply *reply)
{
	struct copier measure = {0};
	struct synod_reply scratch = *reply;
	copy_strings(&measure, reply, &scratch);
	size_t results_bytes = reply->nresults * sizeof *reply->results;
	size_t records_bytes = reply->nrecords * sizeof *reply->records;
	struct synod_reply *copy = malloc(sizeof *copy + results_bytes + records_bytes +
					  measure.used);
	if (copy == NULL)
		return NULL;
	*copy = *reply;
	copy->results = (struct synod_result *)(copy + 1);
	copy->records = (struct synod_record *)(void *)((char *)copy->results + results_bytes);
	if (results_bytes > 0)
		memcpy(copy->results, reply->results, results_bytes);
	if (records_bytes > 0)
		memcpy(copy->records, reply->records, records_bytes);
	struct copier copier = {.data = (char *)copy->records + records_bytes};
	copy_strings(&copier, reply, copy);
	return copy;
}
