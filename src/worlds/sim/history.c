/* Lists that clients have appended to and read: can it be true? */
#include "sim/history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"

size_t sim_history_call(struct sim_history *history, enum sim_history_kind kind, uint32_t client,
			uint32_t key, uint64_t now_us)
{
	ALLOC_ROOM(history->operations, history->count, history->capacity, 1024);
	size_t operation = history->count++;
	history->operations[operation] = (struct sim_history_operation){.kind = kind,
									.client = client,
									.key = key,
									.value = operation + 1,
									.call_us = now_us};
	return operation;
}

void sim_history_read_since(struct sim_history *history, size_t operation, uint64_t since_us)
{
	struct sim_history_operation *op = &history->operations[operation];
	ASSERT(op->kind == SIM_HISTORY_READ && op->outcome == SIM_HISTORY_OPEN);
	op->call_us = since_us;
}

void sim_history_return(struct sim_history *history, size_t operation,
			enum sim_history_outcome outcome, uint64_t now_us)
{
	struct sim_history_operation *op = &history->operations[operation];
	ASSERT(op->outcome == SIM_HISTORY_OPEN);
	op->outcome = outcome;
	op->return_us = now_us;
}

void sim_history_return_append(struct sim_history *history, size_t operation, uint32_t length,
			       uint64_t now_us)
{
	ASSERT(history->operations[operation].kind == SIM_HISTORY_APPEND);
	history->operations[operation].length = length;
	sim_history_return(history, operation, SIM_HISTORY_OK, now_us);
}

void sim_history_return_read(struct sim_history *history, size_t operation, const uint64_t *list,
			     uint32_t length, uint64_t now_us)
{
	struct sim_history_operation *op = &history->operations[operation];
	ASSERT(op->kind == SIM_HISTORY_READ);
	op->length = length;
	op->list = alloc_bytes((length + 1) * sizeof *list);
	if (length > 0)
		memcpy(op->list, list, length * sizeof *list);
	sim_history_return(history, operation, SIM_HISTORY_OK, now_us);
}

void sim_history_free(struct sim_history *history)
{
	for (size_t i = 0; i < history->count; i++)
		free(history->operations[i].list);
	free(history->operations);
	*history = (struct sim_history){0};
}

/* ---- checking ---- */

/* One key's operations, in the order in which they were recorded. */
struct key_history {
	const struct sim_history *history;
	bool complete;
	uint32_t key;
	const size_t *indexes;
	size_t count;
	/* the read with the longest list; NULL: none */
	const struct sim_history_operation *longest;
	/* of operation i: 1 … for appends, 0: not in the list; reads: the length */
	uint32_t *places;
	struct buffer *why;
};

static const struct sim_history_operation *operation_at(const struct key_history *k, size_t i)
{
	return &k->history->operations[k->indexes[i]];
}

static void describe(struct buffer *why, const struct sim_history_operation *op)
{
	static const char *const outcomes[] = {"open", "ok", "failed", "unknown"};
	buffer_format(why,
		      "  client %u %s value=%" PRIu64 " %s call=%" PRIu64 ".%06" PRIu64
		      " return=%" PRIu64 ".%06" PRIu64 " length=%u\n",
		      op->client, op->kind == SIM_HISTORY_APPEND ? "append" : "read",
		      op->kind == SIM_HISTORY_APPEND ? op->value : 0, outcomes[op->outcome],
		      op->call_us / 1000000, op->call_us % 1000000, op->return_us / 1000000,
		      op->return_us % 1000000, op->length);
}

static bool complain(struct key_history *k, const char *what, const struct sim_history_operation *a,
		     const struct sim_history_operation *b)
{
	buffer_format(k->why, "key %u: %s\n", k->key, what);
	if (a != NULL)
		describe(k->why, a);
	if (b != NULL)
		describe(k->why, b);
	return false;
}

static bool check_reads_agree(struct key_history *k)
{
	for (size_t i = 0; i < k->count; i++) {
		const struct sim_history_operation *op = operation_at(k, i);
		if (op->kind == SIM_HISTORY_READ && op->outcome == SIM_HISTORY_OK &&
		    (k->longest == NULL || op->length > k->longest->length))
			k->longest = op;
	}
	for (size_t i = 0; i < k->count; i++) {
		const struct sim_history_operation *op = operation_at(k, i);
		if (op->kind == SIM_HISTORY_READ && op->outcome == SIM_HISTORY_OK &&
		    op->length > 0 &&
		    memcmp(op->list, k->longest->list, op->length * sizeof *op->list) != 0)
			return complain(k, "a read is no beginning of a longer read", op,
					k->longest);
	}
	return true;
}

/* Gives each append its place in the longest list. */
static bool check_places(struct key_history *k)
{
	uint32_t length = k->longest == NULL ? 0 : k->longest->length;
	struct map positions = {0}; /* value → index in k->indexes, + 1 */
	bool fine = true;
	for (size_t i = 0; i < k->count; i++)
		map_put(&positions, operation_at(k, i)->value, (void *)(uintptr_t)(i + 1));
	for (uint32_t place = 1; place <= length && fine; place++) {
		uintptr_t at = (uintptr_t)map_get(&positions, k->longest->list[place - 1]);
		const struct sim_history_operation *op = at == 0 ? NULL : operation_at(k, at - 1);
		if (op == NULL || op->kind != SIM_HISTORY_APPEND)
			fine = complain(k, "a value that nobody appended to this key", k->longest,
					op);
		else if (k->places[at - 1] != 0)
			fine = complain(k, "a value was appended twice", op, k->longest);
		else if (op->outcome == SIM_HISTORY_FAILED)
			fine = complain(k, "an append that failed for certain was applied", op,
					k->longest);
		else
			k->places[at - 1] = place;
	}
	map_free(&positions);
	return fine;
}

static bool check_acknowledged(struct key_history *k)
{
	for (size_t i = 0; i < k->count; i++) {
		const struct sim_history_operation *op = operation_at(k, i);
		if (op->outcome != SIM_HISTORY_OK)
			continue;
		if (op->kind == SIM_HISTORY_READ)
			k->places[i] = op->length;
		else if (k->places[i] == 0 &&
			 (k->complete || (k->longest != NULL && op->length <= k->longest->length)))
			return complain(k, "an acknowledged append is lost", op, k->longest);
		else if (k->places[i] == 0)
			/* nobody has read that far: believe the answer */
			k->places[i] = op->length;
		else if (k->places[i] != op->length)
			return complain(k, "an append was told another place than it has", op,
					k->longest);
	}
	return true;
}

struct moment {
	uint64_t at_us;
	size_t index;
};

static int compare_moments(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;
	if (x->at_us != y->at_us)
		return x->at_us < y->at_us ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/*
 * Whatever returned before an operation was called must stand no later: for each call, the largest
 * place among those that had returned. A read of n stands after append n and before append n + 1,
 * so an append may not have a place ≤ n of a read that ended before it began.
 */
static bool check_real_time(struct key_history *k)
{
	struct moment *order = alloc_zeroed(k->count + 1, sizeof *order);
	struct moment *calls = alloc_zeroed(k->count + 1, sizeof *calls);
	size_t ended = 0, next = 0;
	bool fine = true;
	for (size_t i = 0; i < k->count; i++)
		if (operation_at(k, i)->outcome == SIM_HISTORY_OK)
			order[ended++] = (struct moment){.at_us = operation_at(k, i)->return_us,
							 .index = i};
	for (size_t i = 0; i < k->count; i++)
		calls[i] = (struct moment){.at_us = operation_at(k, i)->call_us, .index = i};
	qsort(order, ended, sizeof *order, compare_moments);
	qsort(calls, k->count, sizeof *calls, compare_moments);
	uint32_t reached = 0;
	const struct sim_history_operation *reached_by = NULL;
	for (size_t c = 0; c < k->count && fine; c++) {
		size_t i = calls[c].index;
		const struct sim_history_operation *op = operation_at(k, i);
		for (; next < ended && order[next].at_us < op->call_us; next++) {
			if (reached_by == NULL || k->places[order[next].index] > reached) {
				reached = k->places[order[next].index];
				reached_by = operation_at(k, order[next].index);
			}
		}
		if (op->kind == SIM_HISTORY_READ && op->outcome == SIM_HISTORY_OK &&
		    k->places[i] < reached)
			fine = complain(k, "a stale read", reached_by, op);
		if (op->kind == SIM_HISTORY_APPEND && k->places[i] != 0 && k->places[i] <= reached)
			fine = complain(
				k,
				"an append stands before what had already been seen when it began",
				reached_by, op);
	}
	free(order);
	free(calls);
	return fine;
}

static bool check_key(const struct sim_history *history, bool complete, uint32_t key,
		      const size_t *indexes, size_t count, struct buffer *why)
{
	struct key_history k = {.history = history,
				.complete = complete,
				.key = key,
				.indexes = indexes,
				.count = count,
				.why = why};
	k.places = alloc_zeroed(count, sizeof *k.places);
	bool fine = check_reads_agree(&k) && check_places(&k) && check_acknowledged(&k) &&
		    check_real_time(&k);
	free(k.places);
	return fine;
}

bool sim_history_check(const struct sim_history *history, bool complete, struct buffer *why)
{
	uint32_t keys = 0;
	bool fine = true;
	for (size_t i = 0; i < history->count; i++)
		if (history->operations[i].key >= keys)
			keys = history->operations[i].key + 1;
	/* A counting sort by key, which keeps the order within each. */
	size_t *starts = alloc_zeroed(keys + 2, sizeof *starts),
	       *indexes = alloc_zeroed(history->count + 1, sizeof *indexes);
	for (size_t i = 0; i < history->count; i++)
		starts[history->operations[i].key + 2]++;
	for (uint32_t key = 1; key <= keys; key++)
		starts[key + 1] += starts[key];
	for (size_t i = 0; i < history->count; i++)
		indexes[starts[history->operations[i].key + 1]++] = i;
	for (uint32_t key = 0; key < keys && fine; key++)
		fine = check_key(history, complete, key, indexes + starts[key],
				 starts[key + 1] - starts[key], why);
	free(starts);
	free(indexes);
	return fine;
}

/* ---- writing ---- */

static void write_value(FILE *file, const uint64_t *list, uint32_t length)
{
	fputc('"', file);
	for (uint32_t i = 0; i < length; i++)
		fprintf(file, "%016" PRIx64, list[i]);
	fputc('"', file);
}

void sim_history_write(const struct sim_history *history, FILE *file)
{
	for (size_t i = 0; i < history->count; i++) {
		const struct sim_history_operation *op = &history->operations[i];
		bool append = op->kind == SIM_HISTORY_APPEND;
		bool known = op->outcome == SIM_HISTORY_OK || op->outcome == SIM_HISTORY_FAILED;
		fprintf(file, "{\"client\":%u,\"id\":%zu,\"op\":\"%s\",\"key\":\"k%u\"", op->client,
			i, append ? "append" : "get", op->key);
		if (append) {
			fprintf(file, ",\"value\":");
			write_value(file, &op->value, 1);
		} else if (op->outcome == SIM_HISTORY_OK) {
			fprintf(file, ",\"result\":");
			write_value(file, op->list, op->length);
		}
		fprintf(file, ",\"ok\":%s,\"call\":%" PRIu64,
			op->outcome == SIM_HISTORY_OK       ? "true"
			: op->outcome == SIM_HISTORY_FAILED ? "false"
							    : "null",
			op->call_us * 1000);
		fprintf(file, known ? ",\"return\":%" PRIu64 "}\n" : ",\"return\":null}\n",
			op->return_us * 1000);
	}
}
