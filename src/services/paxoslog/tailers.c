#include "paxoslog/tailers.h"

#include <stdlib.h>

#include "base/alloc.h"

struct tailer {
	struct list link;
	struct tailers *owner;
	struct timer timeout;
	link_id from;
	struct message request;
	struct wire_log_query query;
};

void tailers_init(struct tailers *t, struct node *node,
		  size_t (*leave)(void *context, link_id from, const struct message *request,
				  const struct wire_log_query *query),
		  void *context)
{
	*t = (struct tailers){.node = node, .leave = leave, .context = context};
	list_init(&t->waiting);
}

static void forget(struct tailer *tailer)
{
	node_timer_cancel(tailer->owner->node, &tailer->timeout);
	list_remove(&tailer->link);
	tailer->owner->count--;
	free(tailer);
}

static size_t leave(struct tailer *tailer)
{
	struct tailers *t = tailer->owner;
	struct tailer copy = *tailer;
	forget(tailer);
	return t->leave(t->context, copy.from, &copy.request, &copy.query);
}

static void timed_out(void *data)
{
	leave(data);
}

bool tailers_add(struct tailers *t, link_id from, const struct message *request,
		 const struct wire_log_query *query, uint64_t timeout_ms)
{
	if (t->count >= TAILERS_MAX)
		return false;
	struct tailer *tailer = ALLOC(struct tailer);
	tailer->owner = t;
	tailer->from = from;
	tailer->request = *request;
	tailer->request.payload = slice(NULL, 0);
	tailer->query = *query;
	timer_init(&tailer->timeout, timed_out, tailer);
	list_push_back(&t->waiting, &tailer->link);
	t->count++;
	node_timer_after(t->node, &tailer->timeout, timeout_ms * 1000);
	return true;
}

bool tailers_wake(struct tailers *t, uint64_t last)
{
	size_t bytes = 0;
	LIST_FOR_SAFE (link, after, &t->waiting) {
		struct tailer *tailer = LIST_ITEM(link, struct tailer, link);
		if (tailer->query.from > last)
			continue;
		if (bytes >= TAILERS_BYTES_PER_TURN && last != UINT64_MAX)
			return false;
		bytes += leave(tailer);
	}
	return true;
}

void tailers_link_down(struct tailers *t, link_id down)
{
	LIST_FOR_SAFE (link, after, &t->waiting) {
		struct tailer *tailer = LIST_ITEM(link, struct tailer, link);
		if (tailer->from == down)
			forget(tailer);
	}
}

void tailers_done(struct tailers *t)
{
	LIST_FOR_SAFE (link, after, &t->waiting)
		forget(LIST_ITEM(link, struct tailer, link));
}
