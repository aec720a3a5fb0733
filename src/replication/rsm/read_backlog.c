/* Reads that wait, and how many may. */
#include "rsm/read_backlog.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/internal.h"

struct waiting_read {
	struct list link;
	struct pending_query query;
	uint64_t ballot;
};

struct reader {
	struct list link; /* in read_backlog.readers */
	link_id id;
	struct list reads;
	uint32_t count;
};

void read_backlog_init(struct read_backlog *backlog)
{
	*backlog = (struct read_backlog){0};
	list_init(&backlog->readers);
}

static struct reader *first_reader(struct read_backlog *backlog)
{
	ASSERT(!list_empty(&backlog->readers));
	return LIST_ITEM(list_first(&backlog->readers), struct reader, link);
}

static void forget_reader(struct read_backlog *backlog, struct reader *reader)
{
	LIST_FOR_SAFE (link, after, &reader->reads) {
		struct waiting_read *read = LIST_ITEM(link, struct waiting_read, link);
		backlog->count--;
		backlog->bytes -= read->query.payload->len;
		bytes_unref(read->query.payload);
		free(read);
	}
	list_remove(&reader->link);
	map_remove(&backlog->by_link, reader->id);
	backlog->nreaders--;
	free(reader);
}

void read_backlog_free(struct read_backlog *backlog)
{
	while (!list_empty(&backlog->readers))
		forget_reader(backlog, first_reader(backlog));
	map_free(&backlog->by_link);
}

void read_backlog_add(struct read_backlog *backlog, const struct pending_query *query,
		      uint64_t ballot)
{
	struct reader *reader = map_get(&backlog->by_link, query->requester.link);
	if (reader == NULL) {
		reader = ALLOC(struct reader);
		reader->id = query->requester.link;
		list_init(&reader->reads);
		map_put(&backlog->by_link, reader->id, reader);
		list_push_back(&backlog->readers, &reader->link);
		backlog->nreaders++;
	}
	struct waiting_read *read = ALLOC(struct waiting_read);
	read->query = *query;
	read->ballot = ballot;
	list_push_back(&reader->reads, &read->link);
	reader->count++;
	backlog->count++;
	backlog->bytes += query->payload->len;
}

uint32_t read_backlog_of(struct read_backlog *backlog, link_id link)
{
	const struct reader *reader = map_get(&backlog->by_link, link);
	return reader == NULL ? 0 : reader->count;
}

link_id read_backlog_next(struct read_backlog *backlog)
{
	return first_reader(backlog)->id;
}

void read_backlog_pass(struct read_backlog *backlog)
{
	struct reader *reader = first_reader(backlog);
	list_remove(&reader->link);
	list_push_back(&backlog->readers, &reader->link);
}

void read_backlog_take(struct read_backlog *backlog, struct pending_query *query, uint64_t *ballot)
{
	struct reader *reader = first_reader(backlog);
	struct waiting_read *read = LIST_ITEM(list_first(&reader->reads), struct waiting_read,
					      link);
	*query = read->query;
	*ballot = read->ballot;
	backlog->count--;
	backlog->bytes -= query->payload->len;
	reader->count--;
	list_remove(&read->link);
	free(read);
	if (list_empty(&reader->reads))
		forget_reader(backlog, reader);
	else
		read_backlog_pass(backlog);
}

void read_backlog_link_down(struct read_backlog *backlog, link_id link)
{
	struct reader *reader = map_get(&backlog->by_link, link);
	if (reader != NULL)
		forget_reader(backlog, reader);
}
