/* One seed as a causal trace with vector clocks, for ShiViz (docs/tracing.md). */
#ifndef SYNOD_SIM_SHIVIZ_H
#define SYNOD_SIM_SHIVIZ_H

#include "base/status.h"
#include "sim/world.h"

struct shiviz;

/*
 * Everything that happens in the world from now on, for the file of that name; NULL for path NULL.
 */
struct shiviz *shiviz_begin(struct sim_world *world, const char *path);
/*
 * Writes the file and frees; NULL is fine. STATUS_IO: it cannot be written; STATUS_CORRUPT: events
 * contradict each other. Then stderr says more.
 */
int shiviz_end(struct shiviz *shiviz, struct sim_world *world) MUST_CHECK;

#endif
