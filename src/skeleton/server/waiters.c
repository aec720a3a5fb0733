/* Who waits, who may leave, and how many of these in one turn. */
#include "server/waiters.h"

#include <stdlib.h>

#include "base/alloc.h"

static struct waiter *waiter_of(struct list *link)
{
	return LIST_ITEM(link, struct waiter, link);
}

/* Takes it out; it is the caller's. */
static void take_out(struct waiter *waiter)
{
	struct waiters *w = waiter->owner;
	ASSERT(w->count > 0);
	node_timer_cancel(w->options.node, &waiter->timeout);
	list_remove(&waiter->link);
	w->count--;
}

static void forget(struct waiter *waiter)
{
	take_out(waiter);
	free(waiter);
}

static size_t leave(struct waiter *waiter)
{
	const struct waiters_options *options = &waiter->owner->options;
	take_out(waiter);
	size_t bytes = options->leave(options->context, waiter);
	free(waiter);
	return bytes;
}

static void timed_out(void *data)
{
	leave(data);
}

void waiters_init(struct waiters *w, const struct waiters_options *options)
{
	*w = (struct waiters){.options = *options};
	list_init(&w->waiting);
	list_init(&w->leaving);
}

uint32_t waiters_timeout_ms(const struct message *request, uint32_t default_ms, uint32_t most_ms)
{
	uint32_t timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : default_ms;
	return timeout_ms < most_ms ? timeout_ms : most_ms;
}

bool waiters_add(struct waiters *w, link_id from, const struct message *request, uint64_t awaited,
		 uint64_t detail, uint32_t timeout_ms)
{
	ASSERT(request->kind == MESSAGE_REQUEST);
	if (w->count >= w->options.max)
		return false;
	struct waiter *waiter = ALLOC(struct waiter);
	waiter->owner = w;
	waiter->from = from;
	waiter->request = *request;
	waiter->request.payload = slice(NULL, 0);
	waiter->awaited = awaited;
	waiter->detail = detail;
	timer_init(&waiter->timeout, timed_out, waiter);
	list_push_back(&w->waiting, &waiter->link);
	w->count++;
	if (timeout_ms != 0)
		node_timer_after(w->options.node, &waiter->timeout, 1000ull * timeout_ms);
	return true;
}

static void over(struct waiter *waiter)
{
	list_remove(&waiter->link);
	list_push_back(&waiter->owner->leaving, &waiter->link);
}

void waiters_reach(struct waiters *w, uint64_t reached)
{
	LIST_FOR_SAFE (link, after, &w->waiting)
		if (waiter_of(link)->awaited <= reached)
			over(waiter_of(link));
}

void waiters_pick(struct waiters *w, bool (*there)(void *context, const struct waiter *waiter))
{
	LIST_FOR_SAFE (link, after, &w->waiting)
		if (there(w->options.context, waiter_of(link)))
			over(waiter_of(link));
}

bool waiters_let_go(struct waiters *w)
{
	size_t bytes = 0, most = w->options.bytes_per_turn;
	LIST_FOR_SAFE (link, after, &w->leaving) {
		if (most != 0 && bytes >= most)
			return false;
		bytes += leave(waiter_of(link));
	}
	return true;
}

void waiters_dismiss(struct waiters *w)
{
	LIST_FOR_SAFE (link, after, &w->leaving)
		leave(waiter_of(link));
	LIST_FOR_SAFE (link, after, &w->waiting)
		leave(waiter_of(link));
}

void waiters_refuse(struct waiters *w, void (*refuse)(void *context, const struct waiter *waiter))
{
	LIST_FOR_SAFE (link, after, &w->waiting) {
		struct waiter *waiter = waiter_of(link);
		take_out(waiter);
		refuse(w->options.context, waiter);
		free(waiter);
	}
}

static void forget_link(struct list *list, link_id down)
{
	LIST_FOR_SAFE (link, after, list)
		if (waiter_of(link)->from == down)
			forget(waiter_of(link));
}

void waiters_link_down(struct waiters *w, link_id link)
{
	forget_link(&w->leaving, link);
	forget_link(&w->waiting, link);
}

void waiters_done(struct waiters *w)
{
	LIST_FOR_SAFE (link, after, &w->leaving)
		forget(waiter_of(link));
	LIST_FOR_SAFE (link, after, &w->waiting)
		forget(waiter_of(link));
	ASSERT(w->count == 0);
}
