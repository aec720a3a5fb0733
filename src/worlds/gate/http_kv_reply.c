/* Codes, errors, hints and counters: http_kv.h. */
#include <stdio.h>

#include "gate/http_kv_internal.h"

static const int codes[HTTP_KV_CODES] = {200, 307, 400, 403, 404, 409, 413,
					 421, 500, 502, 503, 504, 507, 0};

void http_kv_reply(struct http_kv *kv, struct http_request *request, int code, struct slice json)
{
	size_t i = 0;
	while (codes[i] != code && codes[i] != 0)
		i++;
	ASSERT(codes[i] == code);
	kv->replies[i]++;
	http_reply(request, code, "application/json", json);
}

static int code_of(int status)
{
	switch (status) {
	case STATUS_NOT_FOUND: return 404;
	case STATUS_BAD_REQUEST:
	case STATUS_CROSS_GROUP: return 400;
	case STATUS_DENIED: return 403;
	case STATUS_NOT_NUMBER: return 409;
	case STATUS_TOO_LARGE: return 413;
	case STATUS_WRONG_GROUP: return 421;
	case STATUS_WRONG_CLUSTER:
	case STATUS_WRONG_VERSION:
	case STATUS_WRONG_NODE: return 502;
	case STATUS_UNKNOWN: return 504;
	case STATUS_NO_SPACE: return 507;
	default: return status_class(status) == STATUS_CLASS_RETRY ? 503 : 500;
	}
}

static void send_error(struct http_kv *kv, struct http_request *request, int code,
		       const struct kv_json_error *error)
{
	struct buffer body = {0};
	if (code == 503 && error->location.len == 0)
		http_add_header(request, "Retry-After", "1");
	kv_json_error(&body, error);
	http_kv_reply(kv, request, code, buffer_slice(&body));
	buffer_free(&body);
}

void http_kv_refuse(struct http_kv *kv, struct http_request *request, int code, int status,
		    const char *why)
{
	struct kv_json_error error = {.status = status, .message = slice_string(why)};
	send_error(kv, request, code, &error);
}

/* ---- hints ---- */

/* The URL of the first of the servers at `addresses` whose HTTP address is known. */
static void find_location(struct pending *p, const struct slice *addresses, uint32_t count,
			  struct buffer *out)
{
	const struct http_kv_options *options = &p->kv->options;
	char address[ADDRESS_BYTES_MAX + 1];
	for (uint32_t i = 0; i < count && out->len == 0 && options->http_address != NULL; i++) {
		if (options->http_address(options->context, addresses[i], address) &&
		    !http_kv_location(p->request, address, out))
			return;
	}
}

/*
 * The group of the key. False: none has it, or it is the one that has just refused. Then time may
 * help.
 */
static bool hint_owner(struct pending *p, struct http_kv_owner *owner, struct buffer *location)
{
	const struct http_kv_options *options = &p->kv->options;
	struct slice addresses[REPLICAS_MAX];
	if (options->owner == NULL || !options->owner(options->context, bytes_slice(p->key), owner))
		return false;
	for (uint32_t i = 0; i < owner->naddresses; i++)
		addresses[i] = slice_string(owner->addresses[i]);
	find_location(p, addresses, owner->naddresses, location);
	return true;
}

static const char *message_of(const struct pending *p, int status)
{
	if (status != STATUS_UNKNOWN)
		return status_text(status);
	return p->kind == PENDING_GET ? "no answer in time"
				      : "outcome unknown: the command may or may not be applied";
}

static void set_location(struct pending *p, const struct buffer *location)
{
	char terminated[8192];
	if (location->len == 0 || location->len >= sizeof terminated)
		return;
	snprintf(terminated, sizeof terminated, "%.*s", (int)location->len,
		 (const char *)location->data);
	http_add_header(p->request, "Location", terminated);
}

void http_kv_reply_error(struct pending *p, int status, struct slice payload)
{
	struct wire_error decoded = {0};
	struct buffer location = {0};
	struct http_kv_owner owner = {0};
	int code = code_of(status);
	if (payload.len == 0 || wire_error_decode(payload, &p->kv->arena, &decoded) != 0)
		decoded = (struct wire_error){0};
	if (status == STATUS_NOT_LEADER)
		find_location(p, &decoded.leader, decoded.leader.len > 0, &location);
	if (status == STATUS_WRONG_GROUP && !hint_owner(p, &owner, &location))
		code = 503;
	if (location.len > 0 && p->parameters.redirect)
		code = 307;
	struct kv_json_error error = {
		.status = status,
		.message = decoded.message.len > 0 ? decoded.message
						   : slice_string(message_of(p, status)),
		.key = p->kind == PENDING_TXN ? slice(NULL, 0) : bytes_slice(p->key),
		.leader = decoded.leader,
		.group = owner.group,
		.naddresses = owner.naddresses,
		.addresses = owner.addresses,
		.location = buffer_slice(&location),
	};
	if (status == STATUS_UNAVAILABLE && error.leader.len == 0)
		error.leader = slice_string(p->target); /* who cannot be reached */
	set_location(p, &location);
	send_error(p->kv, p->request, code, &error);
	buffer_free(&location);
}

/* ---- counters ---- */

void http_kv_metrics(struct http_kv *kv, struct metrics *metrics)
{
	char label[32];
	for (size_t i = 0; codes[i] != 0; i++) {
		snprintf(label, sizeof label, "code=\"%d\"", codes[i]);
		metrics_add(metrics, METRIC_COUNTER, "synod_http_kv_replies_total",
			    "Answers to requests for keys over HTTP.", label, &kv->replies[i]);
	}
	metrics_add(metrics, METRIC_COUNTER, "synod_http_kv_forwarded_total",
		    "Requests for keys over HTTP that were sent to another server.", NULL,
		    &kv->forwarded);
	metrics_add(metrics, METRIC_GAUGE, "synod_http_kv_pending",
		    "Requests for keys over HTTP that wait for an answer.", NULL, &kv->npending);
}
