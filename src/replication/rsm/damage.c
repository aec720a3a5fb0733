/* From holes in the log to impaired slots. */
#include "rsm/damage.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/consensus.h"
#include "rsm/internal.h"

#define TELL_US UINT64_C(5000000)

static void add_hole(struct damage *d, const struct damage_hole *hole)
{
	if (d->count < DAMAGE_HOLES_MAX) {
		d->holes[d->count++] = *hole;
		return;
	}
	struct damage_hole *last = &d->holes[d->count - 1];
	if (hole->after < last->after)
		last->after = hole->after;
	last->last = SLOT_MAX;
	last->begin = hole->begin;
	last->bounded = false;
}

void damage_hole(struct rsm *rsm, const struct wal_hole *hole)
{
	struct damage *d = &rsm->damage;
	d->promise_open = true;
	if (hole->records)
		add_hole(d, &(struct damage_hole){.after = rsm->recovered.chosen,
						  .last = SLOT_MAX,
						  .begin = hole->begin});
}

/* Everything before is below this ballot. */
static void promise_is_known(struct damage *d, uint64_t below)
{
	if (d->promise_open && below > d->ballots_below)
		d->ballots_below = below;
	d->promise_open = d->promise_unknown = false;
}

static void last_is_known(struct damage *d, uint64_t last)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (!d->holes[i].bounded) {
			d->holes[i].last = last;
			d->holes[i].bounded = true;
		}
}

bool damage_record(struct rsm *rsm, const struct wal_record *record)
{
	struct damage *d = &rsm->damage;
	if (record->type == WAL_PROMISE && record->ballot == WAL_PROMISE_UNKNOWN) {
		d->promise_unknown = true;
		return true;
	}
	if (record->type == WAL_PROMISE) {
		/*
		 * One that a header sums up may have been promised, and used, before what was lost.
		 */
		bool header = wal_position_offset(record->position) < WAL_HEADER_BYTES;
		promise_is_known(d, record->ballot + (header ? 1 : 0));
	}
	uint64_t last;
	struct slice payload = record->payload;
	if (record->type == WAL_CHOSEN && slice_take_u64(&payload, &last)) {
		promise_is_known(d, record->ballot + 1);
		last_is_known(d, last > record->slot ? last : record->slot);
	}
	return false;
}

bool damage_covers(const struct rsm *rsm, uint64_t slot)
{
	const struct damage *d = &rsm->damage;
	wal_position position = log_index_get(&rsm->index, slot);
	for (uint32_t i = 0; i < d->count; i++)
		if (slot > d->holes[i].after && slot <= d->holes[i].last &&
		    position < d->holes[i].begin)
			return true;
	return d->count > 0 && position == 0 && slot <= rsm->recovered.chosen;
}

static bool promise_is_lost(const struct damage *d)
{
	return d->promise_open || d->promise_unknown;
}

void damage_note_promise(struct rsm *rsm)
{
	struct env *env = rsm->node->env;
	if (!promise_is_lost(&rsm->damage))
		return;
	rsm->damage.renewed = env->life != 0 && env->ops->renew_life != NULL &&
			      env->ops->renew_life(env) == 0;
	if (!rsm->damage.renewed) {
		wal_forget_promise(rsm->wal);
		return;
	}
	/* Of this life it is known: the next start need not begin another one. */
	wal_append(rsm->wal,
		   &(struct wal_record){.type = WAL_PROMISE, .ballot = rsm->recovered.promised},
		   NULL);
}

static void tell(struct rsm *rsm)
{
	uint32_t count;
	const struct wire_range *ranges = consensus_impaired_ranges(rsm->core, &count);
	char last[24] = "any";
	if (count > 0 && ranges[count - 1].last != SLOT_MAX)
		snprintf(last, sizeof last, "%" PRIu64, ranges[count - 1].last);
	if (count > 0)
		log_event(rsm->log, LOG_WARN, "slots_impaired",
			  "first=%" PRIu64 " last=%s ranges=%u meaning=\"what was accepted in them "
			  "is asked of the other replicas\"",
			  ranges[0].first, last, count);
	if (promise_is_lost(&rsm->damage))
		log_event(rsm->log, LOG_ERROR, "promise_lost",
			  "group=%" PRIu64 " meaning=\"the log was damaged, and what this replica "
			  "has promised to candidates is "
			  "not known any more: it follows and catches up, and does not vote%s\"",
			  rsm->options.group,
			  rsm->damage.renewed ? " before its group has bound it anew, which it "
						"does by itself (event=member_bound)"
					      : "");
}

void damage_settle(struct rsm *rsm)
{
	struct damage *d = &rsm->damage;
	uint64_t base = consensus_chosen_slot(rsm->core);
	uint64_t held = rsm->index.count == 0 ? base : rsm->index.first + rsm->index.count - 1;
	if (held < base)
		held = base;
	for (uint64_t slot = base + 1; d->count > 0 && slot <= held; slot++)
		if (damage_covers(rsm, slot))
			consensus_restore_impaired(rsm->core, slot, slot);
	/* Those without any record. */
	for (uint32_t i = 0; i < d->count; i++) {
		uint64_t first = d->holes[i].after > held ? d->holes[i].after + 1 : held + 1;
		if (first <= d->holes[i].last)
			consensus_restore_impaired(rsm->core, first, d->holes[i].last);
	}
	if (d->count > 0 && rsm->recovered.chosen > held)
		consensus_restore_impaired(rsm->core, held + 1, rsm->recovered.chosen);
	consensus_restore_impaired_below(rsm->core, d->ballots_below);
	tell(rsm);
}

void damage_settle_known(struct rsm *rsm)
{
	const struct recovered *r = &rsm->recovered;
	if (rsm->damage.count > 0)
		consensus_restore_known(rsm->core, r->foreign + 1, r->chosen);
	if (!promise_is_lost(&rsm->damage))
		return;
	rsm->lost = true;
	consensus_forget_promise(rsm->core, rsm->damage.renewed ? rsm->node->env->life : 0);
	rsm->damage.first = 0;
	scrub_heal_segment(rsm, rsm->damage.last_segment);
}

/* A group that waits for what nobody who is there can say had better say so. */
static void tell_undecided(struct rsm *rsm)
{
	uint32_t impaired, silent;
	uint64_t slot = consensus_undecided(rsm->core, &impaired, &silent),
		 now_us = node_now_us(rsm->node);
	if (slot == 0 || now_us < rsm->damage.told_us)
		return;
	rsm->damage.told_us = now_us + TELL_US;
	buffer_clear(&rsm->out);
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if ((impaired & 1u << i) != 0)
			buffer_format(&rsm->out, "%s%s", rsm->out.len > 0 ? "," : "",
				      rsm->seats[i].name);
	size_t first = rsm->out.len;
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if ((silent & 1u << i) != 0)
			buffer_format(&rsm->out, "%s%s", rsm->out.len > first ? "," : "",
				      rsm->seats[i].name);
	log_event(rsm->log, LOG_ERROR, "slot_undecided",
		  "group=%" PRIu64 " slot=%" PRIu64 " impaired=%.*s silent=%.*s "
		  "meaning=\"the logs of the first were damaged there, and too few others answer "
		  "to tell what was "
		  "accepted: the group waits for the silent ones\"",
		  rsm->options.group, slot, (int)first, (const char *)rsm->out.data,
		  (int)(rsm->out.len - first), (const char *)rsm->out.data + first);
}

void damage_watch(struct rsm *rsm)
{
	struct damage *d = &rsm->damage;
	tell_undecided(rsm);
	if (d->first == 0 || consensus_impaired(rsm->core) > 0)
		return;
	log_event(rsm->log, LOG_INFO, "slots_repaired", "chosen=%" PRIu64,
		  consensus_chosen_slot(rsm->core));
	d->first = 0;
	/* A snapshot makes the damaged files superfluous. */
	scrub_heal_segment(rsm, d->last_segment);
}

uint64_t damage_slots(const struct rsm *rsm)
{
	uint32_t count;
	const struct wire_range *ranges = consensus_impaired_ranges(rsm->core, &count);
	uint64_t slots = 0, last = consensus_last_slot(rsm->core),
		 known = consensus_known_chosen(rsm->core);
	if (known > last)
		last = known;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t end = ranges[i].last == SLOT_MAX && ranges[i].first <= last
				       ? last
				       : ranges[i].last;
		slots += ranges[i].last == SLOT_MAX && ranges[i].first > last
				 ? 1
				 : end - ranges[i].first + 1;
	}
	return slots;
}
