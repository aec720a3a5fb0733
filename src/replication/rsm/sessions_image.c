/* An image of the table of sessions, made while it changes: rsm/sessions_image.h. */
#include "rsm/sessions_image.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/sessions.h"

static uint32_t number_of(const struct sessions *s, const struct list *list)
{
	return list == &s->order;
}

/* ---- those apart ---- */

static bool is_less(const struct session_apart *heap, uint32_t a, uint32_t b)
{
	return heap[a].place < heap[b].place;
}

static void swap(struct session_apart *heap, uint32_t a, uint32_t b)
{
	struct session_apart kept = heap[a];
	heap[a] = heap[b];
	heap[b] = kept;
}

static void apart_push(struct sessions_image *image, uint32_t list, struct session_apart apart)
{
	ALLOC_ROOM(image->heap[list], image->count[list], image->capacity[list], 16);
	uint32_t at = image->count[list]++;
	struct session_apart *heap = image->heap[list];
	heap[at] = apart;
	for (; at > 0 && is_less(heap, at, (at - 1) / 2); at = (at - 1) / 2)
		swap(heap, at, (at - 1) / 2);
}

static struct session_apart apart_pop(struct sessions_image *image, uint32_t list)
{
	struct session_apart *heap = image->heap[list], first = heap[0];
	uint32_t count = --image->count[list];
	heap[0] = heap[count];
	for (uint32_t at = 0;;) {
		uint32_t least = at;
		for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
			least = is_less(heap, child, least) ? child : least;
		if (least == at)
			return first;
		swap(heap, at, least);
		at = least;
	}
}

void sessions_image_note(struct sessions *s, const struct session *session)
{
	struct sessions_image *image = &s->image;
	uint32_t own = session->returned, present = number_of(s, image->list);
	/* It may move, or go. */
	if (image->at == &session->order)
		image->at = session->order.next;
	bool passed = own < present || (own == present && session->place <= image->passed);
	if (session->place > image->upto || passed)
		return;
	struct session_apart apart = {.place = session->place, .at = image->apart.len};
	session_encode(session, &image->apart);
	apart.len = image->apart.len - apart.at;
	apart_push(image, own, apart);
}

/* ---- going through ---- */

void sessions_image_begin(struct sessions *s)
{
	struct sessions_image *image = &s->image;
	ASSERT(!image->under_way);
	sessions_image_end(s);
	image->under_way = true;
	image->upto = s->places;
	image->list = &s->once;
	image->at = image->list->next;
	sessions_encode_head(s, &image->out);
}

/* The next one of the present list: from the list, or apart. False: there is none. */
static bool encode_next(struct sessions *s)
{
	struct sessions_image *image = &s->image;
	uint32_t list = number_of(s, image->list);
	const struct session *next = image->at == image->list
					     ? NULL
					     : LIST_ITEM(image->at, struct session, order);
	if (next != NULL && next->place > image->upto)
		next = NULL;
	if (image->count[list] > 0 && (next == NULL || image->heap[list][0].place < next->place)) {
		struct session_apart apart = apart_pop(image, list);
		ASSERT(apart.place > image->passed);
		buffer_add(&image->out, image->apart.data + apart.at, apart.len);
		image->passed = apart.place;
		return true;
	}
	if (next == NULL)
		return false;
	ASSERT(next->place > image->passed);
	session_encode(next, &image->out);
	image->passed = next->place;
	image->at = image->at->next;
	return true;
}

bool sessions_image_next(struct sessions *s, uint64_t bytes)
{
	struct sessions_image *image = &s->image;
	ASSERT(image->under_way);
	size_t end = image->out.len + bytes;
	while (image->out.len < end) {
		if (encode_next(s))
			continue;
		if (image->list == &s->order) {
			image->under_way = false;
			return false;
		}
		image->list = &s->order;
		image->at = image->list->next;
		image->passed = 0;
	}
	return true;
}

struct buffer sessions_image_take(struct sessions *s)
{
	struct buffer out = s->image.out;
	ASSERT(!s->image.under_way);
	s->image.out = (struct buffer){0};
	sessions_image_end(s);
	return out;
}

void sessions_image_end(struct sessions *s)
{
	struct sessions_image *image = &s->image;
	buffer_free(&image->out);
	buffer_free(&image->apart);
	free(image->heap[0]);
	free(image->heap[1]);
	*image = (struct sessions_image){0};
}
