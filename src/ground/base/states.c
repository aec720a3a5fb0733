/* What is said of states and their moves; the move itself is in the header. */
#include "base/states.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

const char *state_name(const struct state_table *table, uint32_t state)
{
	return state < STATES_MAX && table->rows[state].name != NULL ? table->rows[state].name
								     : "?";
}

void state_refused(const struct state_table *table, uint32_t from, uint32_t to)
{
	fprintf(stderr, "assertion failed: a %s does not go from %s to %s (%u to %u)\n",
		table->what, state_name(table, from), state_name(table, to), from, to);
	fflush(stderr);
	abort();
}

bool state_table_is_sound(const struct state_table *table, uint32_t first)
{
	uint32_t named = 0, reached = NEXT(first), before;
	for (uint32_t i = 0; i < STATES_MAX; i++)
		named |= table->rows[i].name != NULL ? NEXT(i) : 0;
	do {
		before = reached;
		for (uint32_t i = 0; i < STATES_MAX; i++)
			reached |= before & NEXT(i) ? table->rows[i].next : 0;
	} while (reached != before);
	return reached == named;
}
