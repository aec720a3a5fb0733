/*
 * Which server is asked, and which one after it: http_kv.h.
 *
 * A round begins with the group that has the key: with this node, if it is its own group, otherwise
 * with the member that led when last seen. It follows what NOT_LEADER says, and goes on to the next
 * member if that one cannot be reached. When a round has come to nothing there is a pause, and
 * another round. A request goes on to the next server only while it has certainly not been carried
 * out by any; a read also when that is not known. A read waits for one server half of the time that
 * it has left: one that has stopped, or is cut off, must not cost all of it while the others have
 * long elected another leader. Who has not answered is not the first to be asked next time.
 */
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

#include "gate/http_kv_internal.h"
#include "host/internal.h"
#include "wire/method.h"

#define ROUND_PAUSE_MS 50u
#define ASKED_A_ROUND_MAX (2u * REPLICAS_MAX)
#define READ_PATIENCE_MIN_MS 20u
#define LEADER_WAIT_MS 1000u /* how long a request waits while this node knows no leader */

static void ask_round(struct pending *p);

static uint32_t left_ms(const struct pending *p)
{
	uint64_t now_us = host_now_us(p->kv->host);
	return now_us < p->deadline_us ? (uint32_t)((p->deadline_us - now_us + 999) / 1000) : 0;
}

static bool is_read(const struct pending *p)
{
	return p->method == METHOD_QUERY || p->method == METHOD_QUERY_STALE;
}

static bool may_forward(const struct pending *p)
{
	return p->kv->forwarder != NULL && p->parameters.forward && !p->parameters.redirect;
}

static void keep_refusal(struct pending *p, int status, struct slice payload)
{
	bytes_unref(p->refusal);
	p->refusal_status = status;
	p->refusal = bytes_copy(payload);
}

/* Nobody is asked any more: what was said last is the answer. */
static void give_up(struct pending *p)
{
	struct bytes *refusal = bytes_ref(p->refusal);
	http_kv_answer(p, p->refusal_status, bytes_slice(refusal));
	bytes_unref(refusal);
}

/* ---- whom to ask ---- */

/*
 * The members of the group that has the key, if it is another one; in front the one that was the
 * last to answer.
 */
static bool find_group(struct pending *p)
{
	const struct http_kv_options *options = &p->kv->options;
	struct http_kv_owner owner = {0};
	p->ncandidates = p->next = 0;
	p->group = 0;
	if (options->owner == NULL ||
	    !options->owner(options->context, bytes_slice(p->key), &owner) || owner.naddresses == 0)
		return false;
	const struct http_kv_leader *known = &p->kv->leaders[owner.group % HTTP_KV_LEADERS];
	p->group = owner.group;
	uint32_t first = 0;
	for (uint32_t i = 0; i < owner.naddresses; i++)
		if (known->group == owner.group && strcmp(known->address, owner.addresses[i]) == 0)
			first = i;
	for (uint32_t i = 0; i < owner.naddresses; i++)
		snprintf(p->candidates[p->ncandidates++], sizeof p->candidates[0], "%s",
			 owner.addresses[(first + i) % owner.naddresses]);
	return true;
}

static void remember_leader(struct pending *p)
{
	struct http_kv_leader *known = &p->kv->leaders[p->group % HTTP_KV_LEADERS];
	if (p->group == 0)
		return;
	known->group = p->group;
	snprintf(known->address, sizeof known->address, "%s", p->target);
}

/* Who has given no answer is no leader to begin with: whoever follows is. */
static void remember_silence(struct pending *p)
{
	struct http_kv_leader *known = &p->kv->leaders[p->group % HTTP_KV_LEADERS];
	uint32_t silent = 0;
	if (p->group == 0 || p->ncandidates == 0)
		return;
	while (silent + 1 < p->ncandidates && strcmp(p->candidates[silent], p->target) != 0)
		silent++;
	known->group = p->group;
	snprintf(known->address, sizeof known->address, "%s",
		 p->candidates[(silent + 1) % p->ncandidates]);
}

/* Whom a NOT_LEADER answer names, if it is somebody else than has given it. */
static bool take_hint(struct pending *p, struct slice payload)
{
	struct wire_error error = {0};
	arena_reset(&p->kv->arena);
	if (wire_error_decode(payload, &p->kv->arena, &error) != 0 || error.leader.len == 0 ||
	    error.leader.len > ADDRESS_BYTES_MAX ||
	    slice_equal(error.leader, slice_string(p->target)) ||
	    memchr(error.leader.data, '\0', error.leader.len) != NULL)
		return false;
	snprintf(p->target, sizeof p->target, "%.*s", (int)error.leader.len,
		 (const char *)error.leader.data);
	return true;
}

/* ---- asking ---- */

static void on_pause(void *data)
{
	struct pending *p = data;
	if (left_ms(p) == 0)
		give_up(p);
	else
		ask_round(p);
}

static void pause_round(struct pending *p)
{
	uint32_t left = left_ms(p);
	if (left == 0)
		give_up(p);
	else
		node_timer_after(forwarder_node(p->kv->forwarder), &p->pause,
				 (left < ROUND_PAUSE_MS ? left : ROUND_PAUSE_MS) * 1000ull);
}

static void on_elsewhere(void *context, int status, struct slice payload);

/* Sends the request to p->target. */
static void ask_elsewhere(struct pending *p)
{
	uint32_t left = left_ms(p);
	if (left == 0) {
		give_up(p);
		return;
	}
	if (is_read(p) && left > 2 * READ_PATIENCE_MIN_MS)
		left /= 2;
	p->asked++;
	p->asked_us = host_now_us(p->kv->host);
	p->forward = forward_start(p->kv->forwarder, p->target, p->method, bytes_slice(p->payload),
				   left, on_elsewhere, p);
	if (p->forward != NULL) {
		p->kv->forwarded++;
		return;
	}
	struct buffer error = {0};
	wire_error_format(&error, "too much is being forwarded, not applied");
	http_kv_answer(p, STATUS_BUSY, buffer_slice(&error));
	buffer_free(&error);
}

static void ask_next(struct pending *p)
{
	if (p->next == p->ncandidates || p->asked >= ASKED_A_ROUND_MAX) {
		pause_round(p);
		return;
	}
	snprintf(p->target, sizeof p->target, "%s", p->candidates[p->next++]);
	ask_elsewhere(p);
}

static void not_leader(struct pending *p, struct slice payload)
{
	if (p->asked < ASKED_A_ROUND_MAX && take_hint(p, payload))
		ask_elsewhere(p);
	else
		ask_next(p);
}

static void wrong_group(struct pending *p)
{
	uint64_t asked = p->group;
	if (find_group(p) && p->group != asked)
		ask_next(p);
	else
		pause_round(p); /* one of us does not know the newest configuration yet */
}

/* Nobody asked had something young enough: the leader will. */
static void ask_leader(struct pending *p)
{
	p->method = METHOD_QUERY;
	ask_round(p);
}

static void on_elsewhere(void *context, int status, struct slice payload)
{
	struct pending *p = context;
	p->forward = NULL;
	arena_reset(&p->kv->arena);
	if (http_kv_stale_declined(p, status, payload)) {
		keep_refusal(p, STATUS_UNAVAILABLE, slice(NULL, 0));
		if (p->next < p->ncandidates)
			ask_next(p);
		else
			ask_leader(p);
		return;
	}
	keep_refusal(p, status, payload);
	if (status == STATUS_UNKNOWN)
		remember_silence(p);
	if (status == STATUS_NOT_LEADER) {
		not_leader(p, payload);
	} else if (status == STATUS_WRONG_GROUP) {
		wrong_group(p);
	} else if (status == STATUS_UNAVAILABLE ||
		   (status == STATUS_UNKNOWN && is_read(p) && left_ms(p) > 0)) {
		ask_next(p);
	} else {
		if (status != STATUS_UNKNOWN)
			remember_leader(p);
		http_kv_answer(p, status, payload);
	}
}

/* ---- this node ---- */

/* This node has not got the key, or does not lead; false: nor does it know who does. */
static bool go_elsewhere(struct pending *p, int status, struct slice payload)
{
	keep_refusal(p, status, payload);
	p->target[0] = '\0';
	if (status == STATUS_WRONG_GROUP) {
		if (!find_group(p))
			return false;
		ask_next(p);
	} else if (take_hint(p, payload)) {
		ask_elsewhere(p);
	} else if (host_now_us(p->kv->host) < p->leader_us) {
		pause_round(p);
	} else {
		return false;
	}
	return true;
}

static void on_here(void *context, int status, struct slice payload)
{
	struct pending *p = context;
	bool elsewhere = status == STATUS_NOT_LEADER || status == STATUS_WRONG_GROUP;
	p->call = NULL;
	arena_reset(&p->kv->arena);
	if (http_kv_stale_declined(p, status, payload)) {
		ask_leader(p);
		return;
	}
	if (!elsewhere || !may_forward(p) || !go_elsewhere(p, status, payload))
		http_kv_answer(p, status, payload);
}

static void ask_round(struct pending *p)
{
	uint32_t left = left_ms(p);
	p->asked = 0;
	if (may_forward(p) && find_group(p)) {
		ask_next(p);
	} else {
		p->asked_us = host_now_us(p->kv->host);
		p->call = host_request(p->kv->host, p->method, bytes_slice(p->payload),
				       left > 0 ? left : 1, on_here, p);
	}
}

void http_kv_ask(struct pending *p, uint16_t method, struct slice payload)
{
	uint64_t now_us = host_now_us(p->kv->host);
	p->method = method;
	p->payload = bytes_copy(payload);
	p->deadline_us = now_us + p->parameters.timeout_ms * 1000ull;
	p->leader_us = now_us + LEADER_WAIT_MS * 1000ull;
	if (p->leader_us > p->deadline_us)
		p->leader_us = p->deadline_us;
	timer_init(&p->pause, on_pause, p);
	ask_round(p);
}

void http_kv_cancel(struct pending *p)
{
	if (p->call != NULL)
		host_request_cancel(p->call);
	if (p->forward != NULL)
		forward_cancel(p->forward);
	if (p->kv->forwarder != NULL)
		node_timer_cancel(forwarder_node(p->kv->forwarder), &p->pause);
}
