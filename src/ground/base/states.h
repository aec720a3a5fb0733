/*
 * Tabled states: which state of a thing may follow which, told once, beside a diagram, and checked
 * at every move.
 *
 *   static const struct state_table DOOR = {"door", {
 *           [DOOR_SHUT] = {"shut", NEXT(DOOR_OPEN)},
 *           [DOOR_OPEN] = {"open", NEXT(DOOR_SHUT) | NEXT(DOOR_OPEN)},
 *   }};
 *
 * A thing has one function that moves it. It is the only one that assigns the state, by way of
 * state_move(), and the one that tells of the move where its room tells of such things: a log line
 * at level debug. A thing is born in a state without a move; what ends it needs no move either.
 *
 * A move that the table does not have is a bug of this program, never something that the world has
 * done, so it ends the process as an ASSERT does, and says which move it was.
 */
#ifndef SYNOD_BASE_STATES_H
#define SYNOD_BASE_STATES_H

#include <stdbool.h>
#include <stdint.h>

#define STATES_MAX 12u

struct state_row {
	const char *name; /* NULL: there is no such state */
	uint32_t next;    /* the states that may follow: NEXT() of each */
};

struct state_table {
	const char *what; /* is in these states */
	struct state_row rows[STATES_MAX];
};

#define NEXT(state) (1u << (state))

__attribute__((noreturn, cold)) void state_refused(const struct state_table *table, uint32_t from,
						   uint32_t to);

static inline bool state_may(const struct state_table *table, uint32_t from, uint32_t to)
{
	return from < STATES_MAX && to < STATES_MAX && (table->rows[from].next >> to & 1) != 0;
}

/* The move is in the table; returns `to`. */
static inline uint32_t state_move(const struct state_table *table, uint32_t from, uint32_t to)
{
	if (__builtin_expect(!state_may(table, from, to), 0))
		state_refused(table, from, to);
	return to;
}

/* "?" if there is no such state. */
const char *state_name(const struct state_table *table, uint32_t state);

/* Every state that may follow has a row, and every row but that of `first` can be reached. */
bool state_table_is_sound(const struct state_table *table, uint32_t first);

#endif
