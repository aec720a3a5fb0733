/* The nemesis: when something happens, and that it ends. */
#include "sim/nemesis.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sim/nemesis_internal.h"
#include "sim/network.h"

#define CARETAKER_US (500 * SIM_MILLISECOND)

/* ---- when ---- */

static uint64_t mean_of(const struct sim_nemesis *nemesis, enum deed deed)
{
	const struct sim_nemesis_options *o = &nemesis->world->options.nemesis;
	const uint64_t means[DEEDS] = {
		[DEED_CRASH] = o->crash_mean_us,
		[DEED_STOP] = o->stop_mean_us,
		[DEED_PAUSE] = o->pause_mean_us,
		[DEED_PARTITION] = o->partition_mean_us,
		[DEED_CLOG] = o->clog_mean_us,
		[DEED_SWIZZLE] = o->swizzle_mean_us,
		[DEED_CLOCK] = o->clock_mean_us,
		[DEED_DISK] = o->disk_mean_us,
		[DEED_SLOW_DISK] = o->slow_disk_mean_us,
		[DEED_DISK_ERRORS] = o->disk_errors_mean_us,
		[DEED_FULL_DISK] = o->full_disk_mean_us,
		[DEED_DAMAGE] = o->damage_mean_us,
		[DEED_CLIENT_CRASH] = o->client_crash_mean_us,
		[DEED_CRASH_AT_SEND] = o->crash_at_send_mean_us,
		[DEED_DEAF] = o->deaf_mean_us,
		[DEED_DRIFT] = o->drift_mean_us,
		[DEED_HAND_OVER] = o->hand_over_mean_us,
		[DEED_HUNG_DISK] = o->hung_disk_mean_us,
		[DEED_EXCHANGE] = o->exchange_mean_us,
		[DEED_REELECT] = o->reelect_mean_us,
		[DEED_NO_DESCRIPTOR] = o->no_descriptor_mean_us,
		[DEED_GROUP_DISKS] = o->group_disks_mean_us,
	};
	return means[deed];
}

static struct rng *schedule_of(struct nemesis_source *source)
{
	return source->deed < DEEDS_OF_OWN ? &source->nemesis->schedule : &source->own;
}

static void source_arm(struct nemesis_source *source)
{
	struct sim_nemesis *nemesis = source->nemesis;
	uint64_t mean_us = mean_of(nemesis, source->deed);
	if (mean_us > 0)
		sim_world_timer_set(nemesis->world, &source->timer,
				    nemesis->world->now_us +
					    nemesis_draw_length(schedule_of(source), mean_us));
}

static void source_due(void *data)
{
	struct nemesis_source *source = data;
	struct sim_nemesis *nemesis = source->nemesis;
	rng_seed(&nemesis->rng, rng_next(schedule_of(source)));
	source_arm(source);
	nemesis->current = nemesis->deeds++;
	if (nemesis->current >= nemesis->nleft_out || !nemesis->left_out[nemesis->current])
		nemesis_perform(nemesis, source->deed, NULL);
}

static bool start_is_planned(struct sim_nemesis *nemesis, const struct sim_process *process)
{
	LIST_FOR (link, &nemesis->plans) {
		const struct nemesis_plan *plan = LIST_ITEM(link, struct nemesis_plan, link);
		if (plan->deed == DEED_START && plan->process == process)
			return true;
	}
	return false;
}

/*
 * Whoever went down by himself (a failed disk, an orderly stop) is started again by his operator.
 * In peace as well: a request that was under way may still fail.
 */
static void caretaker_due(void *data)
{
	struct sim_nemesis *nemesis = data;
	uint64_t down_us = nemesis->world->options.nemesis.down_mean_us;
	for (uint32_t i = 0; i < nemesis->nreplicas; i++) {
		struct sim_process *process = nemesis->victims[i];
		bool condemned = nemesis->core != NULL && !nemesis->core[process->index];
		if (!sim_process_alive(process) && !condemned &&
		    !nemesis_is_lost(nemesis, process) && !nemesis_hopeless(nemesis, process) &&
		    !start_is_planned(nemesis, process))
			nemesis_plan_at(nemesis, nemesis_draw_length(&nemesis->rng_care, down_us),
					DEED_START, process, NULL);
	}
	sim_world_timer_set(nemesis->world, &nemesis->caretaker,
			    nemesis->world->now_us + CARETAKER_US);
}

/* ---- records ---- */

void nemesis_tell(struct sim_nemesis *nemesis, const char *format, ...)
{
	struct sim_nemesis_record record = {.number = nemesis->current,
					    .at_us = nemesis->world->now_us};
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(record.text, sizeof record.text, format, arguments);
	va_end(arguments);
	sim_trace_note(&nemesis->world->trace, "fault=%" PRIu32 " %s", record.number, record.text);
	if (nemesis->told != NULL)
		nemesis->told(nemesis->told_context, &record);
}

void sim_nemesis_listen(struct sim_nemesis *nemesis,
			void (*told)(void *context, const struct sim_nemesis_record *record),
			void *context)
{
	nemesis->told = told;
	nemesis->told_context = context;
}

void sim_nemesis_leave_out(struct sim_nemesis *nemesis, const bool *numbers, uint32_t count)
{
	nemesis->left_out = numbers;
	nemesis->nleft_out = count;
}

/* ---- life ---- */

struct sim_nemesis *sim_nemesis_create(struct sim_world *world)
{
	struct sim_nemesis *nemesis = ALLOC(struct sim_nemesis);
	nemesis->world = world;
	rng_seed(&nemesis->schedule, rng_next(&world->rng_nemesis));
	rng_seed(&nemesis->rng_care, rng_next(&world->rng_nemesis));
	rng_seed(&nemesis->rng_peace, rng_next(&world->rng_nemesis));
	rng_seed(&nemesis->rng_hung, rng_next(&world->rng_nemesis));
	list_init(&nemesis->plans);
	for (unsigned deed = 0; deed < DEEDS; deed++) {
		struct nemesis_source *source = &nemesis->sources[deed];
		*source = (struct nemesis_source){.nemesis = nemesis, .deed = (enum deed)deed};
		if (deed >= DEEDS_OF_OWN)
			rng_seed(&source->own, rng_next(&world->rng_nemesis));
		timer_init(&source->timer, source_due, source);
	}
	timer_init(&nemesis->caretaker, caretaker_due, nemesis);
	rng_seed(&nemesis->rng_members, world->seed ^ 0x6c69737473ull);
	return nemesis;
}

static void add_victim(struct sim_nemesis *nemesis, struct sim_process *process)
{
	nemesis->victims = alloc_resize(nemesis->victims, nemesis->nvictims + 1,
					sizeof(struct sim_process *));
	nemesis->victims[nemesis->nvictims++] = process;
}

static void add_member(struct sim_nemesis *nemesis, struct nemesis_group *group,
		       struct sim_process *process)
{
	ASSERT(nemesis->nvictims == nemesis->nreplicas); /* clients come last */
	ASSERT(group->count < SIM_NEMESIS_GROUP_MAX);
	group->members[group->count++] = process;
	add_victim(nemesis, process);
	nemesis->nreplicas++;
}

void sim_nemesis_add_group(struct sim_nemesis *nemesis, struct sim_process *const *members,
			   uint32_t count)
{
	ASSERT(count <= REPLICAS_MAX);
	nemesis->groups = alloc_resize(nemesis->groups, nemesis->ngroups + 1,
				       sizeof *nemesis->groups);
	struct nemesis_group *group = &nemesis->groups[nemesis->ngroups++];
	*group = (struct nemesis_group){.voters = count};
	for (uint32_t i = 0; i < count; i++)
		add_member(nemesis, group, members[i]);
}

void sim_nemesis_add_spares(struct sim_nemesis *nemesis, struct sim_process *const *spares,
			    uint32_t count)
{
	struct nemesis_group *group = &nemesis->groups[nemesis->ngroups - 1];
	for (uint32_t i = 0; i < count; i++) {
		group->foreign[group->count] = true;
		add_member(nemesis, group, spares[i]);
	}
}

void sim_nemesis_add_client(struct sim_nemesis *nemesis, struct sim_process *process)
{
	add_victim(nemesis, process);
}

void sim_nemesis_prefer(struct sim_nemesis *nemesis,
			bool (*prefers)(void *context, const struct sim_process *process),
			void *context)
{
	nemesis->prefers = prefers;
	nemesis->prefers_context = context;
}

void sim_nemesis_operate(struct sim_nemesis *nemesis,
			 void (*hand_over)(void *context, struct sim_process *process),
			 void *context)
{
	nemesis->hand_over = hand_over;
	nemesis->operate_context = context;
}

void sim_nemesis_count_votes(struct sim_nemesis *nemesis,
			     bool (*votes)(void *context, const struct sim_process *process),
			     void *context)
{
	nemesis->votes = votes;
	nemesis->votes_context = context;
}

void sim_nemesis_start(struct sim_nemesis *nemesis)
{
	ASSERT(nemesis->nreplicas > 0);
	for (unsigned deed = 0; deed < DEEDS; deed++)
		source_arm(&nemesis->sources[deed]);
	nemesis_members_start(nemesis);
	nemesis_wipes_start(nemesis);
	nemesis_stale_start(nemesis);
	nemesis_replaces_start(nemesis);
	nemesis_forces_start(nemesis);
	sim_world_timer_set(nemesis->world, &nemesis->caretaker,
			    nemesis->world->now_us + CARETAKER_US);
}

void sim_nemesis_stop(struct sim_nemesis *nemesis)
{
	for (unsigned deed = 0; deed < DEEDS; deed++)
		sim_world_timer_cancel(nemesis->world, &nemesis->sources[deed].timer);
	nemesis_members_stop(nemesis);
	nemesis_wipes_stop(nemesis);
	nemesis_stale_stop(nemesis);
	nemesis_replaces_stop(nemesis);
	nemesis_forces_stop(nemesis);
}

static void forget_plans(struct sim_nemesis *nemesis)
{
	sim_nemesis_stop(nemesis);
	sim_world_timer_cancel(nemesis->world, &nemesis->caretaker);
	if (nemesis->moment.group != NULL)
		sim_network_set_filter(nemesis->world, NULL, NULL);
	nemesis->moment.group = NULL;
	LIST_FOR_SAFE (link, after, &nemesis->plans)
		nemesis_plan_free(LIST_ITEM(link, struct nemesis_plan, link));
}

/*
 * Peace for one process. A stop that is under way has no planned start any more, so it is cut
 * short.
 */
static void revive(const struct sim_nemesis *nemesis, struct sim_process *process)
{
	if (process->disk != NULL)
		disk_sim_fault_at(process->disk, UINT64_MAX, DISK_SIM_NO_FAULT);
	sim_process_resume(process);
	if (process->stopping)
		sim_process_crash(process);
	if (!sim_process_alive(process) && !nemesis_is_lost(nemesis, process) &&
	    !nemesis_hopeless(nemesis, process)) {
		nemesis_members_correct(process);
		nemesis_renew(nemesis, process);
		sim_process_start(process);
	}
}

void sim_nemesis_heal_all(struct sim_nemesis *nemesis)
{
	struct sim_world *world = nemesis->world;
	struct sim_options calm;
	forget_plans(nemesis);
	nemesis_forces_give_up(nemesis);
	sim_options_calm(&calm);
	world->options.network = calm.network;
	world->options.process.turn_single_ppm = calm.process.turn_single_ppm;
	sim_network_heal(world);
	for (uint32_t i = 0; i < nemesis->nvictims; i++) {
		if (nemesis->victims[i]->disk != NULL) {
			disk_sim_set_faults(nemesis->victims[i]->disk, NULL);
			disk_sim_hold_syncs(nemesis->victims[i]->disk, DISK_LANE_LOG, false);
			disk_sim_hang(nemesis->victims[i]->disk, false);
			disk_sim_short_of_descriptors(nemesis->victims[i]->disk, 0, false);
		}
		revive(nemesis, nemesis->victims[i]);
	}
	sim_world_timer_set(world, &nemesis->caretaker, world->now_us + CARETAKER_US);
	nemesis_forces_go_on(nemesis);
}

/* What becomes of those who are not healed. */
static void condemn(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint64_t fate = rng_below(&nemesis->rng_peace, 6);
	if (process->disk != NULL &&
	    rng_chance(&nemesis->rng_hung, nemesis->world->options.nemesis.hung_for_good_ppm)) {
		sim_trace_note(&nemesis->world->trace, "condemned=%s fate=hung", process->name);
		disk_sim_hang(process->disk, true);
		return;
	}
	sim_trace_note(&nemesis->world->trace, "condemned=%s fate=%" PRIu64, process->name, fate);
	switch (fate) {
	case 0: sim_process_crash(process); break;
	case 1: sim_process_power_loss(process); break;
	case 2: sim_process_pause(process); break;
	case 3: sim_network_isolate(nemesis->world, process); break;
	case 4: sim_network_cut(nemesis->world, process, NULL); break;
	case 5: sim_network_cut(nemesis->world, NULL, process); break;
	}
}

static void choose_core(struct sim_nemesis *nemesis, struct nemesis_group *group)
{
	struct rng *rng = &nemesis->rng_peace;
	if (nemesis_is_forced(nemesis, group)) {
		for (uint32_t i = 0; i < group->count; i++)
			nemesis->core[group->members[i]->index] = group->members[i] ==
								  group->survivor;
		return;
	}
	uint32_t minority = nemesis_tolerance(nemesis, group),
		 outcasts = (uint32_t)rng_below(rng, minority + 1u);
	/* Who must fetch a snapshot needs everybody who may have one. */
	bool needy = rng_chance(rng, 500000);
	uint32_t damaged = nemesis_damaged(nemesis, group), excluded = 0, fetching = 0;
	for (uint32_t i = 0; i < group->count; i++) {
		const struct nemesis_damage *damage = &group->damage[i];
		/* Nothing is expected of who is no member. */
		if (!nemesis_is_listed(nemesis, group->members[i])) {
			nemesis->core[group->members[i]->index] = false;
			continue;
		}
		fetching += damage->snapshot && !damage->log;
		bool lost = damage->log &&
			    (damage->refused || !nemesis_votes(nemesis, group->members[i]));
		if (!lost && (!damage->snapshot || needy))
			continue;
		nemesis->core[group->members[i]->index] = false;
		excluded++;
	}
	if (needy && fetching > 0)
		return;
	uint32_t allowed = minority > damaged ? minority - damaged : 0;
	outcasts = outcasts > excluded ? outcasts - excluded : 0;
	for (outcasts = outcasts < allowed ? outcasts : allowed; outcasts > 0; outcasts--) {
		/* Drawing one twice leaves the core larger than it had to be. */
		struct sim_process *process = group->members[rng_below(rng, group->count)];
		if (!nemesis->core[process->index] || !nemesis_is_voter(nemesis, process))
			continue;
		nemesis->core[process->index] = false;
		condemn(nemesis, process);
	}
}

void sim_nemesis_heal_core(struct sim_nemesis *nemesis)
{
	sim_nemesis_heal_all(nemesis);
	free(nemesis->core);
	nemesis->core = alloc_zeroed(nemesis->world->nprocesses, sizeof *nemesis->core);
	for (uint32_t i = 0; i < nemesis->nvictims; i++)
		nemesis->core[nemesis->victims[i]->index] = true;
	for (uint32_t g = 0; g < nemesis->ngroups; g++)
		choose_core(nemesis, &nemesis->groups[g]);
}

bool sim_nemesis_in_core(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	return nemesis->core != NULL && nemesis->core[process->index];
}

void sim_nemesis_destroy(struct sim_nemesis *nemesis)
{
	forget_plans(nemesis);
	free(nemesis->groups);
	free(nemesis->victims);
	free(nemesis->core);
	free(nemesis);
}
