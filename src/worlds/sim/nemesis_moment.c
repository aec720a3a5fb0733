/*
 * Faults for the narrow windows between telling and writing down, and between being replaced and
 * noticing it. At random they would take ages to meet.
 */
#include "sim/nemesis_internal.h"

#include <inttypes.h>

#include "sim/network.h"
#include "wire/method.h"

#define MOMENT_WAIT_US (10 * SIM_SECOND)
#define REIGN_US (300 * SIM_MILLISECOND)

/* What happens around the power loss. */
enum company {
	ALONE,
	/*
	 * the receiver is cut off from a third replica: it must do with what the dead one told it
	 */
	CUT_THIRD,
	/*
	 * the receiver is paused, and acts on what it was told when others have gone on without it
	 */
	SLEEP,
	/*
	 * of a new leader, before anything of its reign is on its disk: its first life reaches one
	 * replica, its second another
	 */
	SECOND_LIFE,
	COMPANIES
};

static void forget_moment(struct sim_nemesis *nemesis)
{
	nemesis->moment.group = NULL;
	sim_network_set_filter(nemesis->world, NULL, NULL);
}

static void cut_pair(struct sim_nemesis *nemesis, struct sim_process *a, struct sim_process *b,
		     uint64_t length_us)
{
	nemesis_tell(nemesis, "%s and %s are cut from each other for %" PRIu64 " ms", a->name,
		     b->name, length_us / 1000);
	sim_network_cut(nemesis->world, a, b);
	sim_network_cut(nemesis->world, b, a);
	nemesis_plan_at(nemesis, length_us, DEED_MEND_PAIR, a, b);
}

static void mend_group(struct sim_nemesis *nemesis, const struct nemesis_group *group)
{
	for (uint32_t i = 0; i < group->count; i++)
		for (uint32_t j = 0; j < group->count; j++)
			sim_network_mend(nemesis->world, group->members[i], group->members[j]);
}

/* A member of the group that is neither of the two; NULL if there is none. */
static struct sim_process *third_of(const struct nemesis_group *group, uint64_t drawn,
				    const struct sim_process *a, const struct sim_process *b)
{
	for (uint32_t i = 0; i < group->count; i++) {
		struct sim_process *third = group->members[(drawn + i) % group->count];
		if (third != a && third != b)
			return third;
	}
	return NULL;
}

static void keep_company(struct sim_nemesis *nemesis, const struct nemesis_moment *moment,
			 struct sim_process *sender, struct sim_process *receiver)
{
	struct sim_process *third = third_of(moment->group, moment->drawn, sender, receiver);
	switch ((enum company)moment->company) {
	case CUT_THIRD:
		if (third != NULL)
			cut_pair(nemesis, receiver, third, moment->length_us);
		break;
	case SLEEP:
		if (receiver->state != SIM_RUNNING)
			break;
		nemesis_tell(nemesis, "%s is paused for %" PRIu64 " ms, and its group is whole",
			     receiver->name, moment->length_us / 1000);
		nemesis_count(nemesis, SIM_FAULT_PAUSE);
		mend_group(nemesis, moment->group);
		sim_process_pause(receiver);
		nemesis_plan_at(nemesis, moment->length_us, DEED_RESUME, receiver, NULL);
		break;
	case SECOND_LIFE:
		mend_group(nemesis, moment->group);
		cut_pair(nemesis, sender, receiver, moment->length_us);
		break;
	case ALONE:
	case COMPANIES: break;
	}
}

/* A candidate has begun: its log stands still, and all but one of the others do not hear of it. */
static void reign_begins(struct sim_nemesis *nemesis, struct nemesis_moment *moment,
			 struct sim_process *sender, const struct sim_process *receiver)
{
	struct sim_process *third = third_of(moment->group, moment->drawn, sender, receiver);
	nemesis->current = moment->number;
	moment->candidate = sender;
	moment->until_us = nemesis->world->now_us + REIGN_US;
	nemesis_tell(nemesis, "the log of %s stands still for at most %" PRIu64 " ms", sender->name,
		     (uint64_t)REIGN_US / 1000);
	disk_sim_hold_syncs(sender->disk, DISK_LANE_LOG, true);
	nemesis_plan_at(nemesis, REIGN_US, DEED_GOOD_DISK, sender, NULL);
	if (third != NULL)
		cut_pair(nemesis, sender, third, REIGN_US);
}

/*
 * Sees every message that is sent. The sender is in the middle of its turn: its machine stops at
 * the end of it.
 */
static enum sim_verdict moment_filter(void *context, const struct sim_process *from,
				      const struct sim_process *to, const struct message *message,
				      uint64_t *delay_us)
{
	struct sim_nemesis *nemesis = context;
	struct sim_world *world = nemesis->world;
	struct nemesis_moment *moment = &nemesis->moment;
	uint32_t member;
	(void)delay_us;
	if (world->now_us > moment->until_us) {
		forget_moment(nemesis);
		return SIM_PASS;
	}
	if (world->current != from || nemesis_group_of(nemesis, from, &member) != moment->group)
		return SIM_PASS;
	struct sim_process *sender = world->processes[from->index],
			   *receiver = world->processes[to->index];
	if (moment->company == SECOND_LIFE && moment->candidate == NULL) {
		if (message->method == METHOD_PREPARE)
			reign_begins(nemesis, moment, sender, receiver);
		return SIM_PASS;
	}
	if (message->method != moment->method ||
	    (moment->candidate != NULL && moment->candidate != sender))
		return SIM_PASS;
	struct nemesis_moment now = *moment;
	forget_moment(nemesis);
	nemesis->current = now.number;
	nemesis_count(nemesis, SIM_FAULT_CRASH_AT_SEND);
	nemesis_tell(nemesis, "%s loses power while it sends %s to %s, for %" PRIu64 " ms",
		     from->name, method_text(message->method), to->name, now.down_us / 1000);
	disk_sim_stop(sender->disk);
	nemesis_plan_at(nemesis, now.down_us, DEED_START, sender, NULL);
	keep_company(nemesis, &now, sender, receiver);
	return SIM_PASS;
}

/* faults: 1, 2, 3, 11, 12 */
void nemesis_crash_at_send(struct sim_nemesis *nemesis, struct sim_process *process)
{
	static const uint16_t methods[] = {
		METHOD_PREPARE, METHOD_PROMISE,        METHOD_PROMISE,
		METHOD_ACCEPT,  METHOD_ACCEPTED,       METHOD_COMMAND,
		METHOD_CHOSEN,  METHOD_SNAPSHOT_CHUNK, METHOD_SNAPSHOT_FETCH};
	struct rng *rng = &nemesis->rng;
	uint32_t member;
	struct nemesis_moment moment = {
		.group = nemesis_group_of(nemesis, process, &member),
		.method = methods[rng_below(rng, sizeof methods / sizeof methods[0])],
		.company = (uint32_t)rng_below(rng, COMPANIES),
		.number = nemesis->current,
		.until_us = nemesis->world->now_us + MOMENT_WAIT_US,
		.drawn = rng_next(rng),
		.length_us = rng_range(rng, 100 * SIM_MILLISECOND, 2 * SIM_SECOND),
	};
	bool soon = rng_chance(rng, 700000);
	moment.down_us = soon ? rng_range(rng, SIM_MILLISECOND, 100 * SIM_MILLISECOND)
			      : nemesis_draw_length(rng,
						    nemesis->world->options.nemesis.down_mean_us);
	if (moment.company == SLEEP)
		moment.method = METHOD_PROMISE;
	if (moment.company == SECOND_LIFE)
		moment.method = METHOD_ACCEPT;
	if (process->disk == NULL || moment.group == NULL || nemesis->moment.group != NULL)
		return;
	nemesis->moment = moment;
	sim_network_set_filter(nemesis->world, moment_filter, nemesis);
}

/*
 * faults: 7, 43. Its group does not hear it, and goes on without it; what the group has sent it
 * comes late, as if nothing had happened.
 */
void nemesis_deafen(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint32_t member;
	const struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	uint64_t length_us = rng_range(&nemesis->rng, 100 * SIM_MILLISECOND, 800 * SIM_MILLISECOND);
	/*
	 * Paused meanwhile, it wakes to what its clients have sent before it hears from its group.
	 * For so long that some clients have turned to its successor, and others have not.
	 */
	bool asleep = rng_chance(&nemesis->rng, 500000);
	uint64_t asleep_us = rng_range(&nemesis->rng, 900 * SIM_MILLISECOND,
				       2200 * SIM_MILLISECOND);
	uint64_t late_us = rng_range(&nemesis->rng, 10 * SIM_MILLISECOND, 200 * SIM_MILLISECOND);
	if (group == NULL)
		return;
	if (asleep && process->state == SIM_RUNNING) {
		length_us = asleep_us;
		nemesis_tell(nemesis, "%s is paused for %" PRIu64 " ms", process->name,
			     length_us / 1000);
		nemesis_count(nemesis, SIM_FAULT_PAUSE);
		sim_process_pause(process);
		nemesis_plan_at(nemesis, length_us, DEED_RESUME, process, NULL);
		length_us += late_us;
	}
	nemesis_count(nemesis, SIM_FAULT_DEAF);
	nemesis_tell(nemesis, "%s is not heard by its group, and hears it %" PRIu64 " ms late",
		     process->name, length_us / 1000);
	for (uint32_t i = 0; i < group->count; i++) {
		if (i == member)
			continue;
		sim_network_cut(nemesis->world, process, group->members[i]);
		sim_network_clog(nemesis->world, group->members[i], process);
		nemesis_plan_at(nemesis, length_us, DEED_HEAR, process, group->members[i]);
	}
}

/*
 * faults: 43. Its successor need not wait until the group misses it; most of the time what its
 * group sends it comes late, so that it goes on as a leader meanwhile.
 */
void nemesis_hand_over(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint32_t member;
	const struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	bool late = rng_chance(&nemesis->rng, 750000);
	uint64_t length_us = rng_range(&nemesis->rng, 10 * SIM_MILLISECOND, 500 * SIM_MILLISECOND);
	/* One that has been told to stop, and has not heard it yet, hands over by itself. */
	if (group == NULL || nemesis->hand_over == NULL || process->state != SIM_RUNNING ||
	    process->call != NULL)
		return;
	nemesis_count(nemesis, SIM_FAULT_HAND_OVER);
	nemesis_tell(nemesis, "%s is told to hand over%s", process->name,
		     late ? ", and hears of its successor late" : "");
	nemesis->hand_over(nemesis->operate_context, process);
	for (uint32_t i = 0; late && i < group->count; i++) {
		if (i == member)
			continue;
		sim_network_clog(nemesis->world, group->members[i], process);
		nemesis_plan_at(nemesis, length_us, DEED_UNCLOG, group->members[i], process);
	}
}

static bool leads(const struct sim_nemesis *nemesis, const struct sim_process *process)
{
	return process->state == SIM_RUNNING && process->call == NULL && nemesis->prefers != NULL &&
	       nemesis->prefers(nemesis->prefers_context, process);
}

void nemesis_hand_back(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint32_t member;
	const struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	for (uint32_t i = 0; i < group->count; i++) {
		struct sim_process *leader = group->members[i];
		if (leader == process || !leads(nemesis, leader))
			continue;
		nemesis_tell(nemesis, "%s is told to hand over", leader->name);
		nemesis->hand_over(nemesis->operate_context, leader);
		return;
	}
}

/*
 * faults: 43. A follower hears nothing of its leader, or of nobody, while that hands over and is
 * handed back to, once or more: it is led by the same one again when it hears of it, in another
 * ballot than it knows.
 */
void nemesis_reelect(struct sim_nemesis *nemesis, struct sim_process *process)
{
	uint32_t member;
	const struct nemesis_group *group = nemesis_group_of(nemesis, process, &member);
	struct rng *rng = &nemesis->rng;
	uint64_t drawn = rng_next(rng), rounds = rng_range(rng, 1, 3), at_us = 0;
	bool by_all = rng_chance(rng, 400000);
	uint64_t length_us = rng_range(rng, 100 * SIM_MILLISECOND, 1200 * SIM_MILLISECOND);
	if (group == NULL || nemesis->hand_over == NULL || !leads(nemesis, process))
		return;
	struct sim_process *deaf = third_of(group, drawn, process, NULL);
	if (deaf == NULL)
		return;
	nemesis_count(nemesis, SIM_FAULT_REELECT);
	nemesis_tell(
		nemesis, "%s is not heard by %s%s for %" PRIu64 " ms, and hands over meanwhile",
		process->name, deaf->name, by_all ? ", nor are the others," : "", length_us / 1000);
	for (uint32_t i = 0; i < group->count; i++) {
		struct sim_process *other = group->members[i];
		if (other == deaf || (other != process && !by_all))
			continue;
		sim_network_cut(nemesis->world, other, deaf);
		nemesis_plan_at(nemesis, length_us, DEED_HEAR, other, deaf);
	}
	nemesis->hand_over(nemesis->operate_context, process);
	for (uint64_t i = 0; i < rounds; i++) {
		at_us += rng_range(rng, 20 * SIM_MILLISECOND, 300 * SIM_MILLISECOND);
		nemesis_plan_at(nemesis, at_us, DEED_HAND_BACK, process, NULL);
	}
}
