/* The rules, and the steps, stand in rsm/force.h. */
#include "rsm/force.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "rsm/internal.h"

/* ---- generations ---- */

uint32_t rsm_generation(const struct rsm *rsm)
{
	return rsm->generation;
}

static void supersede(struct rsm *rsm, uint32_t generation, const char *told_by)
{
	struct force *f = &rsm->force;
	if (f->superseded >= generation)
		return;
	f->superseded = generation;
	log_event(rsm->log, LOG_ERROR, "superseded",
		  "group=%" PRIu64 " replica=%u generation=%" PRIu32 " newest=%" PRIu32
		  " told_by=%s meaning=\"the group has lost its majority, and "
		  "was made to go on from another replica (kvctl member force): this one takes no "
		  "part any more\"",
		  rsm->options.group, rsm->options.replica, rsm->generation, generation, told_by);
	stale_keep_out(rsm);
	if (rsm->started)
		consensus_resign(rsm->core, node_now_us(rsm->node));
}

/* The sender is told once a heartbeat: whoever it is, it goes on until it has heard. */
static void tell_other(struct rsm *rsm, const struct wire_peer *m)
{
	uint64_t now_us = node_now_us(rsm->node);
	if (now_us < rsm->force.told_us + rsm->settings.heartbeat_interval_ms * 1000ull ||
	    rsm->members.slot == 0)
		return;
	rsm->force.told_us = now_us;
	/*
	 * To a process of this generation, if one is there by now, it says nothing that is not so.
	 */
	union peer_message reject = {.reject = {.ballot = consensus_epoch(rsm->core),
						.members = rsm->members.slot,
						.chosen = consensus_chosen_slot(rsm->core)}};
	peers_send(rsm, m->from, METHOD_REJECT, &reject);
}

void force_other_generation(struct rsm *rsm, link_id from, const struct wire_peer *m)
{
	uint32_t seat = rsm_seat(rsm, m->from);
	if (seat == UINT32_MAX || rsm->seats[seat].address == NULL)
		seat = known_stranger(rsm, m->from, from);
	const char *name = rsm->seats[seat].name;
	if (m->generation > rsm->generation)
		supersede(rsm, m->generation, name == NULL ? "later-member" : name);
	else
		tell_other(rsm, m);
}

bool force_is_beginning(const struct rsm *rsm)
{
	return rsm->force.begun != 0 && wal_durable(rsm->wal) < rsm->force.begun;
}

bool force_keeps_out(const struct rsm *rsm)
{
	return rsm->force.recording || rsm->force.goes_on || rsm->force.superseded != 0;
}

/* ---- G3: who is started is named ---- */

/*
 * Also who has no vote: it may get one by entries that it fetches from those who wait themselves.
 */
bool force_is_named(const struct rsm *rsm)
{
	return rsm->options.record_generation == NULL || rsm->force.named ||
	       stale_majority_runs(rsm);
}

/* The group counts on what this directory holds. */
static bool is_bound(const struct rsm *rsm)
{
	const struct group_member *own = members_find(&rsm->members, rsm->options.replica);
	return own != NULL && own->role == MEMBER_VOTER && own->life == rsm->node->env->life &&
	       consensus_votes(rsm->core);
}

bool rsm_awaits_generation(const struct rsm *rsm)
{
	return rsm->started && rsm->stale.on && consensus_is_held(rsm->core) &&
	       !force_keeps_out(rsm) && !force_is_named(rsm);
}

void rsm_generation_named(struct rsm *rsm, uint32_t generation, uint64_t life, bool begun)
{
	struct force *f = &rsm->force;
	if (!rsm->started || f->superseded != 0)
		return;
	if (generation == rsm->generation + 1 && life == rsm->node->env->life && life != 0 &&
	    !begun && is_bound(rsm)) {
		/* 3: it was recorded for this directory, whether the answer has come or not. */
		if (!f->goes_on)
			log_event(rsm->log, LOG_WARN, "force_goes_on",
				  "group=%" PRIu64 " generation=%" PRIu32, rsm->options.group,
				  generation);
		f->goes_on = true;
		f->generation = generation;
		stale_keep_out(rsm);
		consensus_resign(rsm->core, node_now_us(rsm->node));
		return;
	}
	if (generation > rsm->generation) {
		supersede(rsm, generation, "the shard masters");
		return;
	}
	f->named = true;
	stale_reopen(rsm);
}

/* ---- what would be done, and what speaks against it ---- */

__attribute__((format(printf, 3, 4))) static bool refuse(struct buffer *why, int *status,
							 const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	buffer_clear(why);
	buffer_format(why, "%s", text);
	*status = STATUS_DENIED;
	return false;
}

static bool is_here(const struct rsm *rsm, const struct group_member *m)
{
	uint32_t seat = rsm_seat(rsm, m->number);
	return m->number == rsm->options.replica ||
	       (seat != UINT32_MAX && rsm->watches[seat].bound_heard_us != 0 &&
		rsm->watches[seat].bound_heard_us >= rsm->force.since_us);
}

/*
 * Also by the lists that it has accepted and does not know to be chosen: they would be (5), and who
 * has no vote by them could not begin what has been recorded.
 */
bool force_stays_bound(const struct rsm *rsm)
{
	uint64_t base = rsm->members.slot, last = force_last_slot(rsm);
	bool bound = is_bound(rsm);
	for (uint64_t slot = consensus_chosen_slot(rsm->core) + 1; slot <= last; slot++) {
		struct bytes *value;
		struct group_members list;
		if (!consensus_accepted(rsm->core, slot, &value) || value == NULL ||
		    !members_list_of_value(bytes_slice(value), &list) || list.base != base)
			continue;
		const struct group_member *own = members_find(&list, rsm->options.replica);
		bound = own != NULL && own->role == MEMBER_VOTER &&
			own->life == rsm->node->env->life;
		base = slot;
	}
	return bound;
}

/* Of this replica itself. */
static bool is_sound(struct rsm *rsm, struct buffer *why, int *status)
{
	if (rsm->options.record_generation == NULL)
		return refuse(why, status, "%s",
			      rsm->options.no_force != NULL
				      ? rsm->options.no_force
				      : "a group of this kind cannot be forced");
	if (rsm->node->env->ops->force == NULL)
		return refuse(why, status, "this world cannot start a node anew");
	if (rsm->force.superseded != 0)
		return refuse(why, status,
			      "the group has been made to go on from another replica already");
	if (rsm->members.slot == 0)
		return refuse(
			why, status,
			"the group has no list of members yet: not all of them have ever met");
	if (!is_bound(rsm))
		return refuse(why, status,
			      "this replica has no vote, so that the group does not count on what "
			      "it holds");
	if (!force_stays_bound(rsm))
		return refuse(why, status,
			      "the last list of members that this replica has accepted takes its "
			      "vote away, so that the group may have gone on without it");
	if (rsm->stale.found)
		return refuse(why, status, "this directory is an older copy of itself");
	if (rsm->state_lost || rsm->restoring || rsm->damage.first != 0 ||
	    consensus_impaired(rsm->core) != 0 || rsm->scrub.damaged_segment != 0 ||
	    rsm->snapshot_renew)
		return refuse(why, status,
			      "the log or the snapshot of this replica is damaged, or its state is "
			      "not complete");
	if (rsm_log_is_congested(rsm) || rsm->disk_watch.hung)
		return refuse(why, status, "the disk of this replica is full, or does not answer");
	if (rsm->generation == GENERATION_MAX)
		return refuse(why, status,
			      "the group has been forced %u times, and cannot be once more",
			      GENERATION_MAX);
	return true;
}

static bool is_lost(struct rsm *rsm, struct buffer *why, int *status)
{
	uint32_t voters = members_voters(&rsm->members), here = 0;
	struct buffer names = {0};
	for (uint32_t i = 0; i < rsm->members.count; i++) {
		const struct group_member *m = &rsm->members.list[i];
		if (m->role != MEMBER_VOTER || !is_here(rsm, m))
			continue;
		buffer_format(&names, "%s%s", here == 0 ? "" : ", ", m->name);
		here++;
	}
	bool lost = 2 * here <= voters && consensus_role(rsm->core) != CONSENSUS_LEADER;
	if (!lost)
		refuse(why, status,
		       "%u of %u voters answer (%.*s): the group has its majority, and nothing is "
		       "to be forced",
		       here, voters, (int)names.len, (const char *)names.data);
	buffer_free(&names);
	return lost;
}

/* What is remembered of a member's disk: as far as it has acknowledged that it holds entries. */
static uint64_t remembered_of(struct rsm *rsm, const struct group_member *m)
{
	const struct start_memory *memory = starts_find(&rsm->stale.starts, m->number, m->life);
	return memory == NULL ? 0 : memory->last;
}

static void describe_lost(struct rsm *rsm, const struct group_member *m, uint64_t last,
			  struct buffer *out)
{
	uint64_t held = remembered_of(rsm, m);
	uint32_t seat = rsm_seat(rsm, m->number);
	const struct member_watch *w = seat == UINT32_MAX ? NULL : &rsm->watches[seat];
	buffer_format(out, "turned away: %s, replica %u at %s: ", m->name, m->number, m->address);
	if (w == NULL || w->heard_us == 0)
		buffer_format(out, "not heard since this process began");
	else
		buffer_format(out, "heard %" PRIu64 " ms ago",
			      (node_now_us(rsm->node) - w->heard_us) / 1000);
	if (held > last)
		buffer_format(out,
			      "; it held %" PRIu64 " slots more than this replica, up to %" PRIu64,
			      held - last, held);
	else if (held != 0)
		buffer_format(out, "; when it was heard of last it held nothing more");
	buffer_format(out, "\n");
}

static void describe(struct rsm *rsm, struct buffer *out)
{
	uint64_t chosen = consensus_chosen_slot(rsm->core), last = force_last_slot(rsm);
	uint64_t end = consensus_last_slot(rsm->core), known = consensus_known_chosen(rsm->core);
	buffer_format(out,
		      "kept: everything up to slot %" PRIu64 ", of which %" PRIu64
		      " is known to be chosen\n",
		      last, chosen);
	if (last > chosen)
		buffer_format(out,
			      "kept: slots %" PRIu64 " to %" PRIu64
			      ", accepted here and not known to be chosen: writes that may have "
			      "failed will "
			      "be there\n",
			      chosen + 1, last);
	if (end > last)
		buffer_format(out,
			      "lost: what was accepted here behind a gap, slots %" PRIu64
			      " to %" PRIu64 "\n",
			      last + 2, end);
	if (known > last)
		buffer_format(out,
			      "lost: slots %" PRIu64 " to %" PRIu64
			      ", known to be chosen, and not here\n",
			      last + 1, known);
	buffer_format(out, "lost: every write that the others have acknowledged without this "
			   "replica, if there were any: it cannot tell\n");
	for (uint32_t i = 0; i < rsm->members.count; i++)
		if (rsm->members.list[i].number != rsm->options.replica)
			describe_lost(rsm, &rsm->members.list[i], last, out);
}

/* ---- being asked ---- */

static struct requester requester(const struct rsm *rsm)
{
	const struct force *f = &rsm->force;
	return (struct requester){.link = f->from, .id = f->id, .method = f->method};
}

static void answer_force(struct rsm *rsm, const struct requester *to, uint32_t next,
			 struct slice text)
{
	struct buffer body = {0};
	struct wire_force_reply reply = {.generation = rsm->generation,
					 .next = next,
					 .slot = force_last_slot(rsm),
					 .chosen = consensus_chosen_slot(rsm->core),
					 .text = text};
	wire_force_reply_encode(&reply, &body);
	answer(rsm, to, 0, buffer_slice(&body));
	buffer_free(&body);
}

static void answer_why(struct rsm *rsm, int status, const struct buffer *why)
{
	struct requester to = requester(rsm);
	answer_error(rsm, &to, status, "%.*s", (int)why->len, (const char *)why->data);
}

static void record(struct rsm *rsm)
{
	struct force *f = &rsm->force;
	f->recording = true;
	log_event(rsm->log, LOG_WARN, "force_confirmed",
		  "group=%" PRIu64 " generation=%" PRIu32 " kept=%" PRIu64, rsm->options.group,
		  f->generation, force_last_slot(rsm));
	stale_keep_out(rsm);
	consensus_resign(rsm->core, node_now_us(rsm->node));
	rsm->options.record_generation(rsm->options.context, f->generation);
}

/* Whoever is there has had time to answer. */
static void probed(void *context)
{
	struct rsm *rsm = context;
	struct force *f = &rsm->force;
	struct buffer text = {0};
	int status = 0;
	struct requester to = requester(rsm);
	f->probing = false;
	if (!is_sound(rsm, &text, &status) || !is_lost(rsm, &text, &status)) {
		answer_why(rsm, status, &text);
	} else if (!f->confirmed) {
		describe(rsm, &text);
		answer_force(rsm, &to, rsm->generation + 1, buffer_slice(&text));
	} else {
		record(rsm);
	}
	buffer_free(&text);
}

void force_message(struct rsm *rsm, link_id from, const struct message *request)
{
	struct force *f = &rsm->force;
	struct requester to = {.link = from, .id = request->id, .method = request->method};
	struct wire_force asked;
	struct buffer why = {0};
	int status = wire_force_decode(request->payload, &rsm->arena, &asked);
	if (status != 0) {
		answer_error(rsm, &to, status, "malformed FORCE");
	} else if (asked.confirmed && asked.generation != 0 &&
		   asked.generation == rsm->generation && rsm->members.count > 0) {
		/* Asked again after it was done. */
		answer_force(rsm, &to, rsm->generation, slice(NULL, 0));
	} else if (f->probing || f->recording || f->goes_on) {
		answer_error(rsm, &to, STATUS_BUSY, "the group is being forced already: ask again");
	} else if (!is_sound(rsm, &why, &status)) {
		answer_error(rsm, &to, status, "%.*s", (int)why.len, (const char *)why.data);
	} else if (asked.confirmed && asked.generation != rsm->generation + 1) {
		answer_error(rsm, &to, STATUS_DENIED,
			     "the group is of generation %" PRIu32
			     ", so that the next one is %" PRIu32 ", not %" PRIu32 ": ask anew",
			     rsm->generation, rsm->generation + 1, asked.generation);
	} else {
		f->probing = true;
		f->confirmed = asked.confirmed;
		f->generation = rsm->generation + 1;
		f->from = from;
		f->id = request->id;
		f->method = request->method;
		f->since_us = node_now_us(rsm->node);
		stale_ask_all(rsm);
		node_timer_after(rsm->node, &f->timer, FORCE_PROBE_MS * 1000ull);
	}
	buffer_free(&why);
}

void rsm_generation_recorded(struct rsm *rsm, int status, struct slice why)
{
	struct force *f = &rsm->force;
	struct requester to = requester(rsm);
	if (!f->recording)
		return;
	f->recording = false;
	if (status == 0) {
		f->goes_on = true;
		answer_force(rsm, &to, f->generation, slice(NULL, 0));
		return;
	}
	log_event(rsm->log, LOG_WARN, "force_not_recorded",
		  "group=%" PRIu64 " generation=%" PRIu32 " status=%s why=\"%.*s\"",
		  rsm->options.group, f->generation, status_name(status), (int)why.len,
		  (const char *)why.data);
	/* It may have been all the same: they are asked. */
	f->named = false;
	if (status_class(status) == STATUS_CLASS_REFUSED)
		answer_error(rsm, &to, status, "the shard masters have not recorded it: %.*s",
			     (int)why.len, (const char *)why.data);
	else
		answer_error(rsm, &to, STATUS_UNKNOWN,
			     "it is not known whether the shard masters have recorded it, or will: "
			     "%.*s; ask again until they have, and start none of the others before",
			     (int)why.len, (const char *)why.data);
	stale_reopen(rsm);
}

/* ---- the world ---- */

void force_tell_now(struct rsm *rsm)
{
	struct force *f = &rsm->force;
	struct env *env = rsm->node->env;
	if (f->superseded != 0 && !f->superseded_told) {
		f->superseded_told = true;
		if (env->ops->superseded != NULL)
			env->ops->superseded(env, f->superseded);
	}
	if (f->goes_on && !f->handed && env->ops->force != NULL) {
		f->handed = true;
		env->ops->force(env, f->generation);
	}
}

void force_init(struct rsm *rsm)
{
	rsm->generation = rsm->options.generation;
	timer_init(&rsm->force.timer, probed, rsm);
}

void force_free(struct rsm *rsm)
{
	node_timer_cancel(rsm->node, &rsm->force.timer);
}
