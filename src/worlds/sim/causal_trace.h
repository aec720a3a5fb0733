/*
 * A world's events for trace/causal.h: what the tracers of all processes note, as text.
 */
#ifndef SYNOD_SIM_CAUSAL_TRACE_H
#define SYNOD_SIM_CAUSAL_TRACE_H

#include "sim/world.h"
#include "trace/causal.h"

/*
 * From now on every event of every process, also of those that start later, goes into `causal`,
 * until that is full: then `full` is set and the rest is left out. Both belong to the caller and
 * must outlive the world's processes.
 */
struct sim_causal_trace {
	struct causal *causal;
	bool full;
	struct buffer line;
};
void sim_causal_trace_begin(struct sim_world *world, struct sim_causal_trace *trace);
/* No more from now on. */
void sim_causal_trace_end(struct sim_world *world, struct sim_causal_trace *trace);

#endif
