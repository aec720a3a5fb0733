/*
 * Intrusive doubly linked list. The head is a struct list that is its own
 * neighbour when empty; an element embeds a struct list and is found again with
 * LIST_ITEM.
 */
#ifndef SYNOD_BASE_LIST_H
#define SYNOD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev;
	struct list *next;
};

#define LIST_ITEM(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))
#define LIST_FOR(link, head) \
	for (struct list *link = (head)->next; link != (head); link = link->next)
/* Safe against removal of the current element. */
#define LIST_FOR_SAFE(link, after, head) \
	for (struct list *link = (head)->next, *after = link->next; link != (head); \
	     link = after, after = link->next)

static inline void list_init(struct list *head)
{
	head->prev = head->next = head;
}
static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}
static inline void list_push_back(struct list *head, struct list *element)
{
	element->prev = head->prev;
	element->next = head;
	head->prev->next = element;
	head->prev = element;
}
static inline void list_push_front(struct list *head, struct list *element)
{
	list_push_back(head->next, element);
}
/* Takes the element out and leaves it as an empty list, so that removing twice is harmless. */
static inline void list_remove(struct list *element)
{
	element->prev->next = element->next;
	element->next->prev = element->prev;
	list_init(element);
}
/* Moves all of one list, in their order, into another, which it initialises. */
static inline void list_take_all(struct list *from, struct list *to)
{
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to->prev->next = to;
	list_init(from);
}
static inline struct list *list_first(struct list *head)
{
	return list_empty(head) ? NULL : head->next;
}

#endif
