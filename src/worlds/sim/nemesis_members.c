/*
 * faults: 91. An operator's hand: a replica is started with a configuration whose list of members
 * is not its group's: one less, another name, two numbers exchanged, itself alone. It must refuse
 * to start. After a while it is started with the right one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sim/nemesis_internal.h"

static const char *alter(struct identity_members *members, const struct identity *own,
			 struct rng *rng)
{
	struct identity_members right = *members;
	uint32_t other = (uint32_t)rng_below(rng, members->count);
	while (members->count > 1 && strcmp(members->list[other].name, own->node) == 0)
		other = (other + 1) % members->count;
	bool alone = members->count == 1;
	switch (rng_below(rng, 5)) {
	case 0:
	case 1:
		if (!alone) {
			members->count = 0;
			for (uint32_t i = 0; i < right.count; i++)
				if (i != other)
					identity_add_member(members, right.list[i].replica,
							    right.list[i].name,
							    right.list[i].address);
			return "one less";
		}
		/* fall through */
	case 2:
		if (!alone) {
			members->count = 0;
			identity_add_member(members, own->replica, own->node, own->node);
			return "itself alone";
		}
		/* fall through */
	case 3:
		if (right.count > 2) {
			/* Two others, or this one and another. */
			uint32_t next = (other + 1) % right.count;
			snprintf(members->list[other].name, sizeof members->list[other].name, "%s",
				 right.list[next].name);
			snprintf(members->list[next].name, sizeof members->list[next].name, "%s",
				 right.list[other].name);
			return "two exchanged";
		}
		/* fall through */
	default:
		snprintf(members->list[other].name, sizeof members->list[other].name, "renamed");
		return "another name";
	}
}

static void arm(struct sim_nemesis *nemesis)
{
	uint64_t mean_us = nemesis->world->options.nemesis.members_mean_us;
	if (mean_us > 0)
		sim_world_timer_set(nemesis->world, &nemesis->members_timer,
				    nemesis->world->now_us +
					    nemesis_draw_length(&nemesis->rng_members, mean_us));
}

static void misconfigure(struct sim_nemesis *nemesis, struct rng *rng)
{
	struct sim_process *process = nemesis->victims[rng_below(rng, nemesis->nreplicas)];
	uint64_t down_us = nemesis_draw_length(rng, nemesis->world->options.nemesis.down_mean_us);
	/* A directory without a log takes what the configuration says. */
	if (process->identity == NULL || !process->claimed.log || process->misconfigured != NULL ||
	    !sim_process_alive(process))
		return;
	struct identity_members wrong = process->identity->members;
	const char *how = alter(&wrong, process->identity, rng);
	nemesis_count(nemesis, SIM_FAULT_OTHER_MEMBERS);
	nemesis_tell(nemesis, "%s is started with other members (%s) for %llu ms", process->name,
		     how, (unsigned long long)down_us / 1000);
	sim_process_crash(process);
	process->misconfigured = ALLOC(struct identity_members);
	*process->misconfigured = wrong;
	sim_process_start(process);
	nemesis_plan_at(nemesis, down_us, DEED_START, process, NULL);
}

static void due(void *data)
{
	struct sim_nemesis *nemesis = data;
	struct rng rng;
	rng_seed(&rng, rng_next(&nemesis->rng_members));
	arm(nemesis);
	nemesis->current = nemesis->deeds++;
	if (nemesis->current >= nemesis->nleft_out || !nemesis->left_out[nemesis->current])
		misconfigure(nemesis, &rng);
}

void nemesis_members_start(struct sim_nemesis *nemesis)
{
	timer_init(&nemesis->members_timer, due, nemesis);
	arm(nemesis);
}

void nemesis_members_stop(struct sim_nemesis *nemesis)
{
	sim_world_timer_cancel(nemesis->world, &nemesis->members_timer);
}

void nemesis_members_correct(struct sim_process *process)
{
	free(process->misconfigured);
	process->misconfigured = NULL;
}
