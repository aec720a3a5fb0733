/*
 * faults: 110. Most voters of a group lose their power at once, and do not come back; an operator
 * makes the group go on from one of those that are left (rsm/force.h), and adds others as machines
 * come and go (nemesis_replace.c). Those who were lost come back later, with what they had, and
 * whomever they meet then: they must never serve again.
 *
 * The one that it goes on from has everything that its group has acknowledged: so nothing of it may
 * be lost, and whatever else is checked of a run must hold as if nothing had happened. Until it is
 * decided, which is when the generation has been recorded, the operator brings nobody back, however
 * often he has to ask; and until the group has begun it, nothing else happens to its disks.
 */
#include <inttypes.h>

#include "sim/nemesis_internal.h"

/* It waits for the moment at which some group can go on without a loss: so often, and so long. */
#define TRIES_MAX 100u
#define TRY_AGAIN_US (20 * SIM_MILLISECOND)
/* The operator asks again; what he asks for takes two seconds (FORCE_PROBE_MS). */
#define AGAIN_MIN_US (1 * SIM_SECOND)
#define AGAIN_MAX_US (4 * SIM_SECOND)
/* So long they are away, at most, when it is decided; … */
#define AWAY_US (8 * SIM_SECOND)
/* … and so long nobody of the later generation is there when they come. */
#define ALONE_MIN_US (1 * SIM_SECOND)
#define ALONE_MAX_US (6 * SIM_SECOND)

static void arm(struct sim_nemesis *nemesis)
{
	uint64_t mean_us = nemesis->world->options.nemesis.force_mean_us;
	if (mean_us > 0 && nemesis->forcer != NULL && nemesis->operator!= NULL)
		sim_world_timer_set(nemesis->world, &nemesis->force_timer,
				    nemesis->world->now_us +
					    nemesis_draw_length(&nemesis->rng_forces, mean_us));
}

bool nemesis_is_lost(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	uint32_t member;
	const struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	return group != NULL && group->lost[member];
}

bool nemesis_is_forced(const struct sim_nemesis *nemesis, const struct nemesis_group *group)
{
	struct sim_nemesis_roster roster;
	bool begun = group->survivor != NULL && group->confirmed &&
		     nemesis_roster_of(nemesis, group->survivor, &roster) &&
		     roster.generation >= group->generation;
	return group->survivor != NULL && !begun;
}

/* The one that it may go on from; NULL: there is none. */
static struct sim_process *survivor_of(struct sim_nemesis *nemesis, struct nemesis_group *group,
				       const struct sim_nemesis_roster *roster, struct rng *rng)
{
	uint32_t first = (uint32_t)rng_below(rng, SIM_NEMESIS_GROUP_MAX), member;
	/* The more there is to be lost the better; but not for ever. */
	enum sim_nemesis_suits least = nemesis->force_tries < TRIES_MAX / 2 ? SUITS_BEST : SUITS;
	if (nemesis->world->options.nemesis.beyond || nemesis_is_forced(nemesis, group) ||
	    (group->survivor != NULL && !group->decided) || nemesis_has_copy(group) ||
	    roster->leader == NULL || roster->leader->state != SIM_RUNNING)
		return NULL;
	nemesis_damaged(nemesis, group);
	for (uint32_t i = 0; i < roster->count; i++) {
		uint32_t chosen = (first + i) % roster->count;
		struct sim_process *process = roster->list[chosen].process;
		if (process != NULL && roster->list[chosen].voter &&
		    process->state == SIM_RUNNING &&
		    nemesis_group_of(nemesis, process, &member) == group &&
		    !nemesis_is_damaged(&group->damage[member]) &&
		    nemesis->bound(nemesis->bound_context, process) &&
		    nemesis->forcer->may(nemesis->forcer_context, process, roster->leader) >= least)
			return process;
	}
	return NULL;
}

/*
 * All but the survivor, or only so many of the voters that there is no majority; who is down stays
 * down. By power, or killed.
 */
static void lose(struct sim_nemesis *nemesis, struct nemesis_group *group,
		 const struct sim_nemesis_roster *roster, uint32_t voters, struct rng *rng)
{
	uint32_t first = (uint32_t)rng_below(rng, roster->count), lost = 0;
	uint32_t count = rng_chance(rng, 500000) ? voters : (voters + 1) / 2;
	for (uint32_t i = 0; i < roster->count; i++) {
		uint32_t chosen = (first + i) % roster->count, member;
		struct sim_process *process = roster->list[chosen].process;
		bool power = rng_chance(rng, 500000);
		if (process == NULL || process == group->survivor ||
		    nemesis_group_of(nemesis, process, &member) != group ||
		    (sim_process_alive(process) && (!roster->list[chosen].voter || lost >= count)))
			continue;
		nemesis_tell(nemesis, "%s is lost", process->name);
		group->lost[member] = true;
		lost += roster->list[chosen].voter;
		if (power)
			sim_process_power_loss(process);
		else
			sim_process_crash(process);
	}
}

static void plan_next(struct sim_nemesis *nemesis, struct sim_process *survivor)
{
	nemesis_plan_at(nemesis, rng_range(&nemesis->rng_forces, AGAIN_MIN_US, AGAIN_MAX_US),
			DEED_FORCE, survivor, NULL);
}

/* False: no group can lose its majority now without losing what it has acknowledged. */
static bool disturb(struct sim_nemesis *nemesis, struct rng *rng)
{
	uint32_t first = (uint32_t)rng_below(rng, nemesis->ngroups), voters = 0;
	struct nemesis_group *group = NULL;
	struct sim_nemesis_roster roster;
	struct sim_process *survivor = NULL;
	for (uint32_t i = 0; i < nemesis->ngroups && survivor == NULL; i++) {
		group = &nemesis->groups[(first + i) % nemesis->ngroups];
		if (nemesis_roster_of(nemesis, group->members[0], &roster) && roster.count > 1)
			survivor = survivor_of(nemesis, group, &roster, rng);
	}
	if (survivor == NULL)
		return false;
	for (uint32_t i = 0; i < roster.count; i++)
		voters += roster.list[i].voter;
	if (voters < 2)
		return false;
	group->survivor = survivor;
	group->generation = roster.generation + 1;
	group->confirmed = group->decided = false;
	nemesis_count(nemesis, SIM_FAULT_FORCE);
	nemesis_tell(nemesis, "the group of %s loses its majority", survivor->name);
	nemesis_stale_forget(nemesis, group);
	lose(nemesis, group, &roster, voters, rng);
	plan_next(nemesis, survivor);
	return true;
}

/*
 * Those who were lost may come back: one after the other, or together, while nobody is there who
 * could tell them.
 */
static void bring_back(struct sim_nemesis *nemesis, struct nemesis_group *group)
{
	bool together = rng_chance(&nemesis->rng_forces, 500000);
	uint64_t after_us = rng_below(&nemesis->rng_forces, AWAY_US);
	group->decided = true;
	if (together) {
		nemesis_plan_at(nemesis, after_us, DEED_COME_BACK, group->survivor, NULL);
		return;
	}
	for (uint32_t i = 0; i < group->count; i++) {
		if (!group->lost[i])
			continue;
		group->lost[i] = false;
		nemesis_plan_at(nemesis, rng_below(&nemesis->rng_forces, AWAY_US), DEED_START,
				group->members[i], NULL);
	}
}

void nemesis_come_back(struct sim_nemesis *nemesis, struct sim_process *survivor)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, survivor, &member);
	uint64_t alone_us = rng_range(&nemesis->rng_forces, ALONE_MIN_US, ALONE_MAX_US);
	nemesis_tell(nemesis, "those of the group of %s that were lost come back, alone",
		     survivor->name);
	for (uint32_t i = 0; i < group->count; i++) {
		struct sim_process *process = group->members[i];
		if (!group->lost[i] && sim_process_alive(process)) {
			sim_process_crash(process);
			nemesis_plan_at(nemesis, alone_us, DEED_START, process, NULL);
		}
		if (group->lost[i])
			nemesis_plan_at(nemesis,
					rng_below(&nemesis->rng_forces, 300 * SIM_MILLISECOND),
					DEED_START, process, NULL);
		group->lost[i] = false;
	}
}

/* Those who were lost are only down: the caretaker starts them. */
static void give_up(struct nemesis_group *group)
{
	group->survivor = NULL;
	for (uint32_t i = 0; i < group->count; i++)
		group->lost[i] = false;
}

void nemesis_force(struct sim_nemesis *nemesis, struct sim_process *survivor)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, survivor, &member);
	bool asks = rng_chance(&nemesis->rng_forces, 200000);
	if (group->survivor != survivor || !nemesis_is_forced(nemesis, group))
		return;
	/*
	 * He may not have been told so, and the survivor not either, if it was named while this was
	 * on its way to be recorded: so he asks on until it has begun.
	 */
	if (group->confirmed && !group->decided &&
	    nemesis->forcer->recorded(nemesis->forcer_context, survivor) >= group->generation)
		bring_back(nemesis, group);
	if (!group->decided && survivor->state == SIM_RUNNING &&
	    nemesis->forcer->refuses(nemesis->forcer_context, survivor)) {
		nemesis_tell(nemesis, "%s cannot be gone on from", survivor->name);
		give_up(group);
		return;
	}
	plan_next(nemesis, survivor);
	if (survivor->state != SIM_RUNNING || survivor->call != NULL)
		return;
	if (!asks && !group->confirmed) {
		nemesis_tell(nemesis, "%s is made to go on as generation %" PRIu32, survivor->name,
			     group->generation);
		group->confirmed = true;
	}
	nemesis->forcer->ask(nemesis->forcer_context, survivor, asks ? 0 : group->generation);
}

void nemesis_forces_give_up(struct sim_nemesis *nemesis)
{
	for (uint32_t g = 0; g < nemesis->ngroups; g++) {
		struct nemesis_group *group = &nemesis->groups[g];
		/* Or it is decided, and they had not come back yet. */
		if (group->survivor == NULL || (group->confirmed && !group->decided))
			continue;
		if (!group->confirmed)
			group->survivor = NULL;
		for (uint32_t i = 0; i < group->count; i++)
			group->lost[i] = false;
	}
}

void nemesis_forces_go_on(struct sim_nemesis *nemesis)
{
	for (uint32_t g = 0; g < nemesis->ngroups; g++)
		if (nemesis_is_forced(nemesis, &nemesis->groups[g]))
			nemesis_plan_at(nemesis, SIM_SECOND, DEED_FORCE,
					nemesis->groups[g].survivor, NULL);
}

static void due(void *data)
{
	struct sim_nemesis *nemesis = data;
	struct rng rng;
	rng_seed(&rng, rng_next(&nemesis->rng_forces));
	if (nemesis->force_tries == 0)
		nemesis->force_number = nemesis->deeds++;
	nemesis->current = nemesis->force_number;
	bool left_out = nemesis->current < nemesis->nleft_out &&
			nemesis->left_out[nemesis->current];
	if (left_out || disturb(nemesis, &rng) || ++nemesis->force_tries >= TRIES_MAX) {
		nemesis->force_tries = 0;
		arm(nemesis);
		return;
	}
	sim_world_timer_set(nemesis->world, &nemesis->force_timer,
			    nemesis->world->now_us + TRY_AGAIN_US);
}

void sim_nemesis_forces(struct sim_nemesis *nemesis, const struct sim_nemesis_forcer *forcer,
			void *context)
{
	nemesis->forcer = forcer;
	nemesis->forcer_context = context;
}

void nemesis_forces_start(struct sim_nemesis *nemesis)
{
	rng_seed(&nemesis->rng_forces, nemesis->world->seed ^ 0x666f72636573ull);
	timer_init(&nemesis->force_timer, due, nemesis);
	arm(nemesis);
}

void nemesis_forces_stop(struct sim_nemesis *nemesis)
{
	sim_world_timer_cancel(nemesis->world, &nemesis->force_timer);
}
