/* Asks the service that hands out client ids. */
#include "rsm/registrar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/status.h"
#include "wire/method.h"

/*
 * Shorter than the time after which a client asks another server, so that it hears from us why
 * nothing happened.
 */
#define QUESTION_US 800000u
#define PAUSE_US 5000u

struct held {
	struct list link;
	link_id from;
	uint64_t client;
	uint64_t round;         /* of the first question whose answer counts for it */
	struct message message; /* the payload points into `payload` */
	struct bytes *payload;
};

static void ask(struct registrar *r);

static void pause_over(void *data)
{
	ask(data);
}

void registrar_init(struct registrar *r, const struct registrar_options *options)
{
	*r = (struct registrar){.options = *options};
	list_init(&r->held);
	timer_init(&r->pause, pause_over, r);
	arena_init(&r->arena, ARENA_BYTES_MAX);
}

static struct held *held_of(struct list *link)
{
	return LIST_ITEM(link, struct held, link);
}

static void take(struct registrar *r, struct held *held)
{
	list_remove(&held->link);
	r->count--;
	r->bytes -= held->message.payload.len;
}

static void held_free(struct held *held)
{
	bytes_unref(held->payload);
	free(held);
}

void registrar_free(struct registrar *r)
{
	if (r->call != NULL)
		caller_cancel(r->call);
	r->call = NULL;
	node_timer_cancel(r->options.node, &r->pause);
	LIST_FOR_SAFE (link, after, &r->held) {
		struct held *held = held_of(link);
		take(r, held);
		held_free(held);
	}
	arena_free(&r->arena);
}

/* What came of the question, for one command. */
static void settle(struct registrar *r, struct held *held, int status, bool usable,
		   uint64_t highest)
{
	const struct registrar_options *o = &r->options;
	char why[256];
	if (status != 0) {
		snprintf(why, sizeof why,
			 "the %s could not be asked whether client id %" PRIu64
			 " was ever handed out (%s): not applied; try again",
			 o->service, held->client, status_name(status));
		o->refuse(o->context, held->from, &held->message, STATUS_UNAVAILABLE, why);
	} else if (held->client > highest) {
		snprintf(why, sizeof why,
			 "the %s have not handed out client id %" PRIu64 " (the highest is %" PRIu64
			 "): ask them for one with REGISTER",
			 o->service, held->client, highest);
		o->refuse(o->context, held->from, &held->message, STATUS_SESSION_EXPIRED, why);
	} else if (!usable) {
		o->refuse(o->context, held->from, &held->message, STATUS_BUSY,
			  "too many commands are waiting; try again");
	} else {
		o->again(o->context, held->from, &held->message);
	}
}

static void answered(void *context, int status, struct slice payload)
{
	struct registrar *r = context;
	uint64_t highest = 0, round = r->round;
	r->call = NULL;
	if (status == STATUS_CANCELLED)
		return;
	arena_reset(&r->arena);
	if (status == 0)
		status = r->options.answer(payload, &r->arena, &highest);
	bool usable = status == 0 && r->options.known(r->options.context, highest);
	r->idle = true;
	/*
	 * What was put aside meanwhile belongs to a later round; but who cannot be asked now cannot
	 * be asked for those either.
	 */
	struct list *first;
	while ((first = list_first(&r->held)) != NULL &&
	       (held_of(first)->round <= round || status != 0)) {
		struct held *held = held_of(first);
		take(r, held);
		r->idle &= status != 0 || held->client > highest;
		settle(r, held, status, usable, highest);
		held_free(held);
	}
	ask(r);
}

static void ask(struct registrar *r)
{
	if (r->call != NULL || r->count == 0 || timer_armed(&r->pause))
		return;
	if (r->idle) {
		r->idle = false;
		node_timer_after(r->options.node, &r->pause, PAUSE_US);
		return;
	}
	struct buffer question = {0};
	r->options.question(&question);
	r->round++;
	r->questions++;
	r->call = caller_start(r->options.caller, METHOD_QUERY, buffer_slice(&question),
			       node_now_us(r->options.node) + QUESTION_US, answered, r);
	buffer_free(&question);
}

void registrar_hold(struct registrar *r, link_id from, const struct message *message,
		    uint64_t client)
{
	char why[160];
	if (r->count >= REGISTRAR_COMMANDS_MAX ||
	    r->bytes + message->payload.len > REGISTRAR_BYTES_MAX) {
		snprintf(why, sizeof why,
			 "too many commands of clients that are not known here wait for the %s; "
			 "try again",
			 r->options.service);
		r->options.refuse(r->options.context, from, message, STATUS_BUSY, why);
		return;
	}
	struct held *held = ALLOC(struct held);
	held->from = from;
	held->client = client;
	held->round = r->round + 1;
	held->payload = bytes_copy(message->payload);
	held->message = *message;
	held->message.payload = bytes_slice(held->payload);
	list_push_back(&r->held, &held->link);
	r->count++;
	r->bytes += held->message.payload.len;
	ask(r);
}

void registrar_link_down(struct registrar *r, link_id link)
{
	LIST_FOR_SAFE (at, after, &r->held) {
		struct held *held = held_of(at);
		if (held->from != link)
			continue;
		take(r, held);
		held_free(held);
	}
}

void registrar_release(struct registrar *r)
{
	struct list *first;
	if (r->call != NULL)
		caller_cancel(r->call);
	r->call = NULL;
	node_timer_cancel(r->options.node, &r->pause);
	/* Some may be put aside anew: those come behind. */
	for (uint32_t left = r->count; left > 0 && (first = list_first(&r->held)) != NULL; left--) {
		struct held *held = held_of(first);
		take(r, held);
		r->options.again(r->options.context, held->from, &held->message);
		held_free(held);
	}
}
