/* Writing JSON: kv_json.h. */
#include <jansson.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "gate/kv_json.h"

static void set_text(json_t *object, const char *name, struct slice text)
{
	json_t *string = json_stringn(text.len > 0 ? (const char *)text.data : "", text.len);
	/* Every text that may not be UTF-8 has been looked at. */
	ASSERT(string != NULL);
	json_object_set_new(object, name, string);
}

static void set_bytes(json_t *object, const char *name, const char *encoding_name,
		      struct slice bytes, bool as_base64)
{
	struct buffer encoded = {0};
	if (!as_base64 && utf8_valid(bytes.data, bytes.len)) {
		set_text(object, name, bytes);
		return;
	}
	base64_encode(&encoded, bytes);
	set_text(object, name, buffer_slice(&encoded));
	json_object_set_new(object, encoding_name, json_string("base64"));
	buffer_free(&encoded);
}

/* jansson's integers are signed; beyond them a real keeps the order of magnitude. */
static void set_number(json_t *object, const char *name, uint64_t number)
{
	json_object_set_new(object, name,
			    number <= INT64_MAX ? json_integer((json_int_t)number)
						: json_real((double)number));
}

static void dump(struct buffer *out, json_t *json_take)
{
	size_t size = json_dumpb(json_take, NULL, 0, JSON_COMPACT);
	ASSERT(size > 0);
	buffer_reserve(out, size + 1);
	json_dumpb(json_take, (char *)out->data + out->len, size, JSON_COMPACT);
	out->len += size;
	buffer_add_u8(out, '\n');
	json_decref(json_take);
}

void kv_json_record(struct buffer *out, struct slice key, const struct wire_kv_result *result,
		    unsigned flags)
{
	json_t *object = json_object();
	set_bytes(object, "key", "key_encoding", key, false);
	if ((flags & KV_JSON_VALUE) != 0)
		set_bytes(object, "value", "encoding", result->value,
			  (flags & KV_JSON_BASE64) != 0);
	set_number(object, "version", result->version);
	set_number(object, "modification", result->modification);
	dump(out, object);
}

static json_t *txn_result(const struct wire_kv_op *op, const struct wire_kv_result *result,
			  unsigned flags)
{
	bool has_value = op->kind != WIRE_KV_PUT && op->kind != WIRE_KV_DELETE &&
			 result->status != STATUS_NOT_FOUND;
	json_t *object = json_object();
	if (op->kind == WIRE_KV_CAS) /* it is told when it is not the one that was asked for */
		has_value = result->status == STATUS_COMPARE_FALSE;
	json_object_set_new(object, "op", json_string(operation_row(op->kind)->word));
	set_bytes(object, "key", "key_encoding", op->key, false);
	json_object_set_new(object, "ok", json_boolean(result->status == 0));
	if (result->status != 0)
		json_object_set_new(object, "error", json_string(status_text(result->status)));
	if (has_value)
		set_bytes(object, "value", "encoding", result->value,
			  (flags & KV_JSON_BASE64) != 0);
	set_number(object, "version", result->version);
	set_number(object, "modification", result->modification);
	return object;
}

void kv_json_txn(struct buffer *out, const struct wire_kv_command *command,
		 const struct wire_kv_reply *reply, unsigned flags)
{
	const struct wire_kv_op *ops = reply->succeeded ? command->then : command->otherwise;
	json_t *object = json_object();
	json_t *results = json_array();
	ASSERT(reply->nresults == (reply->succeeded ? command->nthen : command->notherwise));
	for (uint32_t i = 0; i < reply->nresults; i++)
		json_array_append_new(results, txn_result(&ops[i], &reply->results[i], flags));
	json_object_set_new(object, "succeeded", json_boolean(reply->succeeded));
	json_object_set_new(object, "results", results);
	dump(out, object);
}

static void set_optional(json_t *object, const char *name, struct slice text)
{
	if (text.len > 0 && utf8_valid(text.data, text.len))
		set_text(object, name, text);
}

void kv_json_error(struct buffer *out, const struct kv_json_error *error)
{
	json_t *object = json_object();
	bool readable = error->message.len > 0 &&
			utf8_valid(error->message.data, error->message.len);
	set_text(object, "error",
		 readable ? error->message : slice_string(status_text(error->status)));
	json_object_set_new(object, "status", json_string(status_name(error->status)));
	if (error->key.len > 0)
		set_bytes(object, "key", "key_encoding", error->key, false);
	set_optional(object, "leader", error->leader);
	if (error->group != 0)
		set_number(object, "group", error->group);
	if (error->naddresses > 0) {
		json_t *addresses = json_array();
		for (uint32_t i = 0; i < error->naddresses; i++)
			json_array_append_new(addresses, json_string(error->addresses[i]));
		json_object_set_new(object, "addresses", addresses);
	}
	set_optional(object, "location", error->location);
	dump(out, object);
}
