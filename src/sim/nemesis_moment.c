/*
 * Faults for the narrow windows between telling and writing down, and between being replaced and noticing it. At random they would
 * take ages to meet.
 */
#include "sim/nemesis_internal.h"

#include <inttypes.h>

#include "sim/network.h"
#include "wire/method.h"

#define MOMENT_WAIT_US (10 * SIM_SECOND)

/* Cuts the receiver off from a third replica: it must do with what the dead one told it. */
static void cut_third(struct sim_nemesis *nemesis, const struct nemesis_moment *moment, struct sim_process *receiver)
{
	uint32_t member;
	const struct nemesis_group *group = nemesis_group_of(nemesis, receiver, &member);
	if (group == NULL || group->count < 3)
		return;
	for (uint32_t i = 0; i < group->count; i++) {
		struct sim_process *third = group->members[(moment->drawn + i) % group->count];
		if (third == receiver || third == moment->process)
			continue;
		nemesis_tell(nemesis, "%s and %s are cut from each other for %" PRIu64 " ms", receiver->name, third->name, moment->cut_us / 1000);
		sim_network_cut(nemesis->world, receiver, third);
		sim_network_cut(nemesis->world, third, receiver);
		nemesis_plan_at(nemesis, moment->cut_us, DEED_MEND_PAIR, receiver, third);
		return;
	}
}

/* Sees every message that is sent. The process is in the middle of its turn: its machine stops at the end of it. */
static enum sim_verdict moment_filter(void *context, const struct sim_process *from, const struct sim_process *to,
				      const struct message *message, uint64_t *delay_us)
{
	struct sim_nemesis *nemesis = context;
	struct sim_world *world = nemesis->world;
	struct nemesis_moment moment = nemesis->moment;
	(void)delay_us;
	if (world->now_us > moment.until_us) {
		nemesis->moment.process = NULL;
		sim_network_set_filter(world, NULL, NULL);
		return SIM_PASS;
	}
	if (from != moment.process || message->method != moment.method || world->current != from)
		return SIM_PASS;
	nemesis->moment.process = NULL;
	sim_network_set_filter(world, NULL, NULL);
	nemesis->current = moment.number;
	nemesis_count(nemesis, SIM_FAULT_CRASH_AT_SEND);
	nemesis_tell(nemesis, "%s loses power while it sends %s to %s, for %" PRIu64 " ms", from->name, method_text(message->method),
		     to->name, moment.down_us / 1000);
	disk_sim_stop(moment.process->disk);
	nemesis_plan_at(nemesis, moment.down_us, DEED_START, moment.process, NULL);
	if (moment.cut_us > 0)
		cut_third(nemesis, &moment, world->processes[to->index]);
	return SIM_PASS;
}

/* faults: 1, 2, 3, 11, 12 */
void nemesis_crash_at_send(struct sim_nemesis *nemesis, struct sim_process *process)
{
	static const uint16_t methods[] = {METHOD_PREPARE, METHOD_PROMISE, METHOD_PROMISE, METHOD_ACCEPT, METHOD_ACCEPTED,
					   METHOD_COMMAND, METHOD_CHOSEN, METHOD_SNAPSHOT_CHUNK, METHOD_SNAPSHOT_FETCH};
	struct rng *rng = &nemesis->rng;
	struct nemesis_moment moment = {
		.process = process,
		.method = methods[rng_below(rng, sizeof methods / sizeof methods[0])],
		.number = nemesis->current,
		.until_us = nemesis->world->now_us + MOMENT_WAIT_US,
	};
	bool soon = rng_chance(rng, 700000), cut = rng_chance(rng, 600000);
	moment.down_us = soon ? rng_range(rng, SIM_MILLISECOND, 100 * SIM_MILLISECOND)
			      : nemesis_draw_length(rng, nemesis->world->options.nemesis.down_mean_us);
	moment.cut_us = rng_range(rng, 100 * SIM_MILLISECOND, 2 * SIM_SECOND);
	moment.drawn = rng_next(rng);
	if (!cut)
		moment.cut_us = 0;
	/* Candidates for it: a leader promises nothing. Any replica of the group will do that is not paused. */
	if (process->disk == NULL || nemesis->moment.process != NULL || process->state != SIM_RUNNING)
		return;
	nemesis->moment = moment;
	sim_network_set_filter(nemesis->world, moment_filter, nemesis);
}

/*
 * faults: 7, 43. Its group does not hear it, and goes on without it; what the group has sent it comes late, as if nothing
 * had happened.
 */
void nemesis_deafen(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint32_t member;
	const struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	uint64_t length_us = rng_range(&nemesis->rng, 100 * SIM_MILLISECOND, 800 * SIM_MILLISECOND);
	if (group == NULL)
		return;
	nemesis_count(nemesis, SIM_FAULT_DEAF);
	nemesis_tell(nemesis, "%s is not heard by its group, and hears it %" PRIu64 " ms late", process->name, length_us / 1000);
	for (uint32_t i = 0; i < group->count; i++) {
		if (i == member)
			continue;
		sim_network_cut(nemesis->world, process, group->members[i]);
		sim_network_clog(nemesis->world, group->members[i], process);
		nemesis_plan_at(nemesis, length_us, DEED_HEAR, process, group->members[i]);
	}
}
