/* Decisions, and what each peer's application is done with, to everybody. */
#include "agreement/internal.h"

/* ---- decisions ---- */

void note_known(struct agreement *a, struct instance *instance, uint32_t member)
{
	(void)a;
	instance->known |= member_bit(member);
	list_remove(&instance->spreading[member]);
}

void agreement_spread(struct agreement *a, struct instance *instance, uint64_t after_us)
{
	instance->spread_after_us = after_us;
	for (uint32_t i = 0; i < a->options.nmembers; i++) {
		struct peer *peer = &a->peers[i];
		if ((instance->known & member_bit(i)) != 0)
			continue;
		list_push_back(&peer->spreading, &instance->spreading[i]);
		if (after_us < peer->spread_due_us)
			peer->spread_due_us = after_us;
	}
}

void agreement_decide(struct agreement *a, struct instance *instance, struct bytes *value,
		      uint64_t ballot, uint32_t from)
{
	struct synod_acceptor *acceptor = &instance->acceptor;
	bool accepted_here = ballot != 0 && acceptor->accepted == ballot;
	ASSERT(instance->decided == NULL);
	instance->decided = bytes_ref(value);
	instance->decided_ballot = ballot;
	persist_instance(a, instance, AGREEMENT_PERSIST_DECIDED, accepted_here ? ballot : 0,
			 accepted_here ? NULL : value);
	instance->decided_sequence = instance->sequence;
	wait_for_disk(a, WAIT_DECIDED, instance->seq, 0);
	a->counters.decided++;

	/* From here on the decision answers everything. */
	stop_proposing(a, instance);
	synod_acceptor_free(acceptor);
	synod_proposer_free(&instance->proposer);
	agreement_account(a, instance);

	instance->known = member_bit(a->self) | (from == NOBODY ? 0 : member_bit(from));
	instance->won = from == a->self;
}

void decision_durable(struct agreement *a, uint64_t now_us, struct instance *instance)
{
	if (instance->won) {
		agreement_post_others(a, instance->known, WIRE_AGREEMENT_LEARN, instance,
				      instance->decided_ballot, NULL);
		agreement_spread(a, instance, now_us + a->options.retry_us);
	} else {
		agreement_spread(a, instance,
				 now_us + a->options.spread_us +
					 agreement_draw(a, 0, a->options.spread_us));
	}
}

/* Tells the member what it may not know and what nobody is likely to be telling it just now. */
static void spread_to(struct agreement *a, uint64_t now_us, uint32_t member)
{
	struct peer *peer = &a->peers[member];
	uint32_t told = 0;
	peer->spread_due_us = UINT64_MAX;
	LIST_FOR (link, &peer->spreading) {
		const struct instance *instance = LIST_ITEM(link, struct instance,
							    spreading[member]);
		if (told < SPREAD_ITEMS_MAX && instance->spread_after_us <= now_us) {
			agreement_post(a, member, WIRE_AGREEMENT_LEARN, instance->seq,
				       instance->decided_ballot, NULL);
			told++;
		}
		if (instance->spread_after_us < peer->spread_due_us)
			peer->spread_due_us = instance->spread_after_us;
		if (told == SPREAD_ITEMS_MAX)
			break;
	}
	if (told == 0)
		return;
	peer->spread_at_us = now_us + peer->delay_us;
	peer->delay_us = peer->delay_us * 2 < SPREAD_DELAY_MAX_US ? peer->delay_us * 2
								  : SPREAD_DELAY_MAX_US;
}

void spread_to_another(struct agreement *a, uint64_t now_us, uint32_t member)
{
	struct peer *peer = &a->peers[member];
	size_t position = 0;
	uint64_t seq;
	void *value;
	memset(peer->seen, 0, sizeof peer->seen);
	while (map_next(&a->instances, &position, &seq, &value)) {
		struct instance *instance = value;
		if (instance->decided == NULL)
			continue;
		instance->known &= ~member_bit(member);
		list_remove(&instance->spreading[member]);
		/*
		 * A decision that is not durable yet is told to all who do not know it when it is.
		 */
		if (instance->decided_sequence <= a->persisted)
			list_push_back(&peer->spreading, &instance->spreading[member]);
	}
	/* It enters first, and is told most of it then. */
	peer->spread_due_us = now_us;
	peer->spread_at_us = now_us + a->options.spread_us +
			     agreement_draw(a, 0, a->options.spread_us);
	gossip_soon(a, now_us);
}

/* ---- Done values ---- */

/* Does the member, by its own words, not know all that is known here? */
static bool lags(const struct agreement *a, uint32_t member)
{
	const struct peer *peer = &a->peers[member];
	for (uint32_t i = 0; i < a->options.nmembers; i++)
		if (i != member && (i == a->self ? a->done_told : a->done[i]) > peer->seen[i])
			return true;
	return false;
}

/* Not at once: the next message to it, whatever for, may tell it. */
void gossip_soon(struct agreement *a, uint64_t now_us)
{
	for (uint32_t i = 0; i < a->options.nmembers; i++) {
		struct peer *peer = &a->peers[i];
		if (i != a->self && peer->gossip_at_us == UINT64_MAX && lags(a, i))
			peer->gossip_at_us = now_us + a->options.retry_us;
	}
}

static void gossip_to(struct agreement *a, uint64_t now_us, uint32_t member)
{
	struct peer *peer = &a->peers[member];
	peer->gossip_at_us = UINT64_MAX;
	if (!lags(a, member))
		return;
	peer->due_gossip = true;
	peer->gossip_at_us = now_us + peer->delay_us;
	peer->delay_us = peer->delay_us * 2 < SPREAD_DELAY_MAX_US ? peer->delay_us * 2
								  : SPREAD_DELAY_MAX_US;
}

/* ---- time ---- */

void heard_of(struct agreement *a, uint64_t now_us, uint32_t member)
{
	struct peer *peer = &a->peers[member];
	bool was_away = peer->delay_us > 4 * a->options.retry_us;
	peer->delay_us = a->options.retry_us;
	if (!was_away)
		return;
	/* It is back: do not sit out the pause that its silence has earned. */
	peer->spread_at_us = now_us;
	if (peer->gossip_at_us != UINT64_MAX)
		peer->gossip_at_us = now_us;
}

void spread_tick(struct agreement *a, uint64_t now_us)
{
	for (uint32_t i = 0; i < a->options.nmembers; i++) {
		struct peer *peer = &a->peers[i];
		if (i == a->self)
			continue;
		if (peer->spread_due_us <= now_us && peer->spread_at_us <= now_us)
			spread_to(a, now_us, i);
		if (peer->gossip_at_us <= now_us)
			gossip_to(a, now_us, i);
	}
}

uint64_t spread_deadline_us(const struct agreement *a)
{
	uint64_t deadline_us = UINT64_MAX;
	for (uint32_t i = 0; i < a->options.nmembers; i++) {
		const struct peer *peer = &a->peers[i];
		uint64_t at_us = peer->gossip_at_us;
		if (peer->spread_due_us != UINT64_MAX &&
		    at_least(peer->spread_due_us, peer->spread_at_us) < at_us)
			at_us = at_least(peer->spread_due_us, peer->spread_at_us);
		if (at_us < deadline_us)
			deadline_us = at_us;
	}
	return deadline_us;
}
