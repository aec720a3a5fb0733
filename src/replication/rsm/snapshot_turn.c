/* Which replica of the group takes a snapshot now: the rules stand in rsm/snapshot_turn.h. */
#include "rsm/snapshot_turn.h"

#include "core/consensus.h"
#include "rsm/internal.h"

#define ASKED_HEARTBEATS 3u /* so long an asker is remembered, and asks itself */

static uint64_t heartbeats_us(const struct rsm *rsm, uint32_t count)
{
	return count * rsm->settings.heartbeat_interval_ms * 1000ull;
}

static bool is_alone(const struct rsm *rsm)
{
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if (i != rsm->self && rsm->seats[i].listed)
			return false;
	return true;
}

/* ---- the leader ---- */

static void look_at_leadership(struct rsm *rsm)
{
	struct snapshot_turn *t = &rsm->snapshot_turn;
	uint64_t ballot = consensus_epoch(rsm->core);
	if (t->ballot == ballot)
		return;
	t->ballot = ballot;
	t->holder = t->taking ? rsm->self : UINT32_MAX;
	memset(t->askers, 0, sizeof t->askers);
}

/* Nobody has the turn, as far as can be known yet. */
static bool is_free(const struct rsm *rsm, uint64_t now_us)
{
	const struct snapshot_turn *t = &rsm->snapshot_turn;
	uint64_t silent_us = heartbeats_us(rsm, TURN_SILENT_HEARTBEATS);
	if (now_us < rsm->led_since_us + silent_us)
		return false;
	return t->holder == UINT32_MAX ||
	       (t->holder != rsm->self && now_us >= t->holder_us + silent_us);
}

/* Somebody other than `seat` has asked lately, and has more log than that. */
static bool another_is_first(const struct rsm *rsm, uint32_t seat, uint64_t bytes, uint64_t now_us)
{
	const struct snapshot_turn *t = &rsm->snapshot_turn;
	for (uint32_t i = 0; i < rsm->nseats; i++)
		if (i != seat && t->askers[i].at_us != 0 && t->askers[i].bytes > bytes &&
		    now_us < t->askers[i].at_us + heartbeats_us(rsm, ASKED_HEARTBEATS))
			return true;
	return false;
}

static void hold(struct rsm *rsm, uint32_t seat, uint64_t now_us)
{
	struct snapshot_turn *t = &rsm->snapshot_turn;
	t->holder = seat;
	t->holder_us = now_us;
	t->askers[seat].at_us = 0;
}

static void asked(struct rsm *rsm, uint32_t seat, uint64_t bytes, uint64_t now_us)
{
	struct snapshot_turn *t = &rsm->snapshot_turn;
	t->askers[seat] = (struct turn_asker){.bytes = bytes, .at_us = now_us};
	if (t->holder != seat &&
	    (!is_free(rsm, now_us) || another_is_first(rsm, seat, bytes, now_us)))
		return;
	hold(rsm, seat, now_us);
	union peer_message m = {.snapshot_turn = {.flags = TURN_GIVEN}};
	peers_send(rsm, rsm->seats[seat].replica, METHOD_SNAPSHOT_TURN, &m);
}

/* ---- everybody ---- */

static void tell(struct rsm *rsm, uint32_t flags)
{
	uint32_t leader = consensus_leader(rsm->core);
	if (leader == 0 || leader == rsm->options.replica)
		return;
	union peer_message m = {
		.snapshot_turn = {.flags = flags, .position = rsm->snapshot_turn.bytes}};
	peers_send(rsm, leader, METHOD_SNAPSHOT_TURN, &m);
}

static void tick(void *data)
{
	struct rsm *rsm = data;
	struct snapshot_turn *t = &rsm->snapshot_turn;
	uint64_t now_us = node_now_us(rsm->node);
	if (!t->taking && now_us >= t->due_us + heartbeats_us(rsm, ASKED_HEARTBEATS)) {
		/* It is due no more, or may not take one now. */
		t->due_us = 0;
		t->given = false;
		return;
	}
	tell(rsm, t->taking ? TURN_TAKEN : TURN_ASKED);
	node_timer_after(rsm->node, &t->timer, heartbeats_us(rsm, 1));
}

void snapshot_turn_init(struct rsm *rsm)
{
	rsm->snapshot_turn = (struct snapshot_turn){.holder = UINT32_MAX};
	timer_init(&rsm->snapshot_turn.timer, tick, rsm);
}

void snapshot_turn_free(struct rsm *rsm)
{
	node_timer_cancel(rsm->node, &rsm->snapshot_turn.timer);
}

bool snapshot_turn_may_take(struct rsm *rsm, uint64_t bytes, uint64_t due_bytes)
{
	struct snapshot_turn *t = &rsm->snapshot_turn;
	uint64_t now_us = node_now_us(rsm->node);
	ASSERT(bytes >= due_bytes && !t->taking);
	if (rsm->snapshot_bytes < rsm->settings.snapshot_turn_bytes ||
	    bytes / TURN_LATE >= due_bytes || is_alone(rsm))
		return true;
	bool asks = t->due_us != 0;
	t->bytes = bytes;
	t->due_us = now_us;
	if (!asks) {
		t->since_us = now_us;
		tick(rsm);
	}
	if (rsm->leading) {
		look_at_leadership(rsm);
		return now_us >= t->since_us + heartbeats_us(rsm, ASKED_HEARTBEATS) &&
		       is_free(rsm, now_us) && !another_is_first(rsm, rsm->self, 0, now_us);
	}
	return t->given;
}

void snapshot_turn_begun(struct rsm *rsm)
{
	struct snapshot_turn *t = &rsm->snapshot_turn;
	uint64_t now_us = node_now_us(rsm->node);
	t->taking = true;
	t->given = false;
	t->due_us = 0;
	if (rsm->leading) {
		look_at_leadership(rsm);
		hold(rsm, rsm->self, now_us);
	}
	tick(rsm);
}

void snapshot_turn_ended(struct rsm *rsm)
{
	struct snapshot_turn *t = &rsm->snapshot_turn;
	t->taking = false;
	node_timer_cancel(rsm->node, &t->timer);
	if (t->holder == rsm->self)
		t->holder = UINT32_MAX;
	tell(rsm, TURN_DONE);
}

const char *snapshot_turn_judge(const struct wire_snapshot_turn *m)
{
	switch (m->flags) {
	case TURN_ASKED:
	case TURN_TAKEN:
	case TURN_DONE:
	case TURN_GIVEN: return NULL;
	default: return "flags: not those of a turn";
	}
}

void snapshot_turn_message(struct rsm *rsm, uint32_t seat, const struct wire_snapshot_turn *m)
{
	struct snapshot_turn *t = &rsm->snapshot_turn;
	uint64_t now_us = node_now_us(rsm->node);
	if (m->flags == TURN_GIVEN) {
		t->given = t->due_us != 0 && m->from == consensus_leader(rsm->core);
		return;
	}
	if (!rsm->leading || seat >= rsm->nseats || !rsm->seats[seat].listed)
		return;
	look_at_leadership(rsm);
	if (m->flags == TURN_ASKED)
		asked(rsm, seat, m->position, now_us);
	else if (m->flags == TURN_TAKEN)
		hold(rsm, seat, now_us);
	else if (t->holder == seat)
		t->holder = UINT32_MAX;
}
