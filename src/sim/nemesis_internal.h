/*
 * The nemesis's inside: nemesis.c decides when something happens and ends it all; nemesis_deeds.c does it.
 */
#ifndef SYNOD_SIM_NEMESIS_INTERNAL_H
#define SYNOD_SIM_NEMESIS_INTERNAL_H

#include "base/limits.h"
#include "base/list.h"
#include "sim/nemesis.h"

/* What is done; most have an opposite that ends them after a while. */
enum deed {
	DEED_CRASH, DEED_STOP, DEED_PAUSE, DEED_PARTITION, DEED_CLOG, DEED_SWIZZLE, DEED_CLOCK, DEED_DISK, DEED_SLOW_DISK,
	DEEDS,
	/* Ends, and parts of others. */
	DEED_START, DEED_RESUME, DEED_MEND, DEED_UNCLOG, DEED_CLOG_ALL, DEED_UNCLOG_ALL, DEED_FAST_DISK,
};

/* Something that will be done to a process (or a pair). */
struct nemesis_plan {
	struct list link;
	struct timer timer;
	struct sim_nemesis *nemesis;
	enum deed deed;
	struct sim_process *process;
	struct sim_process *other;
	bool *side; /* MEND: which processes stood on the one side */
};

struct nemesis_source {
	struct timer timer;
	struct sim_nemesis *nemesis;
	enum deed deed;
};

struct nemesis_group {
	struct sim_process *members[REPLICAS_MAX];
	uint32_t count;
};

struct sim_nemesis {
	struct sim_world *world;
	struct rng *rng;
	struct nemesis_source sources[DEEDS];
	struct timer caretaker; /* brings halted processes back */
	struct list plans;
	struct nemesis_group *groups;
	uint32_t ngroups;
	struct sim_process **victims; /* replicas, then clients */
	uint32_t nreplicas;
	uint32_t nvictims;
	bool *core; /* by process index */
	bool (*prefers)(void *context, const struct sim_process *process);
	void *prefers_context;
};

/* ---- nemesis_deeds.c ---- */

/* Does it. plan: NULL for those that a source brings about. */
void nemesis_perform(struct sim_nemesis *nemesis, enum deed deed, struct nemesis_plan *plan);
struct nemesis_plan *nemesis_plan_at(struct sim_nemesis *nemesis, uint64_t after_us, enum deed deed,
				     struct sim_process *process, struct sim_process *other);
void nemesis_plan_free(struct nemesis_plan *plan);
/* Around a mean: between a tenth of it and twice as much. */
uint64_t nemesis_draw_length(struct sim_nemesis *nemesis, uint64_t mean_us);

#endif
