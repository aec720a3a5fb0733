/*
 * faults: 104. A replica's disk is copied while its process runs, and later the copy takes the
 * disk's place: what it promised and acknowledged in between is forgotten (rsm/starts.h).
 *
 * Only when its group can tell, whoever of it is up when the copy is started: of the others whose
 * disks count, fewer than it has to hear of before it counts have not written down that they
 * remember more than the copy holds. Until it has been recognised nothing else happens to disks of
 * its group; beyond the atlas more than a minority may be copies, each recognised by the rest, so
 * that in the end nobody has a vote.
 *
 * Some copies are started several times before they are recognised: they have more starts than the
 * disk had whose place they take. And some disks are started once more before that, so that the
 * copy lacks a start, and perhaps nothing else.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "sim/nemesis_internal.h"

/* A change that has been asked for has been made by then, or refused. */
#define CHANGES_US (3 * SIM_SECOND)
#define STARTS_MORE 3u

struct nemesis_copy {
	struct disk_sim_image *image; /* NULL: there is none */
	struct rsm_moment moment;
	uint64_t at_us;
	uint64_t down_us;     /* when it is put back */
	uint32_t more_starts; /* … and after how much time each it is started again */
	uint64_t more_us[STARTS_MORE];
};

static void arm(struct sim_nemesis *nemesis)
{
	uint64_t mean_us = nemesis->world->options.nemesis.stale_mean_us;
	if (mean_us > 0 && nemesis->rsm_of != NULL)
		sim_world_timer_set(nemesis->world, &nemesis->stale_timer,
				    nemesis->world->now_us +
					    nemesis_draw_length(&nemesis->rng_stale, mean_us));
}

static const struct rsm *rsm_of(const struct sim_nemesis *nemesis,
				const struct sim_process *process)
{
	return sim_process_alive(process) ? nemesis->rsm_of(nemesis->stale_context, process) : NULL;
}

static void take_copy(struct sim_nemesis *nemesis, struct sim_process *process,
		      const struct nemesis_damage *damage, struct nemesis_copy *copy)
{
	const struct rsm *rsm = rsm_of(nemesis, process);
	bool whole = !nemesis_is_damaged(damage) && damage->stale_life == 0;
	if (rsm == NULL || !whole)
		return;
	disk_sim_image_free(copy->image);
	copy->image = disk_sim_copy(process->disk);
	copy->at_us = nemesis->world->now_us;
	rsm_moment(rsm, &copy->moment);
	nemesis_tell(nemesis, "the disk of %s is copied", process->name);
}

/*
 * Of a life that is not bound any more it may be forgotten what it has had: nothing of it counts.
 */
static bool is_bound(const struct sim_nemesis *nemesis, struct sim_process *process,
		     const struct nemesis_copy *copy)
{
	uint64_t present = process->env.life;
	process->env.life = copy->moment.life;
	bool bound = nemesis->bound != NULL && nemesis->bound(nemesis->bound_context, process);
	process->env.life = present;
	return bound;
}

bool nemesis_has_copy(const struct nemesis_group *group)
{
	for (uint32_t i = 0; i < group->count; i++)
		if (group->damage[i].stale_life != 0)
			return true;
	return false;
}

/*
 * Who votes, the numbers by which others remember them, and that nobody comes or goes: who votes
 * from now on has not been told, and who has been told does not vote any more.
 */
static bool settled(const struct sim_nemesis *nemesis, const struct nemesis_group *group,
		    struct sim_nemesis_roster *roster)
{
	if (nemesis->operator== NULL) {
		*roster = (struct sim_nemesis_roster){.count = group->count};
		for (uint32_t i = 0; i < group->count; i++) {
			roster->list[i].process = group->members[i];
			roster->list[i].number = i + 1;
		}
		return true;
	}
	if (!nemesis_roster_of(nemesis, group->members[0], roster) ||
	    (group->asked_us != 0 && nemesis->world->now_us < group->asked_us + CHANGES_US))
		return false;
	for (uint32_t i = 0; i < roster->count; i++)
		if (!roster->list[i].voter || roster->list[i].process == NULL)
			return false;
	return true;
}

static bool may_be_put_back(struct sim_nemesis *nemesis, struct nemesis_group *group,
			    uint32_t member, const struct nemesis_copy *copy)
{
	struct sim_nemesis_roster roster;
	uint32_t ignorant = 0, number = 0, damaged = nemesis_damaged(nemesis, group);
	const struct nemesis_damage *own = &group->damage[member];
	bool beyond = nemesis->world->options.nemesis.beyond;
	if (!settled(nemesis, group, &roster))
		return false;
	for (uint32_t i = 0; i < roster.count; i++)
		if (roster.list[i].process == group->members[member])
			number = roster.list[i].number;
	if (number == 0 || own->refused || own->memory || own->stale_life != 0 ||
	    !is_bound(nemesis, group->members[member], copy))
		return false;
	if (damaged >= nemesis_tolerance(nemesis, group) && !beyond)
		return false;
	for (uint32_t i = 0; i < roster.count; i++) {
		const struct sim_process *process = roster.list[i].process;
		const struct nemesis_damage *damage = nemesis_damage_of(nemesis, process);
		const struct rsm *rsm = rsm_of(nemesis, process);
		/*
		 * Who has no vote is not asked. What damage to a log does to what it remembers is
		 * not known.
		 */
		if (roster.list[i].number == number || damage->wiped)
			continue;
		if (damage->log || damage->beside || damage->stale_life != 0)
			return false;
		ignorant += rsm == NULL || !rsm_remembers_more(rsm, number, &copy->moment);
	}
	return ignorant < roster.count / 2;
}

static struct nemesis_copy *copy_of(struct sim_nemesis *nemesis, const struct sim_process *process)
{
	for (uint32_t i = 0; nemesis->copies != NULL && i < nemesis->nreplicas; i++)
		if (nemesis->victims[i] == process)
			return &nemesis->copies[i];
	return NULL;
}

void nemesis_stale_forget(struct sim_nemesis *nemesis, const struct nemesis_group *group)
{
	for (uint32_t i = 0; i < group->count; i++) {
		struct nemesis_copy *copy = copy_of(nemesis, group->members[i]);
		if (copy == NULL)
			continue;
		disk_sim_image_free(copy->image);
		copy->image = NULL;
	}
}

static void put_back(struct sim_nemesis *nemesis, struct sim_process *process,
		     struct nemesis_group *group, uint32_t member, const struct nemesis_copy *copy)
{
	uint64_t age_us = nemesis->world->now_us - copy->at_us;
	if (copy->image == NULL || !may_be_put_back(nemesis, group, member, copy))
		return;
	nemesis_count(nemesis, SIM_FAULT_STALE_COPY);
	nemesis_tell(nemesis,
		     "the disk of %s is replaced by a copy that is %llu ms old, and it is down for "
		     "%llu ms",
		     process->name, (unsigned long long)age_us / 1000,
		     (unsigned long long)copy->down_us / 1000);
	sim_process_power_loss(process);
	sim_process_put_back(process, copy->image, copy->moment.life, copy->at_us);
	/* The copy was whole when it was made: whatever was damaged since is gone as well. */
	group->damage[member] = (struct nemesis_damage){.stale_life = copy->moment.life};
	nemesis_plan_at(nemesis, copy->down_us, DEED_START, process, NULL);
	uint64_t after_us = copy->down_us;
	for (uint32_t i = 0; i < copy->more_starts; i++) {
		after_us += copy->more_us[i];
		nemesis_plan_at(nemesis, after_us, DEED_START_AGAIN, process, NULL);
	}
}

void nemesis_stale_again(struct sim_nemesis *nemesis, struct sim_process *process)
{
	if (!sim_process_alive(process) || !sim_nemesis_is_stale(nemesis, process))
		return;
	nemesis_count(nemesis, SIM_FAULT_KILL);
	nemesis_tell(nemesis, "%s is killed, and started with its copy once more", process->name);
	sim_process_restart(process);
}

static bool may_be_victim(const struct nemesis_group *group, const struct sim_process *process)
{
	return group != NULL && group->count >= 2 && process->env.life != 0 &&
	       process->misconfigured == NULL && sim_process_alive(process) &&
	       process->node->ops->stop_voting != NULL;
}

void nemesis_stale_put_back(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint32_t member;
	struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	const struct nemesis_copy *copy = copy_of(nemesis, process);
	if (copy != NULL && may_be_victim(group, process))
		put_back(nemesis, process, group, member, copy);
}

/* What follows is drawn last: the rest is as it was before there was this. */
static void draw_starts(struct nemesis_copy *copy, struct rng *rng)
{
	copy->more_starts = rng_chance(rng, 400000) ? (uint32_t)rng_range(rng, 1, STARTS_MORE) : 0;
	for (uint32_t i = 0; i < STARTS_MORE; i++)
		copy->more_us[i] = rng_range(rng, SIM_MILLISECOND, 80 * SIM_MILLISECOND);
}

/*
 * The disk is started once more, and is replaced only when the others have had time to write that
 * down.
 */
static void start_before(struct sim_nemesis *nemesis, struct sim_process *process, struct rng *rng)
{
	nemesis_count(nemesis, SIM_FAULT_KILL);
	nemesis_tell(nemesis,
		     "%s is killed, and started again, before a copy takes the place of its disk",
		     process->name);
	sim_process_restart(process);
	uint64_t after_us = rng_range(rng, 100 * SIM_MILLISECOND, 2500 * SIM_MILLISECOND);
	nemesis_plan_at(nemesis, after_us, DEED_PUT_BACK, process, NULL);
}

static void disturb(struct sim_nemesis *nemesis, struct rng *rng)
{
	uint32_t member, victim = (uint32_t)rng_below(rng, nemesis->nreplicas);
	struct sim_process *process = nemesis->victims[victim];
	struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	uint64_t down_us = nemesis_draw_length(rng, nemesis->world->options.nemesis.down_mean_us);
	bool copies = rng_chance(rng, 400000);
	if (!may_be_victim(group, process))
		return;
	struct nemesis_copy *copy = &nemesis->copies[victim];
	if (copies || copy->image == NULL) {
		take_copy(nemesis, process, &group->damage[member], copy);
		return;
	}
	copy->down_us = down_us;
	draw_starts(copy, rng);
	if (rng_chance(rng, 200000))
		start_before(nemesis, process, rng);
	else
		put_back(nemesis, process, group, member, copy);
}

static void due(void *data)
{
	struct sim_nemesis *nemesis = data;
	struct rng rng;
	rng_seed(&rng, rng_next(&nemesis->rng_stale));
	arm(nemesis);
	nemesis->current = nemesis->deeds++;
	if (nemesis->current >= nemesis->nleft_out || !nemesis->left_out[nemesis->current])
		disturb(nemesis, &rng);
}

void sim_nemesis_stale_copies(struct sim_nemesis *nemesis,
			      const struct rsm *(*rsm)(void *context,
						       const struct sim_process *process),
			      void *context)
{
	nemesis->rsm_of = rsm;
	nemesis->stale_context = context;
}

bool sim_nemesis_is_stale(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	const struct nemesis_damage *damage = nemesis_damage_of(nemesis, process);
	return damage != NULL && damage->stale_life != 0 && damage->stale_life == process->env.life;
}

void nemesis_stale_start(struct sim_nemesis *nemesis)
{
	rng_seed(&nemesis->rng_stale, nemesis->world->seed ^ 0x7374616c65ull);
	nemesis->copies = alloc_zeroed(nemesis->nreplicas, sizeof *nemesis->copies);
	timer_init(&nemesis->stale_timer, due, nemesis);
	arm(nemesis);
}

void nemesis_stale_stop(struct sim_nemesis *nemesis)
{
	sim_world_timer_cancel(nemesis->world, &nemesis->stale_timer);
	for (uint32_t i = 0; nemesis->copies != NULL && i < nemesis->nreplicas; i++)
		disk_sim_image_free(nemesis->copies[i].image);
	free(nemesis->copies);
	nemesis->copies = NULL;
}
