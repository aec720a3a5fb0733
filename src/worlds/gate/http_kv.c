/* From an HTTP request to the node, and back: http_kv.h. */
#include "gate/http_kv_internal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "gate/kv_json.h"
#include "wire/method.h"

static void pending_free(struct pending *p)
{
	list_remove(&p->link);
	p->kv->npending--;
	bytes_unref(p->command);
	bytes_unref(p->key);
	bytes_unref(p->payload);
	bytes_unref(p->refusal);
	free(p);
}

/* ---- answers ---- */

static int decode_command_reply(struct pending *p, struct slice payload,
				struct wire_kv_command *command, struct wire_kv_reply *reply)
{
	struct arena *arena = &p->kv->arena;
	int status = wire_kv_command_decode(bytes_slice(p->command), arena, command);
	if (status == 0)
		status = wire_kv_reply_decode(payload, arena, reply);
	if (status != 0)
		return status;
	uint32_t expected = reply->succeeded ? command->nthen : command->notherwise;
	return reply->nresults == expected ? 0 : STATUS_INTERNAL;
}

/* One operation's reply: its result stands alone. */
static void answer_result(struct pending *p, const struct wire_kv_result *result)
{
	struct buffer body = {0};
	unsigned flags = p->kind == PENDING_GET ? KV_JSON_VALUE : 0;
	if (result->status != 0) {
		http_kv_reply_error(p, result->status, slice(NULL, 0));
		return;
	}
	kv_json_record(&body, bytes_slice(p->key), result,
		       flags | (p->parameters.base64 ? KV_JSON_BASE64 : 0));
	http_kv_reply(p->kv, p->request, 200, buffer_slice(&body));
	buffer_free(&body);
}

static void answer_txn(struct pending *p, struct slice payload)
{
	struct wire_kv_command command;
	struct wire_kv_reply reply;
	struct buffer body = {0};
	if (decode_command_reply(p, payload, &command, &reply) != 0) {
		http_kv_reply_error(p, STATUS_INTERNAL, slice(NULL, 0));
		return;
	}
	kv_json_txn(&body, &command, &reply, p->parameters.base64 ? KV_JSON_BASE64 : 0);
	http_kv_reply(p->kv, p->request, 200, buffer_slice(&body));
	buffer_free(&body);
}

static void answer_get(struct pending *p, struct slice payload)
{
	struct wire_kv_query_reply reply;
	if (!http_kv_stale_answer(p, &payload))
		return;
	if (wire_kv_query_reply_decode(payload, &p->kv->arena, &reply) != 0 || reply.nresults != 1)
		http_kv_reply_error(p, STATUS_INTERNAL, slice(NULL, 0));
	else
		answer_result(p, &reply.results[0]);
}

static void answer_write(struct pending *p, struct slice payload)
{
	struct wire_kv_reply reply;
	if (wire_kv_reply_decode(payload, &p->kv->arena, &reply) != 0 || reply.nresults != 1)
		http_kv_reply_error(p, STATUS_INTERNAL, slice(NULL, 0));
	else
		answer_result(p, &reply.results[0]);
}

void http_kv_answer(struct pending *p, int status, struct slice payload)
{
	arena_reset(&p->kv->arena);
	if (status != 0)
		http_kv_reply_error(p, status, payload);
	else if (p->kind == PENDING_GET)
		answer_get(p, payload);
	else if (p->kind == PENDING_TXN)
		answer_txn(p, payload);
	else
		answer_write(p, payload);
	pending_free(p);
}

/* ---- requests ---- */

/* What is common to all: NULL, and the request is answered, if it cannot go on. */
static struct pending *begin(struct http_kv *kv, struct http_request *request,
			     enum pending_kind kind)
{
	char error[KV_JSON_ERROR_BYTES];
	struct parameters parameters;
	/*
	 * A browser sends this header with what pages of other sites make it send. They could not
	 * read the answer, but a write would be done.
	 */
	if (http_request_header(request, "Origin", &(struct slice){0})) {
		http_kv_refuse(kv, request, 403, STATUS_DENIED,
			       "requests from web pages are not served");
		return NULL;
	}
	if (!http_kv_parameters(request, &parameters, error)) {
		http_kv_refuse(kv, request, 400, STATUS_BAD_REQUEST, error);
		return NULL;
	}
	if (parameters.stale && kind != PENDING_GET) {
		http_kv_refuse(kv, request, 400, STATUS_BAD_REQUEST,
			       "'consistency' is for reads: GET /get/KEY");
		return NULL;
	}
	if (kv->npending >= HTTP_KV_REQUESTS_MAX) {
		http_kv_refuse(kv, request, 503, STATUS_BUSY,
			       "too many requests are under way, try again");
		return NULL;
	}
	struct pending *p = ALLOC(struct pending);
	p->kv = kv;
	p->request = request;
	p->kind = kind;
	p->parameters = parameters;
	list_push_back(&kv->pending, &p->link);
	kv->npending++;
	arena_reset(&kv->arena);
	return p;
}

static void refuse_begun(struct pending *p, int status, const char *why)
{
	http_kv_refuse(p->kv, p->request, status == STATUS_TOO_LARGE ? 413 : 400, status, why);
	pending_free(p);
}

static void send_command(struct pending *p, const struct wire_kv_command *command)
{
	struct buffer body = {0}, payload = {0};
	wire_kv_command_encode(command, &body);
	if (body.len > COMMAND_BYTES_MAX) {
		refuse_begun(p, STATUS_TOO_LARGE, "all keys and values together exceed 2 MiB");
	} else {
		struct wire_command message = {.body = buffer_slice(&body)}; /* no session */
		wire_command_encode(&message, &payload);
		if (p->kind == PENDING_TXN)
			p->command = bytes_copy(buffer_slice(&body));
		http_kv_ask(p, METHOD_COMMAND, buffer_slice(&payload));
	}
	buffer_free(&body);
	buffer_free(&payload);
}

static void serve_get(struct pending *p, struct slice key)
{
	struct buffer payload = {0};
	struct wire_kv_query query = {.nkeys = 1, .keys = &key};
	wire_kv_query_encode(&query, &payload);
	http_kv_ask(p, p->parameters.stale ? METHOD_QUERY_STALE : METHOD_QUERY,
		    buffer_slice(&payload));
	buffer_free(&payload);
}

static void serve_delete(struct pending *p, struct slice key)
{
	struct wire_kv_op op = {.kind = WIRE_KV_DELETE, .key = key};
	struct wire_kv_command command = {.nthen = 1, .then = &op};
	send_command(p, &command);
}

/* GET, HEAD and DELETE /get/KEY */
static void on_key(struct http_request *request, void *context)
{
	bool deletes = http_request_method(request) == HTTP_DELETE;
	struct pending *p = begin(context, request, deletes ? PENDING_DELETE : PENDING_GET);
	struct slice key;
	if (p == NULL)
		return;
	const char *wrong = http_kv_key(request, &p->parameters, &p->kv->arena, &key);
	if (wrong != NULL) {
		refuse_begun(p, STATUS_BAD_REQUEST, wrong);
		return;
	}
	p->key = bytes_copy(key);
	if (deletes)
		serve_delete(p, key);
	else
		serve_get(p, key);
}

static void on_body(struct http_kv *kv, struct http_request *request, enum pending_kind kind)
{
	char error[KV_JSON_ERROR_BYTES];
	struct wire_kv_command command;
	struct pending *p = begin(kv, request, kind);
	if (p == NULL)
		return;
	struct slice text = http_request_body(request);
	int status = kind == PENDING_PUT ? kv_json_parse_record(text, &kv->arena, &command, error)
					 : kv_json_parse_txn(text, &kv->arena, &command, error);
	http_request_drop_body(request);
	if (status != 0) {
		refuse_begun(p, status, error);
		return;
	}
	p->key = bytes_copy(http_kv_first_key(&command));
	send_command(p, &command);
}

static void on_put(struct http_request *request, void *context)
{
	on_body(context, request, PENDING_PUT);
}

static void on_txn(struct http_request *request, void *context)
{
	on_body(context, request, PENDING_TXN);
}

/* ---- life ---- */

/* The requests themselves belong to the server, which is about to free them. */
static void on_destroy(void *context)
{
	struct http_kv *kv = context;
	struct list *first;
	while ((first = list_first(&kv->pending)) != NULL) {
		struct pending *p = LIST_ITEM(first, struct pending, link);
		http_kv_cancel(p);
		pending_free(p);
	}
	if (kv->forwarder != NULL)
		forwarder_destroy(kv->forwarder);
	arena_free(&kv->arena);
	free(kv);
}

void http_kv_serve(struct http *http, const struct http_kv_options *options)
{
	struct http_kv *kv = ALLOC(struct http_kv);
	const struct http_page pages[] = {
		{"/put", HTTP_PUT, on_put, kv},
		{"/get/", HTTP_GET | HTTP_DELETE, on_key, kv},
		{"/txn", HTTP_POST, on_txn, kv},
	};
	kv->host = http_host(http);
	kv->options = *options;
	kv->forwarder = forwarder_create(kv->host);
	list_init(&kv->pending);
	arena_init(&kv->arena, ARENA_BYTES_MAX);
	http_kv_metrics(kv, &http_node(http)->metrics);
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
		http_add_page(http, &pages[i]);
	http_set_body_bytes_max(http, HTTP_KV_BODY_BYTES_MAX);
	http_at_destroy(http, on_destroy, kv);
}
