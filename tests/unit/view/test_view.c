/* The rules of views, and what follows from pings: without a network. */
#include <stdio.h>

#include "../support/check_main.h"
#include "view/liveness.h"

#define DEAD_US 500000ull
#define S 1000000ull

static struct view_server server(const char *name, uint64_t incarnation)
{
	struct view_server s = {.incarnation = incarnation};
	snprintf(s.name, sizeof s.name, "%s", name);
	snprintf(s.address, sizeof s.address, "%s:1", name);
	return s;
}

static struct view_table table;

static void ping(const struct view_server *s, uint64_t now_us)
{
	struct wire_view_ping p = {.server = view_server_wire(s)};
	ck_assert(view_table_ping(&table, &p, now_us));
}

static void leave(const struct view_server *s, uint64_t now_us)
{
	struct wire_view_ping p = {.server = view_server_wire(s), .leaving = true};
	ck_assert(view_table_ping(&table, &p, now_us));
}

/*
 * The primary of a view is the primary or the filled backup of the one before; only the first one
 * is free.
 */
START_TEST(who_may_follow)
{
	struct view_server a = server("a", 1), b = server("b", 2), c = server("c", 3),
			   again = server("a", 9), nobody = {0};
	struct view none = {.state = VIEW_NOBODY};
	ck_assert(view_may_follow(&none, &a, &nobody));
	ck_assert(view_may_follow(&none, &a, &b));
	ck_assert(!view_may_follow(&none, &nobody, &nobody));
	ck_assert(!view_may_follow(&none, &a, &again)); /* one machine is not two */
	struct view pair = {.number = 1, .primary = a, .backup = b, .state = VIEW_ACKNOWLEDGED};
	ck_assert(!view_may_follow(&pair, &b, &nobody)); /* not filled */
	ck_assert(view_may_follow(&pair, &a, &nobody));
	ck_assert(view_may_follow(&pair, &a, &c));
	ck_assert(!view_may_follow(&pair, &a, &b)); /* nothing changes */
	pair.state = VIEW_SYNCED;
	ck_assert(view_may_follow(&pair, &b, &nobody));
	ck_assert(view_may_follow(&pair, &b, &c));
	ck_assert(view_may_follow(&pair, &b, &again));
	ck_assert(!view_may_follow(&pair, &c, &nobody));
	ck_assert(!view_may_follow(&pair, &again, &b));
	pair.state = VIEW_NEW;
	ck_assert(!view_may_follow(&pair, &b, &nobody));
	ck_assert(!view_may_follow(&pair, &a, &nobody));
}
END_TEST

/*
 * The next view counts on, and nothing of it is acknowledged or filled yet; the first after nobody
 * begins empty.
 */
START_TEST(the_next_view_counts_on)
{
	struct view_server a = server("a", 1), b = server("b", 2), nobody = {0};
	struct view none = {.state = VIEW_NOBODY};
	struct view first = view_next(&none, &a, &nobody, 5);
	ck_assert_uint_eq(first.number, 1);
	ck_assert(first.fresh && !view_acknowledged(&first) && !view_synced(&first));
	first.state = VIEW_ACKNOWLEDGED;
	struct view second = view_next(&first, &a, &b, 6);
	ck_assert_uint_eq(second.number, 2);
	ck_assert(!second.fresh && !view_acknowledged(&second) && !view_synced(&second));
	ck_assert_uint_eq(second.time_us, 6);
}
END_TEST

/* Nobody is dead before its time, and a new leader's period of grace is a whole one. */
START_TEST(no_server_is_dead_before_its_time)
{
	struct view_server a = server("a", 1), b = server("b", 2), primary, backup;
	struct view pair = {.number = 4, .primary = a, .backup = b, .state = VIEW_SYNCED};
	view_table_init(&table, DEAD_US);
	view_table_grace(&table, &pair, 10 * S);
	ck_assert(view_table_alive(&table, &a, 10 * S + DEAD_US - 1));
	ck_assert(!view_table_alive(&table, &a, 10 * S + DEAD_US));
	ping(&b, 10 * S + DEAD_US - 1);
	ck_assert(!view_table_decide(&table, &pair, 10 * S + DEAD_US - 1, &primary, &backup));
	/* Dead, but the word of b is older than that. */
	ck_assert(!view_table_decide(&table, &pair, 10 * S + DEAD_US, &primary, &backup));
	ping(&b, 10 * S + DEAD_US);
	ck_assert(view_table_decide(&table, &pair, 10 * S + DEAD_US, &primary, &backup));
	ck_assert(view_same_server(&primary, &b));
	ck_assert(view_nobody(&backup));
}
END_TEST

/*
 * Who restarts or says goodbye is given up at once, who is silent only when the other has been
 * heard after it was dead.
 */
START_TEST(who_is_lost)
{
	struct view_server a = server("a", 1), b = server("b", 2), c = server("c", 3),
			   again = server("a", 7), primary, backup;
	struct view pair = {.number = 4, .primary = a, .backup = b, .state = VIEW_SYNCED};
	view_table_init(&table, DEAD_US);
	view_table_grace(&table, &pair, S);
	ping(&again, S + 1);
	ping(&b, S + 2);
	ck_assert(view_table_decide(&table, &pair, S + 2, &primary, &backup));
	ck_assert(view_same_server(&primary, &b));
	ck_assert(view_same_server(&backup, &again)); /* it may come back as backup at once */
	view_table_grace(&table, &pair, S);
	ping(&c, S + 1);
	leave(&b, S + DEAD_US);
	ck_assert(!view_table_decide(&table, &pair, S + DEAD_US - 1, &primary, &backup));
	ping(&a, S + DEAD_US);
	ping(&c, S + DEAD_US);
	ck_assert(view_table_decide(&table, &pair, S + DEAD_US, &primary, &backup));
	ck_assert(view_same_server(&primary, &a));
	ck_assert(view_same_server(&backup, &c));
	/*
	 * The view has to be acknowledged, and the backup to be filled, before it can be promoted.
	 */
	view_table_grace(&table, &pair, S);
	ping(&again, S + 1);
	ping(&b, S + 2);
	pair.state = VIEW_ACKNOWLEDGED;
	ck_assert(!view_table_decide(&table, &pair, S + 2, &primary, &backup));
	pair.state = VIEW_SYNCED;
	pair.state = VIEW_NEW;
	ck_assert(!view_table_decide(&table, &pair, S + 2, &primary, &backup));
}
END_TEST

/* Of the idle servers the one that has been alive for longest is chosen; a gap begins anew. */
START_TEST(choice_of_the_idle)
{
	struct view_server a = server("a", 1), b = server("b", 2), c = server("c", 3), primary,
			   backup;
	struct view alone = {.number = 1, .primary = a, .state = VIEW_ACKNOWLEDGED};
	view_table_init(&table, DEAD_US);
	view_table_grace(&table, &alone, S);
	ping(&b, S + 1);
	ping(&c, S + 2);
	ping(&a, S + DEAD_US);
	ping(&c, S + DEAD_US);
	ping(&b, S + DEAD_US + 1); /* too late: another beginning */
	ck_assert(view_table_decide(&table, &alone, S + DEAD_US + 1, &primary, &backup));
	ck_assert(view_same_server(&backup, &c));
}
END_TEST

/*
 * The table is bounded: a new name takes the place of the one that is dead for longest, or is
 * refused.
 */
START_TEST(the_table_of_servers_is_bounded)
{
	view_table_init(&table, DEAD_US);
	for (uint32_t i = 0; i < VIEW_SERVERS_MAX; i++) {
		char name[16];
		snprintf(name, sizeof name, "s%u", i);
		struct view_server s = server(name, i + 1);
		ping(&s, S + i);
	}
	struct view_server more = server("more", 1000), first = server("s0", 1),
			   second = server("s1", 2);
	struct wire_view_ping p = {.server = view_server_wire(&more)};
	ck_assert(!view_table_ping(&table, &p, S + 100));
	ck_assert(view_table_ping(&table, &p, S + DEAD_US));
	ck_assert(view_table_alive(&table, &more, S + DEAD_US));
	ck_assert(!view_table_alive(&table, &first, S + DEAD_US));
	ck_assert(view_table_alive(&table, &second, S + DEAD_US));
	ck_assert_uint_eq(table.count, VIEW_SERVERS_MAX);
}
END_TEST
