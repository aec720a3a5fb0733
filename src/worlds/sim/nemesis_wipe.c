/*
 * faults: 38. A replica's disk is lost with all that is on it, and another one takes its place: at
 * most so many of a group as it can do without, and only when its members count as they are: one
 * that is wiped must be bound again before it is whole.
 */
#include "sim/nemesis_internal.h"

static void arm(struct sim_nemesis *nemesis)
{
	uint64_t mean_us = nemesis->world->options.nemesis.wipe_mean_us;
	if (mean_us > 0 && nemesis->bound != NULL)
		sim_world_timer_set(nemesis->world, &nemesis->wipe_timer,
				    nemesis->world->now_us +
					    nemesis_draw_length(&nemesis->rng_wipes, mean_us));
}

static bool may_be_wiped(struct sim_nemesis *nemesis, struct nemesis_group *group, uint32_t member)
{
	/* More disks than the group can do without: nobody answers any more, or the truth. */
	if (nemesis->world->options.nemesis.beyond)
		return !group->damage[member].wiped;
	uint32_t damaged = nemesis_damaged(nemesis, group);
	if (group->damage[member].wiped || !nemesis_is_listed(nemesis, group->members[member]) ||
	    damaged >= nemesis_tolerance(nemesis, group))
		return false;
	for (uint32_t i = 0; i < group->count; i++)
		if (nemesis_is_voter(nemesis, group->members[i]) && !group->damage[i].wiped &&
		    !nemesis->bound(nemesis->bound_context, group->members[i]))
			return false;
	return true;
}

void sim_nemesis_wipe_down(struct sim_nemesis *nemesis, struct sim_process *process)
{
	struct nemesis_damage *damage = nemesis_damage_of(nemesis, process);
	sim_process_wipe(process);
	/* Whatever was damaged is gone as well. */
	*damage = (struct nemesis_damage){.wiped = true, .memory = damage->memory};
}

static bool wipe(struct sim_nemesis *nemesis, struct sim_process *process, struct rng *rng)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	uint64_t down_us = nemesis_draw_length(rng, nemesis->world->options.nemesis.down_mean_us);
	if (group == NULL || process->env.life == 0 || process->misconfigured != NULL ||
	    !sim_process_alive(process) || process->node->ops->stop_voting == NULL ||
	    !may_be_wiped(nemesis, group, member))
		return false;
	nemesis_count(nemesis, SIM_FAULT_WIPE);
	nemesis_tell(nemesis, "the disk of %s is lost; another one takes its place after %llu ms",
		     process->name, (unsigned long long)down_us / 1000);
	sim_process_power_loss(process);
	sim_nemesis_wipe_down(nemesis, process);
	nemesis_plan_at(nemesis, down_us, DEED_START, process, NULL);
	return true;
}

static bool is_left_out(struct sim_nemesis *nemesis)
{
	nemesis->current = nemesis->deeds++;
	return nemesis->current < nemesis->nleft_out && nemesis->left_out[nemesis->current];
}

bool sim_nemesis_wipe(struct sim_nemesis *nemesis, struct sim_process *process, struct rng *rng)
{
	return nemesis->core == NULL && nemesis->bound != NULL && !is_left_out(nemesis) &&
	       wipe(nemesis, process, rng);
}

bool sim_nemesis_is_wiped(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	const struct nemesis_damage *damage = nemesis_damage_of(nemesis, process);
	return damage != NULL && damage->wiped;
}

static void due(void *data)
{
	struct sim_nemesis *nemesis = data;
	struct rng rng;
	rng_seed(&rng, rng_next(&nemesis->rng_wipes));
	arm(nemesis);
	if (!is_left_out(nemesis))
		wipe(nemesis, nemesis->victims[rng_below(&rng, nemesis->nreplicas)], &rng);
}

void sim_nemesis_wipes(struct sim_nemesis *nemesis,
		       bool (*bound)(void *context, const struct sim_process *process),
		       void *context)
{
	nemesis->bound = bound;
	nemesis->bound_context = context;
}

void nemesis_wipes_start(struct sim_nemesis *nemesis)
{
	rng_seed(&nemesis->rng_wipes, nemesis->world->seed ^ 0x7769706573ull);
	timer_init(&nemesis->wipe_timer, due, nemesis);
	arm(nemesis);
}

void nemesis_wipes_stop(struct sim_nemesis *nemesis)
{
	sim_world_timer_cancel(nemesis->world, &nemesis->wipe_timer);
}
