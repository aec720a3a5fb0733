#include "../support/check_main.h"
#include "base/list.h"

struct item {
	int number;
	struct list link;
};

static void expect(struct list *head, const char *digits)
{
	LIST_FOR (link, head) {
		ck_assert_int_eq(LIST_ITEM(link, struct item, link)->number, *digits - '0');
		ck_assert_ptr_eq(link->next->prev, link);
		digits++;
	}
	ck_assert_int_eq(*digits, '\0');
}

/* Elements stand in the order in which they were put at either end. */
START_TEST(elements_stand_in_the_order_of_insertion)
{
	struct list head;
	struct item items[5];

	list_init(&head);
	ck_assert(list_empty(&head));
	ck_assert_ptr_null(list_first(&head));
	for (int i = 0; i < 5; i++)
		items[i].number = i;
	list_push_back(&head, &items[1].link);
	list_push_back(&head, &items[2].link);
	list_push_front(&head, &items[0].link);
	expect(&head, "012");
	ck_assert_ptr_eq(list_first(&head), &items[0].link);
	ck_assert(!list_empty(&head));
}
END_TEST

/* Elements can be removed while walking, and removing twice is harmless. */
START_TEST(elements_can_be_removed_while_walking)
{
	struct list head;
	struct item items[6];

	list_init(&head);
	for (int i = 0; i < 6; i++) {
		items[i].number = i;
		list_push_back(&head, &items[i].link);
	}
	LIST_FOR_SAFE (link, after, &head)
		if (LIST_ITEM(link, struct item, link)->number % 2 == 0)
			list_remove(link);
	expect(&head, "135");
	list_remove(&items[0].link);
	list_remove(&items[3].link);
	list_remove(&items[3].link);
	expect(&head, "15");
	list_remove(&items[1].link);
	list_remove(&items[5].link);
	ck_assert(list_empty(&head));
}
END_TEST
