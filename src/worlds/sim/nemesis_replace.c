/*
 * faults: 36, 37, 39, 40, 41. An operator changes who belongs to a group: adds members, removes
 * some, replaces one by another, asks for a promotion; one change after the other, or several at
 * once, while other faults go on, and whoever is concerned may be down. Who has been removed, and
 * has been told so, comes back as a new machine.
 *
 * Not asked for: what would leave more damaged disks in a group than it can do without (the atlas).
 * The rest is for the leader to refuse.
 */
#include <inttypes.h>

#include "sim/nemesis_internal.h"
#include "wire/wire.h"

/* Voters that are left by the operator, at least. */
#define VOTERS_MIN 2u

static void arm_after(struct sim_nemesis *nemesis, uint64_t after_us)
{
	sim_world_timer_set(nemesis->world, &nemesis->replace_timer,
			    nemesis->world->now_us + after_us);
}

static void arm(struct sim_nemesis *nemesis)
{
	uint64_t mean_us = nemesis->world->options.nemesis.replace_mean_us;
	if (mean_us == 0 || nemesis->operator== NULL)
		return;
	/* Some changes come in a row. */
	bool soon = rng_chance(&nemesis->rng_replaces, 300000);
	arm_after(nemesis, soon ? rng_below(&nemesis->rng_replaces, 60 * SIM_MILLISECOND)
				: nemesis_draw_length(&nemesis->rng_replaces, mean_us));
}

bool nemesis_roster_of(const struct sim_nemesis *nemesis, const struct sim_process *process,
		       struct sim_nemesis_roster *out)
{
	return nemesis->operator!= NULL && nemesis->operator->roster(nemesis->operator_context,
								     process, out);
}

static bool is_on(const struct sim_nemesis_roster *roster, const struct sim_process *process,
		  bool *voter)
{
	for (uint32_t i = 0; i < roster->count; i++)
		if (roster->list[i].process == process) {
			*voter = roster->list[i].voter;
			return true;
		}
	return false;
}

bool nemesis_is_voter(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	struct sim_nemesis_roster roster;
	bool voter = false;
	return !nemesis_roster_of(nemesis, process, &roster) ||
	       (is_on(&roster, process, &voter) && voter);
}

bool nemesis_is_listed(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	struct sim_nemesis_roster roster;
	bool voter;
	return !nemesis_roster_of(nemesis, process, &roster) || is_on(&roster, process, &voter);
}

uint32_t nemesis_tolerance(const struct sim_nemesis *nemesis, struct nemesis_group *group)
{
	struct sim_nemesis_roster roster;
	bool voter;
	if (nemesis->operator== NULL)
		return (group->count - 1) / 2;
	if (nemesis_roster_of(nemesis, group->members[0], &roster)) {
		uint32_t voters = 0;
		for (uint32_t i = 0; i < roster.count; i++)
			voters += roster.list[i].voter;
		/*
		 * A list that few know yet may be lost with their disks: then the one before counts
		 * again, and what its voters can do without.
		 */
		if (2 * roster.informed > voters || group->settled_voters == 0)
			group->settled_voters = voters;
		group->voters = voters < group->settled_voters ? voters : group->settled_voters;
		for (uint32_t i = 0; i < group->count; i++)
			group->leaving[i] = group->leaving[i] &&
					    is_on(&roster, group->members[i], &voter);
	}
	uint32_t voters = group->voters;
	for (uint32_t i = 0; i < group->count; i++)
		voters -= group->leaving[i] && voters > 0;
	return voters == 0 ? 0 : (voters - 1) / 2;
}

void nemesis_renew(const struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	struct sim_nemesis_roster roster;
	bool voter = false;
	if (!process->removed || group == NULL)
		return;
	/* A voter of a forced group that an earlier generation has made believe that it is none. */
	bool counts = nemesis_roster_of(nemesis, process, &roster) && roster.generation > 0 &&
		      is_on(&roster, process, &voter) && voter;
	group->damage[member] = (struct nemesis_damage){.wiped = counts};
	group->leaving[member] = false;
	group->foreign[member] = true;
	sim_process_reset(process);
	nemesis->operator->renew(nemesis->operator_context, process);
}

/* Somebody of the group who is no member. */
static struct sim_process *spare_of(const struct nemesis_group *group,
				    const struct sim_nemesis_roster *roster, struct rng *rng)
{
	uint32_t first = (uint32_t)rng_below(rng, group->count);
	for (uint32_t k = 0; k < group->count; k++) {
		struct sim_process *process = group->members[(first + k) % group->count];
		bool voter;
		if (!is_on(roster, process, &voter))
			return process;
	}
	return NULL;
}

/* If this one goes, can the group do without the disks that are damaged? */
static bool may_go(const struct sim_nemesis *nemesis, struct nemesis_group *group, uint32_t member)
{
	uint32_t voters = group->voters, damaged = nemesis_damaged(nemesis, group);
	const struct nemesis_damage *own = &group->damage[member];
	for (uint32_t i = 0; i < group->count; i++)
		voters -= group->leaving[i] && i != member && voters > 0;
	damaged -= nemesis_is_damaged(own);
	return voters > VOTERS_MIN && damaged <= (voters - 2) / 2;
}

static void ask(struct sim_nemesis *nemesis, const struct sim_nemesis_roster *roster,
		enum sim_fault fault, uint32_t op, uint32_t number, const struct sim_process *who,
		struct rng *rng)
{
	static const char *const words[] = {"nothing", "add", "remove", "replace", "promote"};
	nemesis_count(nemesis, fault);
	nemesis_tell(nemesis, "%s is asked to %s member %" PRIu32 " %s", roster->leader->name,
		     words[op], number, who == NULL ? "" : who->name);
	/* Or refused, if it is another one by now. */
	nemesis->operator->change(nemesis->operator_context, roster->leader, op, number, who,
				  rng_chance(rng, 300000) ? roster->slot : 0);
}

static void change(struct sim_nemesis *nemesis, struct rng *rng)
{
	struct nemesis_group *group = &nemesis->groups[rng_below(rng, nemesis->ngroups)];
	struct sim_nemesis_roster roster;
	uint64_t what = rng_below(rng, 100);
	if (!nemesis_roster_of(nemesis, group->members[0], &roster) || roster.leader == NULL ||
	    roster.leader->state != SIM_RUNNING || roster.leader->call != NULL || roster.count == 0)
		return;
	/* Those that can tell a copy from the disk that it took the place of must stay. */
	if (nemesis_has_copy(group))
		return;
	group->asked_us = nemesis->world->now_us;
	nemesis_tolerance(nemesis, group);
	uint32_t chosen = (uint32_t)rng_below(rng, roster.count), member;
	struct sim_process *old = roster.list[chosen].process,
			   *spare = spare_of(group, &roster, rng);
	if (old == NULL || nemesis_group_of(nemesis, old, &member) != group)
		return;
	if (what < 35 && spare != NULL) {
		ask(nemesis, &roster, SIM_FAULT_ADD_MEMBER, WIRE_CHANGE_ADD, 0, spare, rng);
	} else if (what < 60 && spare != NULL) {
		if (!may_go(nemesis, group, member))
			return;
		group->leaving[member] = roster.list[chosen].voter;
		ask(nemesis, &roster, SIM_FAULT_REPLACE_MEMBER, WIRE_CHANGE_REPLACE,
		    roster.list[chosen].number, spare, rng);
	} else if (what < 85) {
		if (roster.list[chosen].voter && !may_go(nemesis, group, member))
			return;
		group->leaving[member] = roster.list[chosen].voter;
		ask(nemesis, &roster, SIM_FAULT_REMOVE_MEMBER, WIRE_CHANGE_REMOVE,
		    roster.list[chosen].number, NULL, rng);
	} else if (!roster.list[chosen].voter) {
		ask(nemesis, &roster, SIM_FAULT_PROMOTE_MEMBER, WIRE_CHANGE_PROMOTE,
		    roster.list[chosen].number, NULL, rng);
	}
}

static void due(void *data)
{
	struct sim_nemesis *nemesis = data;
	struct rng rng;
	rng_seed(&rng, rng_next(&nemesis->rng_replaces));
	arm(nemesis);
	nemesis->current = nemesis->deeds++;
	if (nemesis->current < nemesis->nleft_out && nemesis->left_out[nemesis->current])
		return;
	change(nemesis, &rng);
}

void sim_nemesis_replaces(struct sim_nemesis *nemesis, const struct sim_nemesis_operator *operator,
			  void * context)
{
	nemesis->operator= operator;
	nemesis->operator_context = context;
}

void nemesis_replaces_start(struct sim_nemesis *nemesis)
{
	rng_seed(&nemesis->rng_replaces, nemesis->world->seed ^ 0x7265706c61636573ull);
	timer_init(&nemesis->replace_timer, due, nemesis);
	arm(nemesis);
}

void nemesis_replaces_stop(struct sim_nemesis *nemesis)
{
	sim_world_timer_cancel(nemesis->world, &nemesis->replace_timer);
}
