/*
 * consistency=stale over HTTP: how old an answer may be, and what to do if that is too old:
 * http_kv.h.
 */
#include <event2/event_struct.h>
#include <inttypes.h>
#include <stdio.h>

#include "gate/http_kv_internal.h"
#include "host/internal.h"
#include "wire/method.h"

static uint64_t elapsed_us(const struct pending *p)
{
	uint64_t now_us = host_clock_us(HOST_CLOCK);
	return now_us > p->asked_us ? now_us - p->asked_us : 0;
}

/*
 * What the answer says of its age, or, if it is the leader's, what follows from when it was asked.
 * False: it is malformed.
 */
static bool take_age(struct pending *p, struct slice *payload)
{
	struct wire_stale_reply reply;
	uint64_t elapsed = elapsed_us(p);
	p->age_known = true;
	p->age_us = elapsed;
	p->slot = 0;
	if (p->method != METHOD_QUERY_STALE)
		return true;
	if (wire_stale_reply_decode(*payload, &p->kv->arena, &reply) != 0)
		return false;
	p->age_known = reply.age_known && reply.age_us < UINT64_MAX - elapsed;
	p->age_us = p->age_known ? reply.age_us + elapsed : 0;
	p->slot = reply.slot;
	*payload = reply.body;
	return true;
}

static bool young_enough(const struct pending *p)
{
	uint64_t max_us = p->parameters.max_age_ms * 1000ull;
	return max_us == 0 || (p->age_known && p->age_us <= max_us);
}

bool http_kv_stale_declined(struct pending *p, int status, struct slice payload)
{
	if (p->method != METHOD_QUERY_STALE)
		return false;
	switch (status) {
	case STATUS_OK: return !take_age(p, &payload) || !young_enough(p);
	case STATUS_UNAVAILABLE:
	case STATUS_UNKNOWN: /* no answer */
	case STATUS_BUSY:
	case STATUS_NOT_LEADER:
	case STATUS_WRONG_GROUP:
	case STATUS_UNKNOWN_METHOD: return true;
	default: return false;
	}
}

bool http_kv_stale_answer(struct pending *p, struct slice *payload)
{
	char text[24];
	if (!p->parameters.stale)
		return true;
	if (!take_age(p, payload)) {
		http_kv_reply_error(p, STATUS_INTERNAL, slice(NULL, 0));
		return false;
	}
	if (!young_enough(p)) {
		struct buffer error = {0};
		wire_error_format(&error,
				  "no answer that is at most %" PRIu32
				  " ms old: the leader's took %" PRIu64 " ms",
				  p->parameters.max_age_ms, p->age_us / 1000);
		http_kv_reply_error(p, STATUS_UNAVAILABLE, buffer_slice(&error));
		buffer_free(&error);
		return false;
	}
	snprintf(text, sizeof text, "%" PRIu64, (p->age_us + 999) / 1000);
	http_add_header(p->request, "Synod-Age-Ms", p->age_known ? text : "unknown");
	snprintf(text, sizeof text, "%" PRIu64, p->slot);
	if (p->slot != 0)
		http_add_header(p->request, "Synod-Slot", text);
	return true;
}
