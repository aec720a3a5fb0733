#include "load.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define PATIENCE_MS 60000u
#define STEP_US (2 * SIM_MILLISECOND)

/* ---- operations at the same time ---- */

static void take_answer(struct pb_load *load, uint32_t c, struct pb_op *op)
{
	uint64_t taken_us = op->ended_us - op->started_us;
	ck_assert_int_eq(op->status, SYNOD_OK);
	load->completed[c]++;
	load->longest_us = taken_us > load->longest_us ? taken_us : load->longest_us;
	if (load->done != NULL)
		load->done(load->context, c, op);
	pb_op_free(op);
}

static struct pb_op *begin_next(struct pb_world *w, struct pb_load *load, uint32_t c)
{
	struct pb_step step = {0};
	if (!load->next(load->context, c, &step))
		return NULL;
	return pb_start(w, c, step.kind, step.key, step.kind == SYNOD_OP_GET ? NULL : step.value,
			PATIENCE_MS);
}

void pb_load_run(struct pb_world *w, struct pb_load *load)
{
	struct pb_op *ops[PB_CLIENTS_LIMIT] = {NULL};
	ck_assert_uint_le(load->clients, PB_CLIENTS_LIMIT);
	for (bool open = true; open;) {
		open = false;
		if (load->meanwhile != NULL)
			load->meanwhile(load->context);
		for (uint32_t c = 0; c < load->clients; c++) {
			if (ops[c] != NULL && ops[c]->done) {
				take_answer(load, c, ops[c]);
				ops[c] = NULL;
			}
			if (ops[c] == NULL)
				ops[c] = begin_next(w, load, c);
			open = open || ops[c] != NULL;
		}
		sim_world_run_for(w->world, STEP_US);
	}
}

/* ---- marks ---- */

struct marks {
	const char *key;
	uint32_t begun[PB_CLIENTS_LIMIT], count;
};

static void put_mark(char *out, size_t size, uint32_t client, uint32_t number)
{
	snprintf(out, size, "x %u %u y", client, number);
}

static bool next_mark(void *context, uint32_t c, struct pb_step *step)
{
	struct marks *m = context;
	if (m->begun[c] == m->count)
		return false;
	step->kind = SYNOD_OP_APPEND;
	snprintf(step->key, sizeof step->key, "%s", m->key);
	put_mark(step->value, sizeof step->value, c, m->begun[c]++);
	return true;
}

void pb_load_append_marks(struct pb_world *w, uint32_t clients, uint32_t count, const char *key)
{
	struct marks m = {.key = key, .count = count};
	pb_load_run(w, &(struct pb_load){.clients = clients, .next = next_mark, .context = &m});
}

void pb_load_check_marks(struct pb_world *w, uint32_t clients, const uint32_t *counts,
			 const char *key)
{
	char *value = alloc_string(pb_get(w, 0, key));
	size_t total = 0;
	for (uint32_t c = 0; c < clients; c++) {
		const char *at = value;
		for (uint32_t i = 0; i < counts[c]; i++) {
			char mark[32];
			put_mark(mark, sizeof mark, c, i);
			at = strstr(at, mark);
			ck_assert_msg(at != NULL, "%s is missing, or out of order", mark);
			at += strlen(mark);
			total += strlen(mark);
			ck_assert_msg(strstr(at, mark) == NULL, "%s stands twice", mark);
		}
	}
	ck_assert_uint_eq(strlen(value), total);
	free(value);
}

/* ---- servers that are killed ---- */

void pb_killer_start(struct pb_killer *k, struct pb_world *w, uint32_t seconds)
{
	uint64_t now_us = w->world->now_us;
	*k = (struct pb_killer){
		.w = w, .next_us = now_us + SIM_SECOND, .end_us = now_us + seconds * SIM_SECOND};
}

void pb_killer_work(struct pb_killer *k)
{
	struct pb_world *w = k->w;
	if (w->world->now_us < k->next_us || w->world->now_us >= k->end_us)
		return;
	if (k->dead != 0) {
		pb_server_start(w, k->dead);
		k->dead = 0;
	} else {
		k->dead = 1 + (uint32_t)rng_below(&w->rng, 3);
		pb_server_stop(w, k->dead);
		k->kills++;
	}
	k->next_us = w->world->now_us + SIM_SECOND;
}
