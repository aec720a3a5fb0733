/*
 * A search instead of a draw: a short story is run once to count its messages, and then again for
 * every one of them with something going wrong just there: it is lost, or late, or the process that
 * sent it or is to receive it crashes. Then with two things going wrong, one soon after the other.
 * Whatever happens, every append stands in the value once, in its client's order; an answer shows
 * all that had been answered before; and one server answers in any view (support/pb_world.c).
 */
/* faults: 42, 49, 50 */
#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "load.h"

#define CLIENTS 2u
/*
 * Less than it takes to be taken for dead: a server that is dropped for silence while the other one
 * dies takes the state along.
 */
#define LATE_US (300 * SIM_MILLISECOND)
/* The second deviation happens at most so many messages after the first. */
#define APART 20u

enum deviation { NOTHING, LOST, LATE, SENDER_CRASHES, RECEIVER_CRASHES, DEVIATIONS };

static const char *const words[] = {"nothing", "is lost", "is late", "crashes its sender",
				    "crashes its receiver"};

struct plan {
	struct {
		uint32_t at; /* message number, from 1 */
		enum deviation what;
	} steps[2];
};

struct story {
	struct pb_world *w;
	struct plan plan;
	bool begun;
	uint32_t messages;          /* since it began */
	struct sim_process *doomed; /* crashes as soon as this turn is over */
	struct sim_process *crashed;
	uint64_t restart_us;
	uint32_t appends, begun_by[CLIENTS], answered_by[CLIENTS];
	/* what the append under way must show: so many of each client */
	uint32_t owed[CLIENTS][CLIENTS];
};

/* ---- what goes wrong ---- */

static bool is_server(const struct sim_process *process)
{
	return process->name[0] == 's';
}

static enum sim_verdict deviate(struct story *s, enum deviation what,
				const struct sim_process *from, const struct sim_process *to,
				uint64_t *delay_us)
{
	bool crash = s->crashed == NULL && s->doomed == NULL;
	switch (what) {
	case LOST: return SIM_DROP;
	case LATE: *delay_us = LATE_US; return SIM_PASS;
	case SENDER_CRASHES:
		if (crash && is_server(from))
			s->doomed = (struct sim_process *)(uintptr_t)from;
		return SIM_PASS;
	case RECEIVER_CRASHES:
		if (crash && is_server(to))
			s->doomed = (struct sim_process *)(uintptr_t)to;
		return crash && is_server(to) ? SIM_DROP : SIM_PASS;
	default: return SIM_PASS;
	}
}

static enum sim_verdict filter(void *context, const struct sim_process *from,
			       const struct sim_process *to, const struct message *message,
			       uint64_t *delay_us)
{
	struct story *s = context;
	(void)message;
	if (!s->begun)
		return SIM_PASS;
	s->messages++;
	for (size_t i = 0; i < 2; i++)
		if (s->plan.steps[i].at == s->messages)
			return deviate(s, s->plan.steps[i].what, from, to, delay_us);
	return SIM_PASS;
}

static void crash_and_restart(void *context)
{
	struct story *s = context;
	if (s->doomed != NULL) {
		sim_process_crash(s->doomed);
		s->crashed = s->doomed;
		s->doomed = NULL;
		s->restart_us = s->w->world->now_us + SIM_SECOND;
	} else if (s->crashed != NULL && s->restart_us != 0 &&
		   s->w->world->now_us >= s->restart_us) {
		sim_process_restart(s->crashed);
		s->restart_us = 0;
	}
}

/* ---- the story ---- */

static bool next_append(void *context, uint32_t c, struct pb_step *step)
{
	struct story *s = context;
	if (s->begun_by[c] == s->appends)
		return false;
	*step = (struct pb_step){.kind = SYNOD_OP_APPEND, .key = "k"};
	snprintf(step->value, sizeof step->value, "x %u %u y", c, s->begun_by[c]++);
	for (uint32_t i = 0; i < CLIENTS; i++)
		s->owed[c][i] = s->answered_by[i];
	return true;
}

/*
 * The answer is the value with this append at its end; it shows what had been answered before it
 * was begun.
 */
static void check_append(void *context, uint32_t c, const struct pb_op *op)
{
	struct story *s = context;
	s->answered_by[c]++;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		char mark[32];
		snprintf(mark, sizeof mark, "x %u %u y", i, s->owed[c][i] - 1);
		ck_assert_msg(s->owed[c][i] == 0 || strstr(op->result, mark) != NULL,
			      "%s does not show %s", op->result, mark);
	}
	size_t len = strlen(op->value);
	ck_assert_str_eq(op->result + op->result_len - len, op->value);
}

/* Runs it; how many messages there were. */
static uint32_t tell(uint32_t appends, const struct plan *plan)
{
	struct story s = {.w = pb_world_create(1, 1, NULL), .plan = *plan, .appends = appends};
	for (uint32_t i = 1; i <= 3; i++) {
		pb_server_start(s.w, i);
		pb_run(s.w, 2);
	}
	ck_assert(pb_reaches(s.w, "2 s1 s2", 20));
	sim_network_set_filter(s.w->world, filter, &s);
	s.begun = true;
	struct pb_load load = {.clients = CLIENTS,
			       .next = next_append,
			       .done = check_append,
			       .meanwhile = crash_and_restart,
			       .context = &s};
	pb_load_run(s.w, &load);
	s.begun = false;
	uint32_t counts[CLIENTS], messages = s.messages;
	for (uint32_t c = 0; c < CLIENTS; c++)
		counts[c] = appends;
	pb_load_check_marks(s.w, CLIENTS, counts, "k");
	if (s.crashed != NULL && s.restart_us != 0)
		sim_process_restart(s.crashed);
	ck_assert(pb_settles(s.w, 50));
	ck_assert_uint_eq(pb_hash(s.w, pb_primary(s.w)), pb_hash(s.w, pb_backup(s.w)));
	pb_world_destroy(s.w);
	return messages;
}

/* The plan that is being carried out, for whoever wants to know which one failed. */
static struct plan current;

static void say_current(void)
{
	for (size_t i = 0; i < 2 && current.steps[i].at != 0; i++)
		printf("message %u %s\n", current.steps[i].at, words[current.steps[i].what]);
}

static void try_plan(uint32_t appends, const struct plan *plan)
{
	current = *plan;
	tell(appends, plan);
	current = (struct plan){0};
}

/* course: DSLabs PrimaryBackupTest 16–20 — One thing goes wrong, at every message of the story. */
START_LOOP_TEST(any_one_deviation_is_survived, LOST, DEVIATIONS)
{
	atexit(say_current);
	uint32_t messages = tell(6, &(struct plan){0});
	ck_assert_uint_ge(messages, 48);
	for (uint32_t at = 1; at <= messages; at++) {
		struct plan plan = {.steps = {{at, (enum deviation)_i}}};
		try_plan(6, &plan);
	}
}
END_TEST

/* course: DSLabs PrimaryBackupTest 16–20 — Two things go wrong, one soon after the other. */
START_LOOP_TEST(any_two_deviations_are_survived, LOST, DEVIATIONS)
{
	atexit(say_current);
	uint32_t messages = tell(2, &(struct plan){0});
	for (uint32_t first = 1; first <= messages; first++) {
		for (uint32_t second = first + 1; second <= first + APART; second++) {
			for (enum deviation what = LOST; what < DEVIATIONS; what++) {
				struct plan plan = {
					.steps = {{first, (enum deviation)_i}, {second, what}}};
				try_plan(2, &plan);
			}
		}
	}
}
END_TEST
