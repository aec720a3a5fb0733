/* Events of the simulated world with what caused them. */
#include "sim/causal_trace.h"

static void take(void *context, struct sim_process *process, const struct trace_event *event)
{
	struct sim_causal_trace *trace = context;
	if (trace->full)
		return;
	buffer_clear(&trace->line);
	trace_event_format(&trace->line, event,
			   event->link == 0 ? "" : sim_process_peer(process, event->link));
	trace->full = causal_add(trace->causal, slice_string(process->name),
				 buffer_slice(&trace->line)) != 0;
}

void sim_causal_trace_begin(struct sim_world *world, struct sim_causal_trace *trace)
{
	trace->full = false;
	sim_world_trace(world, take, trace);
}

void sim_causal_trace_end(struct sim_world *world, struct sim_causal_trace *trace)
{
	sim_world_trace(world, NULL, NULL);
	buffer_free(&trace->line);
}
