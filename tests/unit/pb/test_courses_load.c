/*
 * The courses' scenarios for primary and backup in which several clients work at the same time:
 * "2015 pbservice" and DSLabs lab 2, PrimaryBackupTest 10–15, whose 0.8 means that each message is
 * lost with probability 0.2.
 */
/* faults: 42, 49 */
#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "load.h"

#define LOST_PPM 200000u

static struct pb_world *w;

/* Servers s1 … sn run; the first two are primary and backup. */
static void open_servers(uint64_t seed, uint32_t n)
{
	w = pb_world_create(seed, 3, NULL);
	pb_server_start(w, 1);
	ck_assert(pb_reaches(w, "1 s1 -", 20));
	pb_server_start(w, 2);
	ck_assert(pb_reaches(w, "2 s1 s2", 20));
	for (uint32_t i = 3; i <= n; i++)
		pb_server_start(w, i);
	pb_run(w, 5);
}

static void close_world(void)
{
	pb_world_destroy(w);
}

/* Random puts on two keys: so many of each client, or as many as fit into the time. */
struct random_puts {
	uint64_t end_us;
	uint32_t count, begun[PB_CLIENTS_LIMIT];
};

static bool next_put(void *context, uint32_t c, struct pb_step *step)
{
	struct random_puts *puts = context;
	if (puts->count == 0 ? w->world->now_us >= puts->end_us : puts->begun[c] == puts->count)
		return false;
	puts->begun[c]++;
	*step = (struct pb_step){.kind = SYNOD_OP_PUT};
	snprintf(step->key, sizeof step->key, "%u", (unsigned)rng_below(&w->rng, 2));
	snprintf(step->value, sizeof step->value, "%u", (unsigned)rng_below(&w->rng, 1u << 30));
	return true;
}

/* Both servers have the same, and the backup shows what the primary showed. */
static void check_same_after_takeover(void)
{
	char *zero = alloc_string(pb_get(w, 0, "0")), *one = alloc_string(pb_get(w, 0, "1"));
	ck_assert(pb_settles(w, 50));
	ck_assert_uint_eq(pb_hash(w, pb_primary(w)), pb_hash(w, pb_backup(w)));
	pb_server_stop(w, pb_primary(w));
	ck_assert_str_eq(pb_get(w, 0, "0"), zero);
	ck_assert_str_eq(pb_get(w, 1, "1"), one);
	free(zero);
	free(one);
}

/*
 * course: 2015 pbservice TestConcurrentSame, TestConcurrentSameUnreliable; DSLabs PrimaryBackupTest
 * 10, 12 — Concurrent puts of three clients on two keys end in the same order at both servers: five
 * seconds of them, or a hundred of each client.
 */
START_LOOP_TEST(primary_and_backup_agree_under_concurrent_puts, 0, 4)
{
	static const struct {
		uint32_t seconds, count, request_loss_ppm, reply_loss_ppm;
	} cases[] = {
		{5, 0, 0, 0}, {5, 0, 100000, 200000}, {0, 100, 0, 0}, {0, 100, LOST_PPM, LOST_PPM}};
	open_servers((uint64_t)(7 + _i), 2);
	pb_unreliable(w, cases[_i].request_loss_ppm, cases[_i].reply_loss_ppm);
	struct random_puts puts = {.end_us = w->world->now_us + cases[_i].seconds * SIM_SECOND,
				   .count = cases[_i].count};
	pb_load_run(w, &(struct pb_load){.clients = 3, .next = next_put, .context = &puts});
	pb_unreliable(w, 0, 0);
	check_same_after_takeover();
	close_world();
}
END_TEST

/*
 * course: 2015 pbservice TestConcurrentSameAppend; DSLabs PrimaryBackupTest 11, 13 — Appends of
 * three clients to one key: all there, once, in each client's order; and at the backup too.
 */
START_LOOP_TEST(concurrent_same_append, 0, 2)
{
	static const uint32_t counts[] = {100, 100, 100};
	open_servers(9, 2);
	if (_i == 1)
		pb_unreliable(w, LOST_PPM, LOST_PPM);
	pb_load_append_marks(w, 3, 100, "k");
	pb_unreliable(w, 0, 0);
	pb_load_check_marks(w, 3, counts, "k");
	ck_assert(pb_settles(w, 50));
	ck_assert_uint_eq(pb_hash(w, pb_primary(w)), pb_hash(w, pb_backup(w)));
	pb_server_stop(w, pb_primary(w));
	pb_load_check_marks(w, 3, counts, "k");
	close_world();
}
END_TEST

/* Clients that put and read ten keys of their own, while servers crash. */
struct private_keys {
	struct pb_killer killer;
	uint32_t counter;
	uint32_t last[PB_CLIENTS_LIMIT][10]; /* what each key holds; 0: nothing yet */
	uint32_t key[PB_CLIENTS_LIMIT];      /* of the operation under way */
};

static bool next_private(void *context, uint32_t c, struct pb_step *step)
{
	struct private_keys *p = context;
	uint32_t key = (uint32_t)rng_below(&w->rng, 10);
	if (w->world->now_us >= p->killer.end_us)
		return false;
	bool reads = p->last[c][key] != 0 && rng_below(&w->rng, 2) == 0;
	step->kind = reads ? SYNOD_OP_GET : SYNOD_OP_PUT;
	if (!reads)
		p->last[c][key] = ++p->counter;
	p->key[c] = key;
	snprintf(step->key, sizeof step->key, "%u-%u", c, key);
	snprintf(step->value, sizeof step->value, "%u", p->last[c][key]);
	return true;
}

static void check_private(void *context, uint32_t c, const struct pb_op *op)
{
	const struct private_keys *p = context;
	if (op->op.kind == SYNOD_OP_GET)
		ck_assert_uint_eq((unsigned)atoi(op->result), p->last[c][p->key[c]]);
}

static void kill_private(void *context)
{
	pb_killer_work(&((struct private_keys *)context)->killer);
}

/*
 * course: 2015 pbservice TestRepeatedCrash; DSLabs PrimaryBackupTest 14, 15 — Servers crash and
 * come back empty for 30 seconds; clients read what they have written, and no operation waits for
 * more than five seconds.
 */
START_LOOP_TEST(clients_read_what_they_wrote_through_crashes, 0, 4)
{
	open_servers((uint64_t)(10 + _i), 3);
	bool unreliable = _i >= 2;
	if (unreliable)
		pb_unreliable(w, LOST_PPM, LOST_PPM);
	struct private_keys p = {0};
	pb_killer_start(&p.killer, w, 30);
	struct pb_load load = {.clients = 3,
			       .next = next_private,
			       .done = check_private,
			       .meanwhile = kill_private,
			       .context = &p};
	pb_load_run(w, &load);
	ck_assert_uint_ge(p.killer.kills, 10);
	ck_assert_uint_lt(load.longest_us, 5 * SIM_SECOND);
	for (uint32_t c = 0; c < 3; c++)
		ck_assert_uint_ge(load.completed[c], unreliable ? 100 : 1000);
	close_world();
}
END_TEST

/* Clients that append to one key, while servers crash. */
struct crash_marks {
	struct pb_killer killer;
	uint32_t begun[PB_CLIENTS_LIMIT];
};

static bool next_crash_mark(void *context, uint32_t c, struct pb_step *step)
{
	struct crash_marks *m = context;
	if (w->world->now_us >= m->killer.end_us || m->begun[c] == 400)
		return false;
	*step = (struct pb_step){.kind = SYNOD_OP_APPEND, .key = "0"};
	snprintf(step->value, sizeof step->value, "x %u %u y", c, m->begun[c]++);
	return true;
}

static void kill_marks(void *context)
{
	pb_killer_work(&((struct crash_marks *)context)->killer);
}

/*
 * course: 2015 pbservice TestRepeatedCrashUnreliable — Servers crash, a tenth of the requests and a
 * fifth of the replies are lost, and appends of two clients to one key must all be there once.
 */
START_LOOP_TEST(repeated_crash_unreliable, 0, 2)
{
	open_servers((uint64_t)(20 + _i), 3);
	pb_unreliable(w, 100000, 200000);
	struct crash_marks m = {0};
	pb_killer_start(&m.killer, w, 20);
	pb_load_run(w, &(struct pb_load){.clients = 2,
					 .next = next_crash_mark,
					 .meanwhile = kill_marks,
					 .context = &m});
	pb_unreliable(w, 0, 0);
	ck_assert_uint_ge(m.begun[0] + m.begun[1], 100);
	pb_load_check_marks(w, 2, m.begun, "0");
	close_world();
}
END_TEST
