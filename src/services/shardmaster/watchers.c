#include "shardmaster/watchers.h"

#include <stdlib.h>

#include "base/alloc.h"

struct watcher {
	struct list link;
	struct watchers *owner;
	struct timer timeout;
	link_id from;
	struct message request;
	uint64_t number;
};

void watchers_init(struct watchers *w, struct node *node, uint32_t max,
		   void (*leave)(void *context, link_id from, const struct message *request),
		   void *context)
{
	*w = (struct watchers){.node = node, .max = max, .leave = leave, .context = context};
	list_init(&w->waiting);
}

static void forget(struct watcher *watcher)
{
	node_timer_cancel(watcher->owner->node, &watcher->timeout);
	list_remove(&watcher->link);
	watcher->owner->count--;
	free(watcher);
}

static void leave(struct watcher *watcher)
{
	struct watchers *w = watcher->owner;
	struct message request = watcher->request;
	link_id from = watcher->from;

	forget(watcher);
	w->leave(w->context, from, &request);
}

static void timed_out(void *data)
{
	leave(data);
}

bool watchers_add(struct watchers *w, link_id from, const struct message *request, uint64_t number,
		  uint32_t timeout_ms)
{
	if (w->count >= w->max)
		return false;
	struct watcher *watcher = ALLOC(struct watcher);
	watcher->owner = w;
	watcher->from = from;
	watcher->request = *request;
	watcher->request.payload = slice(NULL, 0);
	watcher->number = number;
	timer_init(&watcher->timeout, timed_out, watcher);
	list_push_back(&w->waiting, &watcher->link);
	w->count++;
	node_timer_after(w->node, &watcher->timeout, 1000ull * timeout_ms);
	return true;
}

void watchers_wake(struct watchers *w, uint64_t newest)
{
	LIST_FOR_SAFE (link, after, &w->waiting) {
		struct watcher *watcher = LIST_ITEM(link, struct watcher, link);
		if (watcher->number < newest || newest == UINT64_MAX)
			leave(watcher);
	}
}

void watchers_link_down(struct watchers *w, link_id down)
{
	LIST_FOR_SAFE (link, after, &w->waiting) {
		struct watcher *watcher = LIST_ITEM(link, struct watcher, link);
		if (watcher->from == down)
			forget(watcher);
	}
}

void watchers_done(struct watchers *w)
{
	LIST_FOR_SAFE (link, after, &w->waiting)
		forget(LIST_ITEM(link, struct watcher, link));
}
