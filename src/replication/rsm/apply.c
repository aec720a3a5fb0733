/* Chosen entries → sessions → app → answers. */
#include <inttypes.h>

#include "rsm/internal.h"

/*
 * The batch of this replica that was proposed in `slot`, taken out of the list; NULL if there is
 * none.
 */
static struct batch *take_proposed(struct rsm *rsm, uint64_t slot)
{
	struct list *first = list_first(&rsm->proposed);
	if (first == NULL)
		return NULL;
	struct batch *batch = LIST_ITEM(first, struct batch, link);
	ASSERT(batch->slot >= slot);
	if (batch->slot != slot)
		return NULL;
	list_remove(&batch->link);
	return batch;
}

static bool same_value(const struct batch *batch, const struct consensus_chosen *chosen)
{
	return batch->value == chosen->value ||
	       (chosen->value != NULL &&
		slice_equal(bytes_slice(batch->value), bytes_slice(chosen->value)));
}

static void refuse_lost(struct rsm *rsm, struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		answer_error(rsm, &batch->requesters[i], STATUS_NOT_LEADER,
			     "leadership was lost and another entry was chosen: not applied");
}

static void apply_register(struct rsm *rsm, const struct requester *requester)
{
	uint64_t client = sessions_register(&rsm->sessions);
	if (requester == NULL)
		return;
	buffer_clear(&rsm->out);
	wire_register_reply_encode(client, &rsm->out);
	answer(rsm, requester, 0, buffer_slice(&rsm->out));
}

static int apply_app(struct rsm *rsm, const struct entry_command *command, uint64_t slot)
{
	struct reply reply = {.status = 0, .body = &rsm->reply_body};
	struct apply_context context = {
		.slot = slot,
		.time_us = rsm->time_us,
		.settings = &rsm->group.settings,
		.client = command->client,
		.sequence = command->sequence,
		.arena = &rsm->arena,
	};
	arena_reset(&rsm->arena);
	buffer_clear(&rsm->reply_body);
	rsm->app->ops->apply(rsm->app, &context, command->body, &reply);
	rsm->turn.applied += reply.work;
	return reply.status;
}

/* Kinds other than the app's own. */
static int apply_own(struct rsm *rsm, const struct entry_command *command, uint64_t slot,
		     const struct requester *requester)
{
	switch (command->kind) {
	case ENTRY_REGISTER: apply_register(rsm, requester); return 0;
	case ENTRY_IDENTITY: identity_apply(rsm, command->body, slot); return 0;
	case ENTRY_MEMBERS: return members_apply(rsm, command->body, slot, requester);
	case ENTRY_HASH: return state_hash_apply(rsm, command->body, slot);
	default: return settle_apply(rsm, command);
	}
}

/* The session's part: true if the app is to apply the command; otherwise it has been answered. */
static bool begin_session(struct rsm *rsm, const struct entry_command *command, uint32_t format,
			  const struct requester *requester, struct session **session)
{
	const struct session_reply *repeat = NULL;
	int status = 0;
	switch (sessions_begin(&rsm->sessions, rsm->group.lived_us, format, command, session,
			       &repeat, &status)) {
	case SESSION_NEW: return true;
	case SESSION_REPEAT:
		rsm->counters.repeats++;
		if (requester != NULL)
			kept_reply_answer(rsm, requester, repeat, command->body);
		return false;
	case SESSION_REFUSED:
		rsm->counters.refused++;
		if (requester != NULL)
			answer_error(rsm, requester, status,
				     "client %" PRIu64 " sequence %" PRIu64 ": %s", command->client,
				     command->sequence, status_text(status));
		return false;
	}
	return false;
}

/*
 * requester NULL: another replica proposed it, or nobody waits. 0 or why this program cannot apply
 * it.
 */
static int apply_command(struct rsm *rsm, const struct entry_command *command, uint32_t format,
			 uint64_t slot, const struct requester *requester)
{
	rsm->counters.applied_commands++;
	if (command->kind != ENTRY_APP)
		return apply_own(rsm, command, slot, requester);
	struct session *session = NULL;
	if (command->client != 0 && !begin_session(rsm, command, format, requester, &session))
		return 0;
	int status = apply_app(rsm, command, slot);
	rsm->turn.applied += rsm->reply_body.len;
	/* What is to be tried again elsewhere must not be remembered as the answer. */
	if (session != NULL && status_class(status) != STATUS_CLASS_RETRY)
		kept_reply_record(rsm, session, command, format, status);
	if (requester != NULL)
		answer(rsm, requester, status, buffer_slice(&rsm->reply_body));
	return 0;
}

/* Tells the app which commands come next; the reader is a copy of the one that goes on. */
static void expect_commands(struct rsm *rsm, struct entry_reader reader)
{
	struct slice bodies[APP_EXPECTED_MAX];
	struct entry_command command;
	uint32_t count = 0;
	for (uint32_t i = 0; i < APP_EXPECTED_MAX && entry_next(&reader, &command) == 1; i++)
		if (command.kind == ENTRY_APP)
			bodies[count++] = command.body;
	if (count > 1)
		rsm->app->ops->expect_commands(rsm->app, bodies, count);
}

static uint32_t apply_entry(struct rsm *rsm, const struct consensus_chosen *chosen)
{
	struct batch *batch = take_proposed(rsm, chosen->slot);
	bool ours = batch != NULL && same_value(batch, chosen);
	if (rsm_traces(rsm))
		traced_applying(rsm, chosen);
	if (batch != NULL && !ours)
		refuse_lost(rsm, batch);
	uint32_t count = 0;
	if (chosen->value != NULL) {
		struct entry_reader reader;
		struct entry_command command;
		int status = entry_read(&reader, bytes_slice(chosen->value));
		if (status == 0) {
			settle_entry(rsm, &reader);
			sessions_expire(&rsm->sessions, rsm->group.lived_us, reader.format);
		}
		while (status == 0) {
			if (count % APP_EXPECTED_MAX == 0 && rsm->app->ops->expect_commands != NULL)
				expect_commands(rsm, reader);
			if ((status = entry_next(&reader, &command)) != 1)
				break;
			const struct requester *requester = ours && batch->requesters[count].link !=
										    0
								    ? &batch->requesters[count]
								    : NULL;
			status = apply_command(rsm, &command, reader.format, chosen->slot,
					       requester);
			/*
			 * What comes behind it in the same entry is not answered from a state that
			 * is known to be wrong.
			 */
			if (command.kind == ENTRY_HASH && rsm->state_lost)
				ours = false;
			count++;
		}
		if (status != 0)
			node_fatal(
				rsm->node, status,
				"the chosen entry in slot %" PRIu64
				" cannot be applied (%s): this program may be older than its group",
				chosen->slot, status_text(status));
	}
	/* Each command of our own entry had its requester, and was answered or is remembered. */
	ASSERT(!ours || count == batch->count);
	if (batch != NULL)
		batch_release(rsm, batch);
	rsm->applied = chosen->slot;
	rsm->applied_ballot = chosen->ballot;
	return count;
}

void apply_chosen(struct rsm *rsm)
{
	if (rsm->state_lost || rsm->restoring)
		return;
	struct consensus_chosen chosen;
	struct turn_work *turn = &rsm->turn;
	uint64_t before = rsm->applied;
	while (turn->applied < rsm->settings.turn_bytes &&
	       turn->commands < APPLY_COMMANDS_PER_TURN && !rsm->state_lost &&
	       consensus_next_chosen(rsm->core, &chosen)) {
		ASSERT(chosen.slot == rsm->applied + 1);
		turn->applied += chosen.value == NULL ? 0 : chosen.value->len;
		turn->commands += apply_entry(rsm, &chosen);
	}
	ASSERT(rsm->applied <= consensus_chosen_slot(rsm->core));
	if (rsm->applied < consensus_chosen_slot(rsm->core))
		rsm_go_on(rsm, 0);
	if (rsm->applied == before)
		return;
	if (rsm_traces(rsm))
		traced_applied(rsm);
	consensus_applied(rsm->core, rsm->applied);
	if (rsm->options.applied != NULL && !rsm->state_lost)
		rsm->options.applied(rsm->options.context);
}
