/* Records on their way to the log: collected, handed out, durable. */
#include "core/persists.h"

#include <stdlib.h>

void persists_init(struct persists *p)
{
	*p = (struct persists){.next = 1};
}

static void release(struct vector *v)
{
	struct consensus_persist *items = v->items;
	for (uint32_t i = 0; i < v->count; i++)
		bytes_unref(items[i].held);
	v->count = 0;
}

void persists_release(struct persists *p)
{
	release(&p->out);
}

void persists_free(struct persists *p)
{
	release(&p->collecting);
	release(&p->out);
	free(p->collecting.items);
	free(p->out.items);
}

struct consensus_persist *persists_add(struct persists *p, enum consensus_persist_kind kind)
{
	struct consensus_persist *record = vector_add(&p->collecting, sizeof *record);
	record->kind = kind;
	record->sequence = p->next++;
	ASSERT(record->sequence > p->durable);
	return record;
}
